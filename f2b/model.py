"""The values that travel from the journal to the wall: frozen, without I/O and without a clock.

Times are seconds since the epoch, as floats; a time never comes from a clock here. What there is one of for every
entry, failure or ban is a named tuple, which is made in a third of the time.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from f2b.addresses import Offender


class Position(NamedTuple):
    """How far the journal is read. Without a cursor nothing was read yet: the next entry is the first from `time`.

    `sessions` is when the oldest session began that is open there: a restart goes back that far to know it again.
    """

    cursor: str | None
    time: float
    sessions: float | None = None


Marks = Mapping[str, tuple[int, ...] | None]
"""Whom an entry may concern: by the name of a jail the places of its failregexes that may match; None: any may."""


class Entry(NamedTuple):
    """One journal record. A field that occurs more than once has a list of values.

    `marks` is what a sieve said of it; None: it was not asked, and the entry may concern everybody. Empty: nobody, and
    it is asked about all the same, to see whether that is so.
    """

    cursor: str
    time: float
    fields: Mapping[str, bytes | list[bytes]]
    marks: Marks | None = None


class Failure(NamedTuple):
    """One entry that a failregex matched. `users` are all that its session tried, `groups` all that was captured."""

    address: Offender
    time: float
    cursor: str
    session: str | None = None
    user: str | None = None
    users: tuple[str, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()


class Suspect(NamedTuple):
    """A failure of somebody whom the entry calls by a host name. Whose it is, the resolver says."""

    name: str
    time: float
    cursor: str
    session: str | None = None
    user: str | None = None
    users: tuple[str, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()

    def at(self, address: Offender) -> Failure:
        return Failure(
            address, self.time, self.cursor, self.session, self.user, self.users, self.groups
        )


class Source(StrEnum):
    """Who asked for a ban."""

    COUNTED = "counted"
    HAND = "hand"


class Ban(NamedTuple):
    """An offender kept out of a jail's services from `start` until `until` (None: for ever).

    `start` is the time of the failure that tipped it, `offence` the how-many-th ban of this offender in this jail,
    `session` that of the tipping failure: its later lines start no new count.
    """

    jail: str
    offender: Offender
    start: float
    until: float | None
    offence: int = 1
    source: Source = Source.COUNTED
    failures: int = 0
    session: str | None = None

    def lasts(self, now: float) -> bool:
        return self.until is None or self.until > now


class Reason(StrEnum):
    """Why a ban ended."""

    EXPIRED = "expired"
    UNBAN = "unban"
    JAIL_GONE = "jail gone"
    IGNORED = "ignored"
    CEILING = "ceiling"


class Found(NamedTuple):
    """A failure of a jail. `counts` is False for one that can add to no new ban (its offender is banned)."""

    jail: str
    offender: Offender
    failure: Failure
    counts: bool = True


class Banned(NamedTuple):
    """A new ban. Not to be enforced when its end was already past at the time of the decision."""

    ban: Ban
    enforce: bool = True


class Prolonged(NamedTuple):
    """A failure of a banned offender moved the end of its ban."""

    ban: Ban


class Lifted(NamedTuple):
    """A ban ended at `at`."""

    ban: Ban
    reason: Reason
    at: float


class Forgiven(NamedTuple):
    """The failures of an offender no longer count (an unban by hand clears them)."""

    jail: str
    offender: Offender


Decision = Found | Banned | Prolonged | Lifted | Forgiven
