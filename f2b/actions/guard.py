"""Stands between the daemon and the backend of another package. Owns what is known of its state: busy, deaf.

Whatever a stranger's code raises or returns becomes an ActionError with its name, which is retried like the kernel's;
and no call lasts for ever. A thread cannot be ended: until it is done the backend is asked nothing more.
"""

import select
import threading  # noqa: TID251 - a pool would keep the process from its end
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, cast

from f2b.actions.base import Backend, Disturbance, JailWall, Operation, Refused
from f2b.addresses import Offender
from f2b.config.settings import DaemonSettings
from f2b.errors import ActionError, ConfigError, F2bError
from f2b.model import Ban
from f2b.plugins import described

TIMEOUT = 60.0
SOON = 1.0
"""For what must not wait, and is asked in the loop."""
METHODS = (
    "start", "set_own", "dump", "apply", "fileno", "disturbed", "counters", "lift", "close",
)  # fmt: skip
HINT = "a fault of that package; f2b-actions(7) has its contract, f2b.actions.contract the tests"

Make = Callable[..., Any]


def guarded(
    name: str, make: Make, settings: DaemonSettings, instance: str, *, takeover: bool
) -> "Guarded":
    """Make it. Raises ConfigError when what is made is no backend."""
    try:
        made = make(settings, instance, takeover=takeover)
    except F2bError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"firewall backend {name!r} cannot be made: {described(error)}",
            hint="is it written for this version of f2b? see f2b-actions(7)",
        ) from error
    check_methods(f"firewall backend {name!r}", made, METHODS)
    return Guarded(name, made)


def check_methods(what: str, made: object, methods: Iterable[str]) -> None:
    """Raises ConfigError for what lacks one of them."""
    missing = [each for each in methods if not callable(getattr(made, each, None))]
    if missing:
        raise ConfigError(
            f"{what} has no {', '.join(missing)}",
            hint="is it written for this version of f2b? see f2b-actions(7)",
        )


class Guarded:
    """A Backend."""

    def __init__(self, name: str, backend: Backend, timeout: float = TIMEOUT) -> None:
        self.name = name
        self._backend = backend
        self._timeout = timeout
        self._busy = ""
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._descriptor: int | None = None

    @property
    def losses(self) -> Sequence[str]:
        found = getattr(self._backend, "losses", ())
        return [str(each) for each in found] if isinstance(found, (list, tuple)) else []

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        return _refusals(
            "start", self._call("start", lambda: self._backend.start(jails, own, bans, now))
        )

    def set_own(self, own: Sequence[Offender]) -> None:
        self._call("set_own", lambda: self._backend.set_own(own))

    def dump(self, jails: Sequence[str]) -> Iterable[tuple[str, Offender, float | None]]:
        found = self._call("dump", lambda: list(self._backend.dump(jails)))
        for row in found:
            match row:
                case (str(jail), Offender(), None | float() | int()) if jail in jails:
                    pass
                case _:
                    raise _wrong("dump", row)
        return cast("list[tuple[str, Offender, float | None]]", found)

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        return _refusals(
            "apply", self._call("apply", lambda: self._backend.apply(operations, now))
        )

    def fileno(self) -> int:
        """-1 too when it is nothing that can be waited for, or what it said failed once."""
        if self._descriptor is None:
            self._descriptor = -1
            try:
                descriptor = int(self._backend.fileno())
                if descriptor >= 0:
                    with select.epoll() as poll:
                        poll.register(descriptor, select.EPOLLIN)
                    self._descriptor = descriptor
            except Exception:  # noqa: BLE001 - then it is started every minute, as the others that hear nothing
                return -1
        return self._descriptor

    def disturbed(self) -> Disturbance | None:
        try:
            found = self._call("disturbed", self._backend.disturbed, SOON)
            if not isinstance(found, Disturbance | None):
                raise _wrong("disturbed", found)
        except ActionError:
            self._descriptor = -1
            raise
        return found

    def counters(self, jail: str) -> Mapping[Offender, tuple[int, int]]:
        found = self._call("counters", lambda: dict(self._backend.counters(jail)))
        for item in found.items():
            match item:
                case (Offender(), (int(), int())):
                    pass
                case _:
                    raise _wrong("counters", item)
        return cast("dict[Offender, tuple[int, int]]", found)

    def lift(self) -> None:
        self._call("lift", self._backend.lift, 5 * SOON)

    def close(self) -> None:
        """Whatever happens: it is the end. Who still waits for an answer gets one."""
        if self._busy:
            self._answers.put((None, ActionError("closed")))
            return
        try:
            self._call("close", self._backend.close, SOON)
        except F2bError:
            return

    def _call(self, method: str, work: Callable[[], object], timeout: float | None = None) -> Any:
        if self._busy:
            raise ActionError(f"still busy with {self._busy}", retry=True)
        self._busy = method
        answers = self._answers = SimpleQueue()

        def run() -> None:
            result, failed = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whatever a stranger's code raises
                failed = error
            self._busy = ""
            answers.put((result, failed))

        try:
            threading.Thread(target=run, name=f"{self.name} {method}", daemon=True).start()
        except RuntimeError as error:
            self._busy = ""
            raise ActionError(f"no thread for {method}: {error}", retry=True) from error
        patience = self._timeout if timeout is None else timeout
        try:
            result, failed = answers.get(timeout=patience)
        except Empty:
            raise ActionError(f"{method} is not done within {patience:g} s", retry=True) from None
        if isinstance(failed, ActionError) or (method == "start" and isinstance(failed, F2bError)):
            raise failed
        if failed is not None:
            raise ActionError(
                f"{method} failed: {described(failed)}", hint=HINT, retry=True
            ) from failed
        return result


def _refusals(method: str, found: object) -> list[Refused]:
    if not isinstance(found, list) or not all(isinstance(each, Refused) for each in found):
        raise _wrong(method, found)
    return found


def _wrong(method: str, found: object) -> ActionError:
    return ActionError(f"{method} returned {found!r:.100}", hint=HINT, retry=True)
