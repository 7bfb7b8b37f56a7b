"""What is known of a connection that logs several lines: one login attempt is one failure.

Owns the open sessions of one filter. A line belongs to a session by its <F-MLFID>; helper lines (<F-NOFAIL>) bring
what later lines lack, a success (<F-MLFGAINED>) forgives, an end (<F-MLFFORGET>) closes. What only repeats
(<F-ONCE>, our own tag) is a failure if nothing in its session was one.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice

LIFETIME = 300.0
"""Seconds of entry time after its last line until a session is forgotten; the reader warms up for as long."""

Groups = dict[str, str]
FLAGS = ("mlfforget", "mlfgained", "nofail", "once")
IDENTITY = ("ip4", "ip6", "dns", "fid")


def has_identity(groups: Groups) -> bool:
    """Say whether the groups tell who it was."""
    return any(groups.get(name) for name in IDENTITY)


@dataclass(slots=True)
class _Session:
    touched: float
    groups: Groups
    users: set[str] = field(
        default_factory=set
    )  # two at most: only whether there is a second one matters
    pending: bool = False
    failed: bool = False


class Sessions:
    """Open sessions, at most `ceiling` of them: the least recently seen goes first, and `evicted` counts."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._open: OrderedDict[str, _Session] = OrderedDict()  # by the last line
        self._born: OrderedDict[str, float] = OrderedDict()  # by the first
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._open)

    def merge(self, key: str, groups: Groups, time: float) -> tuple[Groups, bool]:
        """Add a line to its session; the merged groups, and whether the line is a failure.

        A line is none when it is a helper or a success, unless a failure is pending (one was logged before the
        address was known) or the session has tried more than one user.
        """
        line = {name: value for name, value in groups.items() if name not in FLAGS}
        gained = "mlfgained" in groups
        session = self._touch(key, time)
        if gained:
            session.pending = False
        if (user := line.get("user")) and len(session.users) < 2:
            session.users.add(user)
        if has_identity(line):
            # All of it is replaced: an IPv4 address of before must not stand beside an IPv6 address of now.
            for name in (*IDENTITY, "cidr"):
                session.groups.pop(name, None)
        session.groups.update(line)
        helper = gained or "nofail" in groups
        failure = not helper or session.pending or len(session.users) > 1
        if "once" in groups and session.failed:
            failure = False
        session.pending = False
        session.failed = session.failed or (failure and has_identity(session.groups))
        if "mlfforget" in groups:
            self._close(key)
        return session.groups, failure

    def suspend(self, key: str) -> None:
        """A failure without an address waits for the line that brings one."""
        if key in self._open:
            self._open[key].pending = True

    def oldest(self) -> float | None:
        """The time at which the first of the open sessions began: who starts there again knows them all."""
        return next(iter(self._born.values()), None)

    def _touch(self, key: str, time: float) -> _Session:
        session = self._open.get(key)
        if session is None or time - session.touched > LIFETIME:
            self._close(key)
            session = self._open[key] = _Session(time, {})
            self._born[key] = time
        session.touched = time
        self._open.move_to_end(key)
        self._expire(time)
        return session

    def _close(self, key: str) -> None:
        self._open.pop(key, None)
        self._born.pop(key, None)

    def _expire(self, time: float) -> None:
        """Look at the two oldest only: every line adds at most one session, so this keeps up at constant cost."""
        for key in list(islice(self._open, 2)):
            if time - self._open[key].touched > LIFETIME:
                self._close(key)
            elif len(self._open) > self._ceiling:
                self._close(key)
                self.evicted += 1
