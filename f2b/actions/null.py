"""The backend that does nothing: for jails that only watch, and an example for authors.

A backend is any class with these methods; base.py says what they promise. To offer one, name a
function of this signature in the entry point group `f2b.actions`:
`make(settings: DaemonSettings, instance: str, *, takeover: bool) -> Backend`.
"""

# ruff: noqa: ARG002 - it does nothing with anything

from collections.abc import Iterable, Sequence

from f2b.actions.base import JailWall, Operation, Refused
from f2b.addresses import Offender
from f2b.model import Ban


class Null:
    name = "null"
    losses: tuple[str, ...] = ()

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        return []

    def set_own(self, own: Sequence[Offender]) -> None:
        pass

    def dump(self, jails: Sequence[str]) -> list[tuple[str, Offender, float | None]]:
        return []

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        return []

    def fileno(self) -> int:
        return -1

    def disturbed(self) -> None:
        pass

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:
        return {}

    def lift(self) -> None:
        pass

    def close(self) -> None:
        pass
