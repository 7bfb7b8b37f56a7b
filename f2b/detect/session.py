"""What is known of a connection that logs several lines: one login attempt is one failure.

Owns the open sessions of one filter. A line belongs to a session by its <F-MLFID>; helper lines (<F-NOFAIL>) bring
what later lines lack, a success (<F-MLFGAINED>) forgives, an end (<F-MLFFORGET>) closes. What only repeats
(<F-ONCE>, our own tag) is a failure if nothing in its session was one.
"""

from collections import OrderedDict
from dataclasses import dataclass

from f2b.detect.failregex import Groups

LIFETIME = 300.0
"""Seconds of entry time after its last line until a session is forgotten; the reader warms up for as long."""

USERS = 8
USER = 256
"""A session remembers so many users, and so much of their names: more than any count or comparison needs."""

FLAGS = ("mlfforget", "mlfgained", "nofail", "once")
ADDRESS = ("ip4", "ip6", "dns")
IDENTITY = (*ADDRESS, "fid")

Users = tuple[str, ...]


@dataclass(slots=True)
class _Session:
    """Its groups are handed out, and so never changed in place."""

    touched: float
    process: str
    groups: Groups
    users: Users = ()  # in the order in which they were tried
    pending: bool = False
    failed: bool = False


class Sessions:
    """Open sessions, at most `ceiling` of them: the least recently seen goes first, and `evicted` counts."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._open: OrderedDict[str, _Session] = OrderedDict()  # by the last line
        self._born: OrderedDict[str, float] = OrderedDict()  # by the first
        self._processes: dict[str, int] = {}
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._open)

    def any_of(self, process: str) -> bool:
        """Whether a process has an open session."""
        return process in self._processes

    def merge(
        self, key: str, groups: Groups, time: float, process: str = ""
    ) -> tuple[Groups, Users, bool]:
        """Add a line, of that process, to its session: all groups, all users, and whether it is a failure.

        A line is no failure when it is a helper or a success, unless a failure is pending or the session has tried
        more than one user. A failure without an address is pending: it waits for the line that brings one.
        """
        session = self._touch(key, time, process)
        if (user := groups.get("user")) and len(session.users) < USERS:
            user = user[:USER]
            if user not in session.users:
                session.users += (user,)
        known = session.groups = _together(session.groups, groups)
        gained = "mlfgained" in groups
        pending = session.pending and not gained
        failure = pending or len(session.users) > 1 or not (gained or "nofail" in groups)
        if "once" in groups and session.failed:
            failure = False
        failed = failure and any(map(known.get, IDENTITY))
        session.failed = session.failed or failed
        session.pending = failure and not failed
        if "mlfforget" in groups:
            self._close(key)
        return known, session.users, failed

    def oldest(self) -> float | None:
        """The time at which the first of the open sessions began: who starts there again knows them all."""
        return next(iter(self._born.values()), None)

    def _touch(self, key: str, time: float, process: str) -> _Session:
        session = self._open.get(key)
        if session is not None and time - session.touched > LIFETIME:
            self._close(key)
            session = None
        if session is None:
            session = self._open[key] = _Session(time, process, {})
            self._born[key] = time
            self._processes[process] = self._processes.get(process, 0) + 1
        else:
            session.touched = time
            self._open.move_to_end(key)
        self._expire(time)
        return session

    def _close(self, key: str) -> None:
        session = self._open.pop(key, None)
        if session is None:
            return
        del self._born[key]
        others = self._processes.pop(session.process) - 1
        if others:
            self._processes[session.process] = others

    def _expire(self, time: float) -> None:
        """Look at the two oldest only: every line adds at most one session, so this keeps up at constant cost."""
        for _ in range(2):
            key, session = next(iter(self._open.items()))
            stale = time - session.touched > LIFETIME
            if not stale and len(self._open) <= self._ceiling:
                return
            self._close(key)
            self.evicted += not stale


def _together(known: Groups, line: Groups) -> Groups:
    """What is known after a line. What it leaves empty stays as it was."""
    together = known.copy()
    if known and any(map(line.get, ADDRESS)):
        # All of it is replaced: an IPv4 address of before must not stand beside an IPv6 address of now.
        for name in (*ADDRESS, "cidr"):
            together.pop(name, None)
    for name, value in line.items():
        if name not in FLAGS:
            together[name] = value or together.get(name, "")
    return together
