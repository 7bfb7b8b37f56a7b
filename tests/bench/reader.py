"""How fast the reader goes through a backlog and hands out its entries, against a bare loop that takes one field."""

from collections.abc import Iterable
from pathlib import Path

from systemd import journal as library

from f2b.journal.match import parse_text
from f2b.journal.reader import JournalReader
from f2b.model import Position
from tests.bench.journals import begin, journal, size
from tests.bench.meter import Cost, cost
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least

MATCH = "_SYSTEMD_UNIT=ssh.service _COMM=sshd + _SYSTEMD_UNIT=dovecot.service"


def backlog(plan: Plan) -> Iterable[Row]:
    folder = journal(plan.growth_entries)
    whole, chosen, bare = [], [], []
    for _ in range(plan.rounds):
        whole.append(plan.time(read_all(folder, "*")))
        chosen.append(plan.time(read_all(folder, MATCH)))
        bare.append(plan.time(bare_loop(folder)))
    name = f"{size(folder):,} entries read"
    yield Row(
        what=f"{name}; floor: next + MESSAGE", ours=whole, floor=bare, judge=Judge.SPEED,
        must=at_least(0.15),
    )  # fmt: skip
    yield Row(what=f"{name} of two units; floor: all", ours=chosen, floor=bare, judge=Judge.SPEED)


def read_all(folder: Path, match: str) -> Cost:
    def work() -> None:
        reader = JournalReader(str(folder), parse_text(match).groups or None)
        reader.open(Position(None, begin(folder)), warmup=0)
        while reader.read(250):
            pass
        reader.close()

    return cost(work)


def bare_loop(folder: Path) -> Cost:
    def work() -> None:
        reader = library.Reader(path=str(folder))
        while reader._next():
            reader._get("MESSAGE")
        reader.close()

    return cost(work)
