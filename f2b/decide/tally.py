"""Failures per offender within findtime: a true sliding window over the entries' own times.

Owns what is counted and not yet banned. No clock: what has gone stale is judged by the newest failure seen, so that
a replay of the journal counts what the live run counted.
"""

from collections.abc import Iterator
from itertools import islice

from f2b.addresses import Offender

SLACK = 300.0
"""Seconds that an entry may come late (out of order) and still count with failures a findtime before it."""

Times = tuple[float, ...]


class Tally:
    """Counts up to `maxretry`. At most `ceiling` offenders are remembered; `evicted` counts those let go."""

    def __init__(self, maxretry: int, findtime: float, ceiling: int) -> None:
        self._maxretry = maxretry
        self._findtime = findtime
        self._ceiling = ceiling
        # Whoever failed once and whoever failed again are kept apart: a flood of addresses that never come back
        # pushes out its own kind. Both are in the order of their last failure.
        self._once: dict[Offender, Times] = {}
        self._again: dict[Offender, Times] = {}
        self._newest = float("-inf")
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._once) + len(self._again)

    def __iter__(self) -> Iterator[tuple[Offender, Times]]:
        yield from self._once.items()
        yield from self._again.items()

    def add(self, offender: Offender, time: float) -> Times:
        """Count a failure. When the last `maxretry` of this offender lie within findtime: those; else nothing."""
        self._newest = max(self._newest, time)
        horizon = self._newest - self._findtime - SLACK
        times = self.forget(offender)
        if not times and time >= horizon:
            times = (time,)
        else:
            times = tuple(sorted(t for t in (*times, time) if t >= horizon))[-self._maxretry :]
        if times:
            (self._once if len(times) == 1 else self._again)[offender] = times
        self._shrink(horizon)
        full = len(times) >= self._maxretry and times[-1] - times[0] <= self._findtime
        return times if full else ()

    def forget(self, offender: Offender) -> Times:
        """Drop an offender; the times that counted."""
        return self._once.pop(offender, None) or self._again.pop(offender, None) or ()

    def count(self, now: float) -> int:
        """How many offenders have a failure within findtime before now."""
        return sum(times[-1] > now - self._findtime for _, times in self)

    def _shrink(self, horizon: float) -> None:
        """Drop stale offenders, two per failure: enough to keep up, at constant cost. Then obey the ceiling."""
        for kind in (self._once, self._again):
            for offender in list(islice(kind, 2)):
                if kind[offender][-1] < horizon:
                    del kind[offender]
        if len(self) > self._ceiling:
            kind, offender = self._least()
            del kind[offender]
            self.evicted += 1

    def _least(self) -> tuple[dict[Offender, Times], Offender]:
        """The least recent offender that is not one failure short of a ban, among the first 64; else the first."""
        short = self._maxretry - 1
        if self._once and short != 1:
            return self._once, next(iter(self._once))
        for offender, times in islice(self._again.items(), 64):
            if len(times) != short:
                return self._again, offender
        kind = self._once or self._again
        return kind, next(iter(kind))
