"""A loop that keeps its pace, with hostile jails, the real timer and the real child of the slow lane."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from f2b.config.settings import FilterSettings
from f2b.daemon.events import Events, Level
from f2b.daemon.pace import Pace
from f2b.daemon.questions import Questions
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.detect.budget import Regex
from f2b.model import Decision, Found, Position
from tests.support.hostile import TRAPS, Trap
from tests.unit.decide.making import entry, jail, located

FIBONACCI = r"(?:x|xx)*!"
BEFORE = Position("c0", 0.0)
DOMINO = TRAPS["domino"]


class Loop:
    """An engine and a pace, and what is decided."""

    def __init__(self, *jails: Jail) -> None:
        self.engine = Engine(jails)
        self.holds = Holds()
        self.found: list[Found] = []
        events = Events("stderr", Level.WARNING, time.time)
        self.questions = Questions(self.engine, self.holds, events, self.carry_out, lambda: 2000.0)
        self.pace = Pace(
            self.engine, self.holds, events, self.carry_out, self.questions.ask, lambda: 2000.0
        )
        self.guard = self.engine.guard

    async def carry_out(self, decisions: Sequence[Decision]) -> None:
        self.found += [each for each in decisions if isinstance(each, Found)]

    def feed(self, *lines: str, warm: bool = False) -> None:
        entries = [(entry(line, 1000.0 + at, _UID=b"0"), warm) for at, line in enumerate(lines)]
        while entries:
            fed = self.pace.feed(entries, BEFORE, 2000.0)
            assert self.questions.take(BEFORE, 2000.0) == []
            self.found += [each for each in fed.decisions if isinstance(each, Found)]
            entries = entries[fed.entries :]

    async def settled(self, timeout: float = 20) -> None:
        """Wait until nothing waits any more."""
        async with asyncio.timeout(timeout):
            while self.holds:
                await asyncio.sleep(0.01)

    def child(self) -> int:
        process = self.pace.lane._child._process
        assert process
        return process.pid

    @property
    def offenders(self) -> list[tuple[str, str]]:
        return [(each.jail, str(each.offender)) for each in self.found]


def run(loop: Loop, body: Callable[[], Awaitable[None]]) -> None:
    async def together() -> None:
        loop.pace.start()
        task = asyncio.create_task(loop.pace.lane.run())
        try:
            await body()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    before = signal.getsignal(signal.SIGVTALRM)
    try:
        asyncio.run(together())
    finally:
        signal.signal(signal.SIGVTALRM, before)


def trapped(trap: Trap, *more: str, name: str = "sshd", **changes: object) -> Jail:
    regexes = located(trap.failregex, *more)
    settings = FilterSettings(name=name, failregex=regexes, journalmatch=located("_COMM=a"))
    return jail(name=name, filter=settings, maxretry=9, **changes)


def first_regex(loop: Loop, name: str = "sshd") -> Regex:
    regex: Regex = loop.engine.jails[name].filter.searcher.regexes[0]
    return regex
