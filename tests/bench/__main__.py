"""`python -m tests.bench`: what f2b costs, beside fail2ban and the least that it could cost, in one table.

`make bench` measures all of it and writes bench.json: as root, half an hour on a quiet machine. The exit
status tells whether all that must be reached was; of the quick form, whether no ratio has fallen by a third.
"""

import argparse
import os
import sys
from dataclasses import replace

from tests.bench import report
from tests.bench.measures import MEASURES, ROBUST, run
from tests.bench.plan import QUICK, Plan
from tests.support.processes import use_tools


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="a minute; compared with bench.json")
    parser.add_argument("--record", action="store_true", help="write bench.json and the plots")
    parser.add_argument("--entries", type=int, help="in a journal, instead of a million")
    parser.add_argument("--rounds", type=int, help="medians of so many, instead of five")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}, only {', '.join(MEASURES)}")
    use_tools()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles f2b at each of its starts
    plan = QUICK if options.quick else Plan()
    if count := options.entries:
        plan = replace(plan, entries=count, many_entries=count, growth_entries=count)
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    results = run(options.names or (ROBUST if plan.quick else MEASURES), plan)
    report.show(results)
    if options.record:
        report.record(results, "quick" if plan.quick else "full")
    if not plan.quick:
        return 1 if report.unmet(results) else 0
    lost = {} if options.record else report.losses(results)
    sys.stderr.writelines(f"bench: {text}\n" for texts in lost.values() for text in texts)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
