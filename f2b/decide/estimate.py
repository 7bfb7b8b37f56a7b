"""fail2ban's way of counting: the rate of an offender's failures, estimated (`counting = estimate`).

The count goes on beyond findtime, and what came before is scaled down to it. So somebody whose failures come at the
rate of maxretry in findtime is banned also when fewer of them lie within any one findtime.
"""

from f2b.decide.tally import SLACK, Tally, Times

MEMORY = 4
"""Findtimes that it looks back over: bounded, so that after a restart what is stored gives the same estimate."""


class Estimate(Tally):
    """Like a Tally, and keeps more: at most `MEMORY` times `maxretry` failures of an offender."""

    def __init__(self, maxretry: int, findtime: float, ceiling: int) -> None:
        super().__init__(maxretry, findtime, ceiling)
        self.reach = MEMORY * findtime + SLACK
        self._kept = MEMORY * maxretry

    def _window(self, times: Times, number: int) -> Times:
        return times if self._rate(times) >= number else ()

    def _rate(self, times: Times) -> int:
        """Failures in a findtime."""
        count, first = 0, times[0] if times else 0.0
        for before, time in zip((first, *times), times, strict=False):
            if time > before and first < time - self._findtime:
                count = round(count / (time - first) * self._findtime)
                first = time - self._findtime
            count += 1
        return count
