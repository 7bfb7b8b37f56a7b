"""The backend that does nothing: for jails that only watch, and an example for authors.

A backend is any class with these methods; base.py says what they promise, contract.py tests it. To offer one, name a
function like `make` in the entry point group `f2b.actions`.
"""

# ruff: noqa: ARG001, ARG002 - it does nothing with anything

from collections.abc import Iterable, Sequence

from f2b.actions.base import JailWall, Operation, Refused
from f2b.addresses import Offender
from f2b.config.settings import DaemonSettings
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


def make(settings: DaemonSettings, instance: str, *, takeover: bool) -> Null:
    """`instance` is to mark what the backend creates as this daemon's, `takeover` to make it ours if it is not."""
    return Null()
