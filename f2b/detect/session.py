"""What is known of a connection that logs several lines: one login attempt is one failure.

Owns the open sessions of one filter. A line belongs to a session by its <F-MLFID>; helper lines (<F-NOFAIL>) bring
what later lines lack, a success (<F-MLFGAINED>) forgives, an end (<F-MLFFORGET>) closes. What only repeats
(<F-ONCE>, our own tag) is a failure if nothing in its session was one.
"""

from dataclasses import dataclass, field

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
    users: set[str] = field(default_factory=set)
    pending: bool = False
    failed: bool = False


class Sessions:
    """Open sessions, at most `ceiling` of them: the least recently seen goes first, and `evicted` counts."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._open: dict[str, _Session] = {}
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
        if user := line.get("user"):
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
            del self._open[key]
        return session.groups, failure

    def suspend(self, key: str) -> None:
        """A failure without an address waits for the line that brings one."""
        if key in self._open:
            self._open[key].pending = True

    def _touch(self, key: str, time: float) -> _Session:
        session = self._open.pop(key, None)
        if session is None or time - session.touched > LIFETIME:
            session = _Session(time, {})
        session.touched = time
        self._open[key] = session
        self._expire(time)
        return session

    def _expire(self, time: float) -> None:
        """Look at the two oldest only: every line adds at most one session, so this keeps up at constant cost."""
        for key in list(self._first(2)):
            if time - self._open[key].touched > LIFETIME:
                del self._open[key]
            elif len(self._open) > self._ceiling:
                del self._open[key]
                self.evicted += 1

    def _first(self, count: int) -> list[str]:
        return [key for key, _ in zip(self._open, range(count), strict=False)]
