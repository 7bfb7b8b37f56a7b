"""Failures per offender within findtime: a true sliding window over the entries' own times.

Owns what is counted and not yet banned. What has gone stale is judged by the newest failure seen, not by a clock, so
that a replay of the journal counts what the live run counted.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from f2b.addresses import Offender

SLACK = 300.0
"""Seconds that an entry may come late (out of order) and still count with failures a findtime before it."""

Times = tuple[float, ...]
# Ordered by the last failure. A plain dict walks over everything ever deleted to find its first item.
Offenders = OrderedDict[Offender, Times]


class Tally:
    """Counts up to `maxretry`. At most `ceiling` offenders are remembered; `evicted` counts those let go.

    Whoever failed once and whoever failed again are kept apart. A flood of addresses that never come back pushes out
    its own kind; and however many came back, a quarter of the places is for newcomers.
    """

    def __init__(self, maxretry: int, findtime: float, ceiling: int) -> None:
        self._maxretry = maxretry
        self._findtime = findtime
        self._kept = maxretry
        self.reach = findtime + SLACK
        """How many seconds a failure lies before the newest and may still count."""
        self._ceiling = ceiling
        self._once: Offenders = OrderedDict()
        self._again: Offenders = OrderedDict()
        self._newest = float("-inf")
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._once) + len(self._again)

    def __iter__(self) -> Iterator[tuple[Offender, Times]]:
        yield from self._once.items()
        yield from self._again.items()

    def seen(self, time: float, now: float) -> None:
        """Take note of the time of any failure. A clock that was ahead once must not make all that follows stale."""
        self._newest = min(max(self._newest, time), now)

    def add(self, offender: Offender, time: float, retries: int | None = None) -> Times:
        """Count a failure. When so many of this offender (`maxretry`) lie within findtime: those; else nothing."""
        horizon = self._newest - self.reach
        times: Times = (time,)
        if before := self.forget(offender):
            times = tuple(sorted((*before, time)))[-self._kept :]
        if times[0] < horizon:
            times = tuple(t for t in times if t >= horizon)
        if times:
            (self._once if len(times) == 1 else self._again)[offender] = times
        self._shrink(horizon)
        return self._window(times, retries or self._maxretry)

    def forget(self, offender: Offender) -> Times:
        """Drop an offender; the times that counted."""
        return self._once.pop(offender, None) or self._again.pop(offender, None) or ()

    def count(self, now: float) -> int:
        """How many offenders have a failure within findtime before now."""
        count = 0
        for kind in (self._once, self._again):
            for offender in reversed(kind):
                if kind[offender][-1] <= now - self._findtime:
                    break
                count += 1
        return count

    def _window(self, times: Times, number: int) -> Times:
        """The last `number` failures, if there are so many and they lie within findtime."""
        last = times[-number:]
        return last if len(last) == number and last[-1] - last[0] <= self._findtime else ()

    def _shrink(self, horizon: float) -> None:
        """Drop stale offenders, two of each kind per failure: enough to keep up, at constant cost. Obey the ceiling."""
        for kind in (self._once, self._again):
            for _ in range(2):
                offender = next(iter(kind), None)
                if offender is None or kind[offender][-1] >= horizon:
                    break
                del kind[offender]
        if len(self._once) + len(self._again) > self._ceiling:
            kind, offender = self._least()
            del kind[offender]
            self.evicted += 1

    def _least(self) -> tuple[Offenders, Offender]:
        """Whom to let go: the least recent, one failure short of a ban only where there is no other."""
        short = self._maxretry - 1
        if short > 1 and len(self._once) > self._ceiling // 4:
            return self._once, next(iter(self._once))
        for offender, times in islice(self._again.items(), 64):
            if not self._window(times, short):
                return self._again, offender
        kind = self._again if len(self._again) > len(self._once) else self._once
        return kind, next(iter(kind))
