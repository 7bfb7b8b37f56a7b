"""`python -m tests.bench`: what f2b costs, beside fail2ban and the least that it could cost, in one table.

`make bench` runs all of it (root; half an hour on a quiet machine) and writes bench.json.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tests.bench import report
from tests.bench.bantime import idle, to_ban
from tests.bench.bulk import bulk, each
from tests.bench.growth import growth
from tests.bench.memory import flat, ping, start
from tests.bench.plan import QUICK, Plan
from tests.bench.race import race, sixty
from tests.bench.rows import Row
from tests.support.processes import use_tools

MEASURES: Mapping[str, Callable[[Plan], Iterable[Row]]] = {
    "verdict": race,
    "jails": sixty,
    "ban": to_ban,
    "idle": idle,
    "bulk": bulk,
    "memory": each,
    "start": start,
    "ping": ping,
    "flat": flat,
    "growth": growth,
}
ROBUST = ("verdict", "jails")
"""What the quick form measures: ratios of things that ran in the same minute."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="a minute; compared with the record")
    parser.add_argument("--record", action="store_true", help="write bench.json")
    parser.add_argument("--entries", type=int, help="of the journal, instead of a million")
    parser.add_argument("--rounds", type=int, help="medians of so many, instead of five")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}, only {', '.join(MEASURES)}")
    use_tools()
    plan = QUICK if options.quick else Plan()
    if options.entries:
        plan = replace(plan, entries=options.entries, many_entries=options.entries)
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    results = run(options.names or (ROBUST if plan.quick else MEASURES), plan)
    report.show(results)
    if options.record:
        report.record(results, "quick" if plan.quick else "full")
        return 0
    return _compared(results) if plan.quick else 0


def run(names: Iterable[str], plan: Plan) -> report.Results:
    results = {}
    for name in names:
        sys.stderr.write(f"bench: {name} …\n")
        results[name] = list(MEASURES[name](plan))
    return results


def _compared(results: report.Results) -> int:
    losses = report.losses(results)
    sys.stderr.writelines(f"bench: {loss}\n" for loss in losses)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
