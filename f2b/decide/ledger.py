"""Who is banned until when, and how often before. Owns the bans of one jail; the kernel holds a copy.

The life of a ban follows the entries' own times: a failure that lies within a ban belongs to it, whether or not the
clock has already passed its end. So a backlog read after a crash gives the bans that the live run gave.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from f2b.addresses import Offender
from f2b.model import Ban, Lifted, Reason

TRAIL = 5.0
"""Seconds after a ban's last failure in which lines of the same session still belong to it."""


class Ledger:
    """Bans in force and, for their offence count, the last ban of every offender that had one.

    At most twice `ceiling` offenders are remembered; of those whose ban is over the earliest goes first, and
    `forgotten` counts. `reach` is how much older than a ban a late failure may be and still belong to it.
    """

    def __init__(self, jail: str, reach: float, ceiling: int) -> None:
        self._jail = jail
        self._reach = reach
        self._ceiling = ceiling
        self._last: dict[Offender, Ban] = {}
        self._over: OrderedDict[Offender, Lifted] = OrderedDict()
        self._ends: list[tuple[float, Offender]] = []
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._last) - len(self._over)

    def __iter__(self) -> Iterator[Ban]:
        """The bans in force."""
        return (ban for offender, ban in self._last.items() if offender not in self._over)

    def load(self, history: Iterable[Ban | Lifted]) -> None:
        """Take over the last ban of each offender, in force or over."""
        over = []
        for last in history:
            if isinstance(last, Lifted):
                over.append(last)
                self._last[last.ban.offender] = last.ban
            else:
                self._last[last.offender] = last
        for event in sorted(over, key=lambda event: event.at):
            self._end(event)
        self._sort_ends()

    def resize(self, reach: float, ceiling: int) -> None:
        """Go on under other settings."""
        self._reach, self._ceiling = reach, ceiling

    def get(self, offender: Offender) -> Ban | None:
        """The ban in force."""
        return None if offender in self._over else self._last.get(offender)

    def offences(self, offender: Offender) -> int:
        """How many bans it had, the one in force among them. Whom an admin has let in again begins anew."""
        last = self._last.get(offender)
        if last is None:
            return 0
        over = self._over.get(offender)
        return 0 if over is not None and over.reason is Reason.UNBAN else last.offence

    def holds(self, offender: Offender, time: float, session: str | None) -> Ban | None:
        """The ban that a failure of this time belongs to: one that covers it, or whose session it is still part of."""
        ban = self._last.get(offender)
        if ban is None or time < ban.start - self._reach:
            return None
        over = self._over.get(offender)
        end = ban.until if over is None or over.reason is Reason.EXPIRED else over.at
        if end is None or time <= end:
            return ban
        trails = session is not None and session == ban.session and time <= ban.start + TRAIL
        return ban if trails else None

    def prolong(self, offender: Offender, until: float | None) -> Ban | None:
        """Move the end of the last ban; None if that would not make it longer, or if it was lifted early."""
        ban = self._last[offender]
        over = self._over.get(offender)
        if ban.until is None or (over is not None and over.reason is not Reason.EXPIRED):
            return None
        if until is not None and until <= ban.until:
            return None
        ban = ban._replace(until=until)
        self._enter(ban)
        return ban

    def ban(self, ban: Ban) -> Ban:
        """Enter a new ban, with its offence count."""
        ban = ban._replace(jail=self._jail, offence=self.offences(ban.offender) + 1)
        self._enter(ban)
        return ban

    def lift(self, offender: Offender, reason: Reason, now: float) -> Lifted | None:
        """End a ban early; None if there is none in force."""
        ban = self.get(offender)
        return self._end(Lifted(ban, reason, now)) if ban else None

    def expire(self, now: float, most: int) -> list[Lifted]:
        """End at most so many of the bans whose time is over."""
        ended: list[Lifted] = []
        while self._ends and self._ends[0][0] <= now and len(ended) < most:
            until, offender = heappop(self._ends)
            ban = self.get(offender)
            if ban is not None and ban.until == until:
                ended.append(self._end(Lifted(ban, Reason.EXPIRED, now)))
        return ended

    def soonest(self, keep: Offender) -> Ban | None:
        """The ban in force that ends first, `keep` aside; if all are for ever, the oldest."""
        while self._ends:
            until, offender = self._ends[0]
            ban = self.get(offender)
            if ban is not None and ban.until == until:
                if offender != keep:
                    return ban
                break
            heappop(self._ends)
        others = (ban for ban in self if ban.offender != keep)
        return min(
            others, key=lambda ban: (ban.until or math.inf, ban.start, ban.offender), default=None
        )

    def purge(self, before: float, most: int) -> bool:
        """Forget at most so many whose ban was over before that time. True if there may be more."""
        for _ in range(most):
            offender, over = next(iter(self._over.items()), (None, None))
            if offender is None or over is None or over.at >= before:
                return False
            del self._over[offender], self._last[offender]
        return True

    def _enter(self, ban: Ban) -> None:
        self._last[ban.offender] = ban
        self._over.pop(ban.offender, None)
        self._trim()
        if ban.until is not None:
            heappush(self._ends, (ban.until, ban.offender))
            if len(self._ends) > 64 + 4 * len(self):
                self._sort_ends()

    def _sort_ends(self) -> None:
        """Leave out what came to another end."""
        self._ends = [(ban.until, ban.offender) for ban in self if ban.until is not None]
        heapify(self._ends)

    def _end(self, event: Lifted) -> Lifted:
        self._over[event.ban.offender] = event
        self._trim()
        return event

    def _trim(self) -> None:
        if len(self._last) > 2 * self._ceiling and self._over:
            offender, _ = self._over.popitem(last=False)
            del self._last[offender]
            self.forgotten += 1
