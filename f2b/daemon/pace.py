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
from f2b.daemon.slowlane import SlowLane
from f2b.decide.engine import Asked, Engine
from f2b.decide.holds import Holds
from f2b.detect.budget import QUARANTINE, Regex
from f2b.detect.search import Take
from f2b.model import Decision, Entry, Position
from f2b.protocol import QuarantineRow, SlowLaneRow

SLICE = 0.01
"""Seconds until others have their turn; with the budget of the last entry this stays below 50 ms."""

CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]


class Fed(NamedTuple):
    """A slice: what was decided, the last entry that is new, and how many entries it was."""

    decisions: list[Decision]
    last: Entry | None
    entries: int


class Pace:
    """`start` wants a running loop; before it, regexes may take as long as they like."""

    def __init__(
        self, engine: Engine, holds: Holds, events: Events, carry_out: CarryOut,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._holds = holds
        self._events = events
        self._carry_out = carry_out
        self._clock = clock
        self._deadline: Deadline | None = None
        self.lane = SlowLane(self._answered, events.warning)

    def start(self) -> None:
        self._deadline = Deadline(self._engine.guard)
        self._deadline.install()

    def feed(self, entries: Sequence[tuple[Entry, bool]], before: Position, now: float) -> Fed:
        """Decide on entries for as long as a slice lasts, and on one at least. `before` is the position until now."""
        end = time.monotonic() + SLICE
        decisions: list[Decision] = []
        last, number = None, 0
        with self.armed():
            for entry, warm in entries:
                if warm:
                    self._engine.warm(entry)
                else:
                    decisions += self._engine.feed(entry, now)
                    last = entry
                number += 1
                if time.monotonic() >= end:
                    break
        for asked in self._engine.asked:
            release = nothing if asked.warm else self._hold(before)
            self.lane.put(asked, release)
        self._engine.asked.clear()
        return Fed(decisions, last, number)

    def armed(self) -> AbstractContextManager[None]:
        """Within this, regexes have their budget."""
        return self._deadline.armed() if self._deadline else nullcontext()

    def keep_house(self) -> None:
        """Say who is quarantined, and let go whose time is over."""
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
        guard.rearm(time.monotonic())

    def quarantined(self, jail: str) -> list[QuarantineRow]:
        """The regexes of a jail that are quarantined, and for how long still."""
        now = time.monotonic()
        rows = self._engine.guard.quarantined.items()
        return [
            QuarantineRow(regex=place, left=max(0.0, until - now))
            for regex, until in rows
            for name, place in self._places(regex)
            if name == jail
        ]

    def slow(self, jail: str) -> SlowLaneRow:
        lane = self.lane
        return SlowLaneRow(
            quarantined=self.quarantined(jail),
            waiting=lane.waiting(jail),
            not_judged=lane.dropped[jail] + lane.unjudged[jail],
        )

    def _places(self, regex: Regex) -> list[tuple[str, str]]:
        return [
            (jail.name, str(regex.origin))
            for jail in self._engine.jails.values()
            if regex in jail.filter.searcher.regexes
        ]

    def _hold(self, before: Position) -> Callable[[], None]:
        return partial(self._holds.release, self._holds.take(before))

    async def _answered(self, asked: Asked, take: Take | None) -> None:
        decisions = self._engine.late(asked, take, self._clock())
        if decisions:
            await self._carry_out(decisions)


def nothing() -> None:
    """There is nothing to release."""
