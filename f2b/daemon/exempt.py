"""Who is ignored by name, or in a list outside the configuration: ignoreip's host names and files.

Owns what they say at the moment. Names are asked at a start, at a reload and every five minutes; one that gets no
answer keeps the last. A list is read again when its file has changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic

from f2b.addresses import Offender
from f2b.config.asking import read_list, unreadable
from f2b.daemon.resolver import Resolver, look_up
from f2b.decide.engine import Engine
from f2b.model import Decision

PATIENCE = 1.0
"""Seconds that a start waits for names, so that nobody is banned for want of an answer."""
LOOK = 1.0
AGAIN, RETRY = 300.0, 10.0
"""Seconds until a name is asked again: one that has an answer, and one that never had one."""

CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]
Stamp = tuple[int, int, int]


class Exempt:
    """`changed` is called when the wall must let through somebody else."""

    def __init__(
        self,
        engine: Engine,
        carry_out: CarryOut,
        changed: Callable[[], None],
        complain: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._carry_out = carry_out
        self._changed = changed
        self._complain = complain
        self._clock = clock
        self._resolver = Resolver(monotonic, look_up)
        self._known: dict[str | Path, tuple[Offender, ...]] = {}
        self._stamps: dict[Path, Stamp | None] = {}
        self._due: dict[str, float] = {}
        self._silent: set[str] = set()
        self._first: asyncio.Task[None] | None = None
        self._renewed = asyncio.Event()

    async def start(self) -> None:
        """Read the lists, and wait for the names, but not long."""
        self._first = asyncio.get_running_loop().create_task(self._look())
        await asyncio.wait([self._first], timeout=PATIENCE)

    def renew(self) -> list[Decision]:
        """Give the jails, which a reload has replaced, what is known already; what else they name is asked next."""
        self._renewed.set()
        return [
            decision
            for jail in self._engine.jails.values()
            for decision in self._engine.exempt(
                jail, self._found(jail.settings.ignoreelsewhere), self._clock()
            )
        ]

    async def run(self) -> None:
        """Keep up with files and names, until cancelled."""
        if self._first is not None:
            await self._first
        while True:
            self._renewed.clear()
            if self._wanted():
                await asyncio.sleep(LOOK)
            else:
                await self._renewed.wait()
            await self._look()

    def _wanted(self) -> set[str | Path]:
        return {
            each for jail in self._engine.jails.values() for each in jail.settings.ignoreelsewhere
        }

    async def _look(self) -> None:
        wanted = self._wanted()
        self._known = {each: found for each, found in self._known.items() if each in wanted}
        self._stamps = {each: stamp for each, stamp in self._stamps.items() if each in wanted}
        before = dict(self._known)
        for path in wanted:
            if isinstance(path, Path):
                await self._read(path)
        await self._apply(before)
        names = [each for each in wanted if isinstance(each, str)]
        due = [name for name in names if self._due.get(name, 0.0) <= monotonic()]
        if due:
            before = dict(self._known)
            await asyncio.gather(*(self._ask(name) for name in due))
            await self._apply(before)

    async def _apply(self, before: dict[str | Path, tuple[Offender, ...]]) -> None:
        if self._known != before:
            decisions = self.renew()
            self._changed()
            await self._carry_out(decisions)

    def _found(self, elsewhere: Iterable[str | Path]) -> list[Offender]:
        return [each for place in elsewhere for each in self._known.get(place, ())]

    async def _ask(self, name: str) -> None:
        found = await self._resolver.fresh(name)
        if found is not None:
            self._known[name] = tuple(sorted(found))
            self._silent.discard(name)
        elif name not in self._silent:
            self._silent.add(name)
            kept = "its last addresses hold" if name in self._known else "nobody is ignored for it"
            self._complain(f"ignoreip: {name} cannot be looked up; until it can, {kept}")
        self._due[name] = monotonic() + (AGAIN if name in self._known else RETRY)

    async def _read(self, path: Path) -> None:
        first = path not in self._stamps
        stamp = await asyncio.to_thread(_stamp, path)
        if not first and self._stamps[path] == stamp:
            return
        self._stamps[path] = stamp
        try:
            self._known[path], problems = await asyncio.to_thread(read_list, path)
        except OSError as error:
            problems = [unreadable(path, error)]
        if not first:  # what is wrong at a load is told by the load
            for problem in problems:
                self._complain(str(problem))


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
