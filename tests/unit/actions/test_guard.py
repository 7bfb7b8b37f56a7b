"""Whatever another package's backend does, the daemon gets an answer or an ActionError with a name."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from f2b.actions.base import Backend
from f2b.actions.contract import BackendContract
from f2b.actions.guard import Guarded, guarded
from f2b.actions.null import Null
from f2b.config.settings import DaemonSettings
from f2b.errors import ActionError, ConfigError, NotPermittedError

GO_ON = threading.Event()


class TestGuardedNull(BackendContract):
    """What is right goes through."""

    def make(self) -> Backend:
        return Guarded("mine", Null())

    def holds(self, backend: Backend, jail: str) -> None:
        """Nobody is kept out."""


def breaking(error: BaseException) -> Callable[..., Any]:
    def method(*_: object, **__: object) -> None:
        raise error

    return method


def broken(method: str, does: Callable[..., Any], timeout: float = 5) -> Guarded:
    backend = Null()
    setattr(backend, method, does)
    return Guarded("mine", backend, timeout)


def call(backend: Guarded, method: str) -> object:
    arguments: dict[str, tuple[Any, ...]] = {
        "start": ([], [], [], 0.0),
        "set_own": ([],),
        "dump": (["sshd"],),
        "apply": ([], 0.0),
        "counters": ("sshd",),
    }
    return getattr(backend, method)(*arguments.get(method, ()))


@pytest.mark.parametrize(
    "method", ["start", "set_own", "dump", "apply", "disturbed", "counters", "lift"]
)
@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), SystemExit("mine"), KeyError()])
def test_what_it_raises_is_told_with_the_place_and_tried_again(
    method: str, error: BaseException
) -> None:
    with pytest.raises(ActionError, match=rf"^{method} failed: {type(error).__name__}") as found:
        call(broken(method, breaking(error)), method)
    assert "test_guard.py:" in found.value.message
    assert "f2b-actions(7)" in found.value.hint
    assert found.value.retry


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("start", None),
        ("start", [7]),
        ("apply", {}),
        ("dump", [("sshd", "192.0.2.1", None)]),
        ("dump", [("other", None, None)]),
        ("counters", {"192.0.2.1": (1, 2)}),
        ("disturbed", "yes"),
    ],
)
def test_what_is_of_the_wrong_kind_is_told(method: str, wrong: object) -> None:
    with pytest.raises(ActionError, match=rf"^{method} returned "):
        call(broken(method, lambda *_: wrong), method)


def test_what_hangs_is_given_up_and_asked_nothing_more_until_it_is_done() -> None:
    GO_ON.clear()
    backend = broken("apply", lambda *_: GO_ON.wait(10) and [], timeout=0.05)
    with pytest.raises(ActionError, match=r"^apply is not done within 0.05 s"):
        backend.apply([], 0.0)
    with pytest.raises(ActionError, match="still busy with apply"):
        backend.set_own([])
    backend.close()
    GO_ON.set()


def test_who_still_waits_at_the_end_gets_an_answer() -> None:
    GO_ON.clear()
    backend = broken("apply", lambda *_: GO_ON.wait(10) and [], timeout=30)
    told: list[str] = []

    def wait() -> None:
        try:
            backend.apply([], 0.0)
        except ActionError as error:
            told.append(error.message)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not any(thread.name == "mine apply" for thread in threading.enumerate()):
        pass
    backend.close()
    waiting.join(5)
    GO_ON.set()
    assert told == ["closed"]


@pytest.mark.parametrize("number", [-1, 999_999, "seven", None])
def test_what_cannot_be_waited_for_hears_nothing(number: object) -> None:
    assert broken("fileno", lambda: number).fileno() == -1


def test_one_that_hears_no_more_is_not_listened_to() -> None:
    reading, writing = os.pipe()
    backend = broken("disturbed", breaking(OSError("gone")))
    backend._backend.fileno = lambda: reading  # type: ignore[method-assign]
    assert backend.fileno() == reading
    with pytest.raises(ActionError, match="disturbed failed"):
        backend.disturbed()
    assert backend.fileno() == -1
    os.close(reading)
    os.close(writing)


def test_errors_of_ours_go_through_at_the_start_alone() -> None:
    with pytest.raises(NotPermittedError):
        call(broken("start", breaking(NotPermittedError("no"))), "start")
    with pytest.raises(ActionError, match="no"):
        call(broken("apply", breaking(NotPermittedError("no"))), "apply")


def test_closing_breaks_nothing() -> None:
    broken("close", breaking(ZeroDivisionError())).close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Null, "cannot be made: TypeError"),
        (breaking(ZeroDivisionError()), "cannot be made: ZeroDivisionError"),
        (lambda *_, takeover: object(), "has no start, set_own, dump"),  # noqa: ARG005
    ],
)
def test_what_is_no_backend_is_an_error_of_the_configuration(
    make: Callable[..., Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=rf"firewall backend 'mine' {why}.*this version of f2b"):
        guarded("mine", make, DaemonSettings(), "1a2b", takeover=False)
