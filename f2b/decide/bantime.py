"""How long a ban lasts, and how soon it comes, after so many earlier ones.

Pure: what is random in it is drawn from the ban itself, by hash, so that a replay of the journal gives the bans that
the live run gave. Who is banned cannot compute it, since he does not know the start of his ban to the microsecond.
"""

from hashlib import blake2b

from f2b.addresses import Offender
from f2b.config.formula import Case
from f2b.config.settings import JailSettings

LONGEST = 1e10
"""Seconds, some 300 years: what is longer overflows calendars."""


def bantime(
    settings: JailSettings, offender: Offender, start: float, earlier: int
) -> float | None:
    """The seconds that a ban lasts; None for ever."""
    base, increment = settings.bantime, settings.increment
    if base is None or increment is None:
        return base
    seconds = base
    chance = _chance(settings.name, offender, start)
    if earlier and increment.multipliers:
        times = increment.multipliers[min(earlier, len(increment.multipliers) - 1)]
        seconds = base * increment.factor * times
    elif earlier:
        # What has no value is not a number, and that is never the greater.
        case = Case(base, earlier, increment.factor, chance)
        seconds = max(base, increment.formula.value(case))
    return min(seconds + chance * increment.rndtime, increment.maxtime or LONGEST, LONGEST)


def retries(settings: JailSettings, earlier: int) -> int:
    """How many failures bring the next ban: where bans grow, one of a known offender counts 2, 3, 5, 9 ... times."""
    if settings.increment is None or not earlier:
        return settings.maxretry
    weight = (1 << min(earlier - 1, 30)) + 1
    return -(-settings.maxretry // weight)


def _chance(jail: str, offender: Offender, start: float) -> float:
    """In [0, 1), the same for the same ban."""
    digest = blake2b(f"{jail} {offender} {start!r}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
