"""Who is banned until when, and how often before. Owns the bans of one jail; the kernel holds a copy.

The life of a ban follows the entries' own times: a failure that lies within a ban belongs to it, whether or not the
clock has already passed its end. So a backlog read after a crash gives the bans that the live run gave.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heapify, heappop, heappush

from f2b.addresses import Offender
from f2b.model import Ban, Banned, Lifted, Reason

TRAIL = 5.0
"""Seconds after a ban's last failure in which lines of the same session still belong to it."""


class Ledger:
    """Bans in force and, for their offence count, the last ban of every offender that had one."""

    def __init__(self, jail: str) -> None:
        self._jail = jail
        self._last: dict[Offender, Ban] = {}
        self._lifted: dict[Offender, float] = {}
        self._ends: list[tuple[float, Offender]] = []
        self._in_force: set[Offender] = set()

    def __len__(self) -> int:
        return len(self._in_force)

    def __iter__(self) -> Iterator[Ban]:
        """The bans in force."""
        return (self._last[offender] for offender in self._in_force)

    def load(self, history: Iterable[Banned | Lifted]) -> None:
        """Take over the last ban of each offender, in force or lifted."""
        for event in history:
            ban = event.ban
            self._last[ban.offender] = ban
            if isinstance(event, Banned):
                self._enter(ban)
            elif event.reason is not Reason.EXPIRED:
                self._lifted[ban.offender] = event.at

    def get(self, offender: Offender) -> Ban | None:
        """The ban in force."""
        return self._last[offender] if offender in self._in_force else None

    def holds(self, offender: Offender, time: float, session: str | None) -> Ban | None:
        """The ban that a failure at this time belongs to: one that covers it, or whose session it is still part of."""
        ban = self._last.get(offender)
        if ban is None:
            return None
        end = self._lifted.get(offender, ban.until)
        if end is None or time <= end:
            return ban
        trails = session is not None and session == ban.session and time <= ban.start + TRAIL
        return ban if trails else None

    def prolong(self, offender: Offender, until: float | None) -> Ban | None:
        """Move the end of the last ban; None if that would not make it longer, or if it was lifted early."""
        ban = self._last[offender]
        if offender in self._lifted or ban.until is None:
            return None
        if until is not None and until <= ban.until:
            return None
        ban = replace(ban, until=until)
        self._last[offender] = ban
        self._enter(ban)
        return ban

    def ban(self, ban: Ban) -> Ban:
        """Enter a new ban, with its offence count."""
        before = self._last.get(ban.offender)
        ban = replace(ban, jail=self._jail, offence=before.offence + 1 if before else 1)
        self._lifted.pop(ban.offender, None)
        self._last[ban.offender] = ban
        self._enter(ban)
        return ban

    def lift(self, offender: Offender, now: float) -> Ban | None:
        """End a ban early; None if there is none in force."""
        if offender not in self._in_force:
            return None
        self._in_force.discard(offender)
        self._lifted[offender] = now
        return self._last[offender]

    def expire(self, now: float) -> list[Ban]:
        """The bans whose end has come."""
        ended = []
        while self._ends and self._ends[0][0] <= now:
            _, offender = heappop(self._ends)
            ban = self.get(offender)
            if ban is not None and ban.until is not None and ban.until <= now:
                self._in_force.discard(offender)
                ended.append(ban)
        return ended

    def soonest(self) -> Ban | None:
        """The ban in force that ends first."""
        while self._ends:
            until, offender = self._ends[0]
            ban = self.get(offender)
            if ban is not None and ban.until == until:
                return ban
            heappop(self._ends)
        return next(iter(self), None)

    def purge(self, before: float) -> None:
        """Forget the offences of everyone whose last ban ended before that time."""
        for offender, ban in list(self._last.items()):
            if offender not in self._in_force and (ban.until or ban.start) < before:
                del self._last[offender]
                self._lifted.pop(offender, None)

    def _enter(self, ban: Ban) -> None:
        self._in_force.add(ban.offender)
        if ban.until is not None:
            heappush(self._ends, (ban.until, ban.offender))
            if len(self._ends) > 64 + 4 * len(self._in_force):
                self._ends = [(b.until, b.offender) for b in self if b.until is not None]
                heapify(self._ends)
