"""How the loop keeps its pace whatever regexes cost: slices of entries, the deadline, and the slow lane.

Owns the slow lane and the tickets of what waits in it. Which regexes are quarantined is the guard's to say.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

from f2b.daemon.deadline import Deadline
from f2b.daemon.events import Events
from f2b.daemon.slowlane import Release, SlowLane
from f2b.decide.engine import Engine, Slow
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.detect.budget import QUARANTINE, Regex
from f2b.detect.search import Take
from f2b.model import Decision, Entry, Failure, Position, Suspect
from f2b.protocol import QuarantineRow, SlowLaneRow

SLICE = 0.01
"""Seconds until others have their turn; with the budget of the last entry this stays below 50 ms."""

CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]
Ask = Callable[[Jail, Failure | Suspect, Release, float], list[Decision]]
"""Ask whom must be asked about a failure, and release its entry afterwards; what is decided at once."""


class Fed(NamedTuple):
    """A slice: what was decided, the last entry that is new, and how many entries it was."""

    decisions: list[Decision]
    last: Entry | None
    entries: int


class Pace:
    """`start` wants a running loop; before it, regexes may take as long as they like."""

    def __init__(
        self,
        engine: Engine,
        holds: Holds,
        events: Events,
        carry_out: CarryOut,
        ask: Ask,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._holds = holds
        self._events = events
        self._carry_out = carry_out
        self._ask = ask
        self._clock = clock
        self._deadline: Deadline | None = None
        self.lane = SlowLane(self._answered, engine.wants, events.warning)

    def start(self) -> None:
        self._deadline = Deadline(self._engine.guard)
        self._deadline.install()

    def feed(self, entries: Sequence[tuple[Entry, bool]], before: Position, now: float) -> Fed:
        """Decide on entries for as long as a slice lasts, and on one at least. `before` is the position until now."""
        end = time.monotonic() + SLICE
        decisions: list[Decision] = []
        last, number = None, 0
        with self.armed() if entries else nullcontext():
            for entry, warm in entries:
                if warm:
                    self._engine.warm(entry)
                else:
                    decisions += self._engine.feed(entry, now)
                    last = entry
                number += 1
                if time.monotonic() >= end:
                    break
        for asked in self._engine.slow:
            release = nothing if asked.warm else self._hold(before)
            self.lane.put(asked, release)
        self._engine.slow.clear()
        self._report()
        return Fed(decisions, last, number)

    def armed(self) -> AbstractContextManager[None]:
        """Within this, regexes have their budget."""
        return self._deadline.armed() if self._deadline else nullcontext()

    def keep_house(self) -> None:
        """Let go whose quarantine is over."""
        self._engine.guard.rearm(time.monotonic())

    def _report(self) -> None:
        guard = self._engine.guard
        for regex in guard.news:
            for jail, place in self._places(regex):
                self._events.quarantined(
                    jail,
                    f"the regex at {place} takes too long: quarantined for {QUARANTINE / 60:.0f} min, "
                    "and asked in a slow lane meanwhile",
                    place,
                )
        guard.news.clear()

    def quarantined(self) -> list[tuple[str, QuarantineRow]]:
        """The regexes that are quarantined, each with its jail, and for how long still."""
        now = time.monotonic()
        return [
            (jail, QuarantineRow(regex=place, left=max(0.0, until - now)))
            for regex, until in self._engine.guard.quarantined.items()
            for jail, place in self._places(regex)
        ]

    def slow(self, jail: str) -> SlowLaneRow:
        lane = self.lane
        return SlowLaneRow(
            quarantined=[row for name, row in self.quarantined() if name == jail],
            waiting=lane.waiting(jail),
            not_judged=lane.dropped[jail] + lane.unjudged[jail],
        )

    def _places(self, regex: Regex) -> list[tuple[str, str]]:
        return [
            (jail.name, str(regex.origin))
            for jail in self._engine.jails.values()
            if regex in jail.filter.searcher.regexes
        ]

    def _hold(self, before: Position) -> Release:
        return partial(self._holds.release, self._holds.take(before))

    async def _answered(self, asked: Slow, take: Take | None, release: Release) -> None:
        """The journal is held at the entry until all is known of it; the lane waits for the regexes alone."""
        now = self._clock()
        with self.armed():
            found = self._engine.late(asked, take)
        if self._engine.slow:
            self.lane.put(self._engine.slow.pop(), release)
            return
        decisions = self._engine.weigh(*found, now) if found else []
        if self._engine.asked:
            decisions = self._ask(*self._engine.asked.pop(), release, now)
            release = nothing
        if decisions:
            await self._carry_out(decisions)
        release()


def nothing() -> None:
    """There is nothing to release."""
