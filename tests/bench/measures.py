"""All measures by name, and those of the quick form."""

import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from tests.bench import report
from tests.bench.bantime import idle, to_ban
from tests.bench.bulk import bulk, each, thousand
from tests.bench.growth import growth
from tests.bench.hostile import floods
from tests.bench.iptables import legacy
from tests.bench.matching import matching
from tests.bench.memory import flat, ping, start
from tests.bench.mending import mending
from tests.bench.meter import turn
from tests.bench.plan import QUICK, Plan
from tests.bench.race import race, sixty
from tests.bench.reader import backlog
from tests.bench.rows import NONE, Row
from tests.bench.wall import loop, restore

MEASURES: Mapping[str, Callable[[Plan], Iterable[Row]]] = {
    "matching": matching,
    "verdict": race,
    "jails": sixty,
    "ban": to_ban,
    "idle": idle,
    "bulk": bulk,
    "thousand": thousand,
    "start": start,
    "ping": ping,
    "memory": each,
    "flat": flat,
    "growth": growth,
    # What is not promised to users, and must not get worse.
    "reader": backlog,
    "wall": restore,
    "loop": loop,
    "iptables": legacy,
    "mending": mending,
    "hostile": floods,
}
ROBUST = ("matching", "verdict", "jails", "reader", "wall")
"""What the quick form measures: ratios of things that ran in turns."""


def run(names: Iterable[str], plan: Plan) -> report.Results:
    """Each in a process of its own, as fresh as a daemon: after others the same scan takes half as long again."""
    results = {}
    for name in names:
        sys.stderr.write(f"bench: {name} …\n")
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            results[name] = fresh.submit(_measured, name, plan).result()
    return results


def _measured(name: str, plan: Plan) -> list[Row]:
    before = turn()
    rows = list(MEASURES[name](plan))
    if plan.quick:
        rows = [compared(row) for row in rows]
    pace = Row(what="an empty turn of Python, before and after", unit="ns", ours=[before, turn()])
    return [*rows, pace]


def compared(row: Row) -> Row:
    """The quick form has no goals but the record: of so little work most is the beginning."""
    return row if row.must == NONE else replace(row, must=None, aim=None)


def losses() -> list[str]:
    """The ratios of the quick form that have fallen, also when measured again: the machine may have been busy."""
    found = run(ROBUST, QUICK)
    lost = report.losses(found)
    for _ in range(2):
        if lost:
            found = report.pooled({name: found[name] for name in lost}, run(lost, QUICK))
            lost = report.losses(found)
    return [text for texts in lost.values() for text in texts]
