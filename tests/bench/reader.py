"""How fast the reader goes through a backlog and hands out its entries, against a bare loop that takes one field."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from systemd import journal as library

from f2b.journal.match import parse_text
from f2b.journal.reader import JournalReader
from f2b.model import Position
from tests.bench.journals import begin, journal, size
from tests.bench.meter import Cost, cost, in_turns
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least

MATCH = "_SYSTEMD_UNIT=ssh.service _COMM=sshd + _SYSTEMD_UNIT=dovecot.service"
BATCH = 250


def backlog(plan: Plan) -> Iterable[Row]:
    folder = journal(plan.growth_entries)
    whole: list[float] = []
    chosen: list[float] = []
    bare: list[float] = []
    for _ in range(plan.rounds):
        ways = reading(folder, "*"), reading(folder, MATCH), looking(folder)
        for times, took in zip((whole, chosen, bare), in_turns(*ways), strict=True):
            times.append(plan.time(took))
    name = f"{size(folder):,} entries read"
    yield Row(
        what=f"{name}; floor: next + MESSAGE", ours=whole, floor=bare, judge=Judge.SPEED,
        must=at_least(0.15),
    )  # fmt: skip
    yield Row(what=f"{name} of two units; floor: all", ours=chosen, floor=bare, judge=Judge.SPEED)


def reading(folder: Path, match: str) -> Iterator[None]:
    reader = JournalReader(str(folder), parse_text(match).groups or None)
    reader.open(Position(None, begin(folder)), warmup=0)
    while reader.read(BATCH):
        yield
    reader.close()


def looking(folder: Path) -> Iterator[None]:
    reader = library.Reader(path=str(folder))
    while reader._next():
        reader._get("MESSAGE")
        for _ in range(BATCH - 1):
            if reader._next():
                reader._get("MESSAGE")
        yield
    reader.close()


def bare_loop(folder: Path) -> Cost:
    return cost(lambda: [*looking(folder)])
