"""What every firewall backend offers to the enforcer.

The calls are synchronous and may wait for the kernel; the enforcer makes them in a worker thread, one at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from f2b.addresses import Offender
from f2b.config.settings import WallSettings
from f2b.model import Ban


class JailWall(NamedTuple):
    """What the wall must know of a jail: its look, and who is let through whatever is banned."""

    name: str
    settings: WallSettings
    ignored: tuple[Offender, ...] = ()


class Put(NamedTuple):
    """Keep out; also used to move the end of a ban that is already there."""

    ban: Ban


class Remove(NamedTuple):
    """Let in again. Removing what is not there is no error."""

    jail: str
    offender: Offender


Operation = Put | Remove


class Refused(NamedTuple):
    """An operation that the kernel will not take, and why. The others of the same call were carried out."""

    operation: Operation
    why: str


def stranger(put: Put) -> Refused:
    return Refused(put, f"the wall has no jail {put.ban.jail}")


class Disturbance(NamedTuple):
    """Somebody else changed the wall. `removed` has the bans if it was nothing but single ones taken out by hand.

    `what` says what the last `start` has mended, of a backend that hears nothing of others.
    """

    who: str = ""
    removed: tuple[tuple[str, Offender], ...] = ()
    what: str = ""


class Backend(Protocol):
    """A firewall that bans. Raises ActionError (retry or not), NotPermittedError or ForeignWallError."""

    name: str

    @property
    def losses(self) -> Sequence[str]:
        """What it cannot do on this machine, in words. Known after `start`."""

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        """Make the kernel hold these jails and exactly these bans.

        May be repeated at any time (start, reload, reconcile): structure is replaced in one transaction, and nothing
        that is banned before and after is let through meanwhile.
        """

    def set_own(self, own: Sequence[Offender]) -> None:
        """Replace the host's own addresses, which are let through whatever is banned."""

    def dump(self, jails: Sequence[str]) -> Iterable[tuple[str, Offender, float | None]]:
        """What the wall already keeps out before `start`, by jail, and the seconds left (None: for ever)."""

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        """Carry out the operations in their order, in as few transactions as possible."""

    def fileno(self) -> int:
        """A descriptor that is readable when `disturbed` has something to say.

        -1 if it hears nothing of others: then `start` is called every minute.
        """

    def disturbed(self) -> Disturbance | None:
        """Say whether somebody else may have changed the wall since the last call. Never waits."""

    def counters(self, jail: str) -> Mapping[Offender, tuple[int, int]]:
        """Packets and bytes that each ban of the jail has stopped; empty where nothing is counted."""

    def lift(self) -> None:
        """Take the whole wall down; no error when nothing of ours is there."""

    def close(self) -> None: ...
