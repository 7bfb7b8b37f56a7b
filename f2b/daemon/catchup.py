"""Reading the past of jails that are new or changed, beside the live journal.

For each a second, temporary reader goes from now - findtime to where the live reader began. It works in slices that
yield to live entries, has a filter of its own, and leaves out what the store already knows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from f2b.config.diff import fingerprint
from f2b.daemon.pace import SLICE as TURN
from f2b.daemon.pace import Pace
from f2b.daemon.recorder import Recorder
from f2b.decide.engine import Engine, Slow
from f2b.decide.jail import Jail
from f2b.detect.budget import Guard
from f2b.detect.filter import Filter
from f2b.detect.search import Take
from f2b.journal.match import union
from f2b.journal.reader import JournalReader, reached
from f2b.journal.sift import Field, Sift
from f2b.model import Decision, Entry, Failure, Marks, Position, Suspect
from f2b.store import Batch, Store

SLICE = 200
"""Entries read at a time: a few milliseconds."""
QUESTIONS = 1000
"""How many entries of a past may be slow; those beyond are not judged."""

Settle = Callable[[Jail, Sequence[Failure | Suspect]], Awaitable[list[Failure]]]
"""Ask whom must be asked; what counts in the end."""
CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]


class CatchUps:
    """Owns the catch-ups under way. `progress` has the share that is read, by jail."""

    def __init__(
        self,
        recorder: Recorder,
        store: Store,
        settle: Settle,
        clock: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._recorder = recorder
        self._pace = pace
        self._store = store
        self._settle = settle
        self._clock = clock
        self.progress: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sift: Sift | None = None
        self._pasts: set[_Past] = set()

    async def start(
        self,
        jails: Collection[Jail],
        source: str,
        boundary: Position,
        engine: Engine,
        carry_out: CarryOut,
    ) -> None:
        """Begin with every jail that looks different from when its past was read. None must be under way."""
        known = await self._recorder.between(self._store.fingerprints)
        # One that is broken reads nothing either: when it is mended, its past is to be read again.
        gone = known.keys() - {jail.name for jail in jails if jail.match is not None}
        if gone:
            await self._recorder.record(Batch(caught_up=dict.fromkeys(gone)))
        for jail in jails:
            if jail.match is None or known.get(jail.name) == fingerprint(jail.settings):
                continue
            past = _Past(
                jail, source, self._clock() - jail.settings.findtime, boundary, engine.guard
            )
            work = self._catch_up(jail, past, engine, carry_out)
            self._tasks[jail.name] = asyncio.get_running_loop().create_task(work)

    def pass_over(self, sift: Sift | None) -> None:
        """Pass over what nobody wants, as this says; in what is under way, too."""
        self._sift = sift
        for past in self._pasts:
            past.pass_over(sift)

    async def stop(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def failure(self) -> BaseException | None:
        """The error of a catch-up that ended by one that it does not expect."""
        for name, task in tuple(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                if not task.cancelled() and (error := task.exception()) is not None:
                    return error
        return None

    async def _catch_up(
        self, jail: Jail, past: "_Past", engine: Engine, carry_out: CarryOut
    ) -> None:
        self.progress[jail.name] = 0.0
        self._pasts.add(past)
        past.pass_over(self._sift)
        try:
            past.open()
            while (failures := await self._read(past)) is not None:
                # What waits for a store that does not answer is not known to it yet.
                while self._recorder.degraded:
                    await asyncio.sleep(1)
                if fresh := await self._fresh(jail, failures):
                    now = self._clock()
                    await carry_out(
                        [d for failure in fresh for d in engine.count(jail, failure, now)]
                    )
                self.progress[jail.name] = past.progress
                await asyncio.sleep(0)
            await self._recorder.record(Batch(caught_up={jail.name: fingerprint(jail.settings)}))
        finally:
            past.close()
            self._pasts.discard(past)
            self.progress.pop(jail.name, None)

    async def _read(self, past: "_Past") -> list[Failure | Suspect] | None:
        """The failures of a slice, those of slow regexes too: here there is time to wait for them."""
        with self._pace.armed():
            failures = past.read()
        late: list[Failure | Suspect] = []
        while (asked := past.next_asked()) is not None:
            take = await self._pace.lane.ask(asked)
            with self._pace.armed():
                found = past.late(asked, take)
            late += [found] if found is not None else []
        self._pace.lane.dropped[past.jail] += past.lost
        past.lost = 0
        return failures if failures is None else [*failures, *late]

    async def _fresh(self, jail: Jail, found: Sequence[Failure | Suspect]) -> list[Failure]:
        """What counts and no earlier run has stored: a repeated catch-up counts nothing twice."""
        named = [each for each in found if isinstance(each, Suspect)]
        failures = await self._unknown(jail, [f for f in found if isinstance(f, Failure)])
        if not named and not jail.settings.ignorecommand:
            return failures
        return await self._unknown(jail, await self._settle(jail, [*failures, *named]))

    async def _unknown(self, jail: Jail, failures: Sequence[Failure]) -> list[Failure]:
        if not failures:
            return []

        def select() -> list[Failure]:
            return [
                f
                for f in failures
                if not self._store.knows(jail.name, jail.offender(f.address), f.cursor)
            ]

        return await self._recorder.between(select)


class _OfOneJail(Sift):
    """What a sift says of one jail."""

    def __init__(self, sift: Sift, jail: str) -> None:
        self._sift = sift
        self._jail = jail
        self.fields = sift.fields
        self.names = sift.names
        self.index = sift.index

    def within(self, values: Mapping[str, Collection[bytes]]) -> Sift:
        return _OfOneJail(self._sift.within(values), self._jail)

    def candidates(self, message: bytes, field: Field) -> Marks:
        return self._mine(self._sift.candidates(message, field))

    def named_plainly(self, message: bytes, field: Field) -> Marks:
        return self._mine(self._sift.named_plainly(message, field))

    def _mine(self, marks: Marks) -> Marks:
        return {self._jail: marks[self._jail]} if self._jail in marks else {}


class _Past:
    """The entries of one jail between two points in time, as failures."""

    def __init__(
        self, jail: Jail, source: str, start: float, boundary: Position, guard: Guard
    ) -> None:
        assert jail.match is not None
        self._match = jail.match
        self.jail = jail.name
        self._filter = Filter(jail.settings.filter)
        self._filter.searcher = jail.filter.searcher  # what is quarantined there is so here
        self._filter.guard = guard
        self._entries: deque[tuple[Entry, bool]] = deque()
        self._asked: deque[Slow] = deque()
        self._slow = self.lost = 0
        self._read = start
        self._start = start
        self._boundary = boundary
        self._reader = JournalReader(source, union([jail.match]))
        self.progress = 0.0
        self._over = False

    def open(self) -> None:
        self._reader.open(Position(None, self._start))

    def close(self) -> None:
        self._reader.close()

    def pass_over(self, sift: Sift | None) -> None:
        self._reader.pass_over(_OfOneJail(sift, self.jail) if sift else None)

    def read(self) -> list[Failure | Suspect] | None:
        """The failures of the next slice; None at the end."""
        if self._over or not (self._entries or self._look()):
            return None
        failures: list[Failure | Suspect] = []
        end = time.monotonic() + TURN
        while self._entries and time.monotonic() < end:
            entry, warm = self._entries.popleft()
            if reached(entry.cursor, entry.time, self._boundary):
                self._entries.clear()
                self._over = True
                break
            self._read = entry.time
            failure = self._find(entry, warm=warm)
            if failure is not None and not warm:
                failures.append(failure)
        span = self._boundary.time - self._start
        if span > 0:
            self.progress = min(1.0, max(0.0, (self._read - self._start) / span))
        return failures

    def _look(self) -> bool:
        """Say whether there is anything before the boundary, wanted or not."""
        before = self._reader.looked
        self._entries.extend(self._reader.read(SLICE))
        if not self._entries and self._reader.looked > before:
            last = self._reader.last
            self._read = last.time
            self._over = reached(last.cursor or "", last.time, self._boundary)
        return self._reader.looked > before

    def next_asked(self) -> Slow | None:
        """What the regexes of the last slice could not say in time, one after the other."""
        return self._asked.popleft() if self._asked else None

    def late(self, asked: Slow, take: Take | None) -> Failure | Suspect | None:
        self._filter.guard.begin()
        failure = self._filter.late(asked.question, take, asked.entry)
        self._gather(asked.entry, warm=asked.warm)
        return None if asked.warm else failure

    def _find(self, entry: Entry, *, warm: bool) -> Failure | Suspect | None:
        if not self._match.fits(entry.fields):
            return None
        self._filter.guard.begin()
        # Without marks it is anybody's, or doubted.
        places = entry.marks[self.jail] if entry.marks else None
        failure = self._filter.find(entry, places)
        self._gather(entry, warm=warm)
        return failure

    def _gather(self, entry: Entry, *, warm: bool) -> None:
        for question in self._filter.questions:
            self._slow += 1
            if self._slow <= QUESTIONS:
                self._asked.append(Slow(self.jail, self._filter, entry, question, warm))
            else:
                self.lost += 1
        self._filter.questions.clear()
