"""sd_notify, over a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.daemon.notify import Notifier
from f2b.errors import ConfigError, Origin


class Manager:
    """A service manager that listens."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    kinds = {"path": str(tmp_path / "notify"), "abstract": f"@f2b-test-{os.getpid()}"}
    monkeypatch.setenv("NOTIFY_SOCKET", kinds[request.param])
    made = Manager(kinds[request.param])
    yield made
    made.socket.close()


def test_its_words(manager: Manager) -> None:
    notifier = Notifier()
    notifier.ready()
    notifier.alive()
    notifier.stopping()
    assert manager.heard() == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_reloading_tells_since_when(manager: Manager) -> None:
    Notifier().reloading()
    (message,) = manager.heard()
    first, second = message.splitlines()
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdigit()


def test_a_status_is_sent_when_it_changes(manager: Manager) -> None:
    notifier = Notifier()
    for text in ("1 jail", "1 jail", "2 jails"):
        notifier.status(text)
    assert manager.heard() == ["STATUS=1 jail", "STATUS=2 jails"]


def test_a_failure_says_what_and_where(manager: Manager) -> None:
    Notifier().failed(ConfigError("bad bantime", origin=Origin("jail.conf", 3)))
    (message,) = manager.heard()
    assert message == "STATUS=jail.conf:3: bad bantime"


def test_a_status_is_one_line(manager: Manager) -> None:
    Notifier().status("degraded: one\nREADY=1")
    assert manager.heard() == ["STATUS=degraded: one; READY=1"]


def test_children_do_not_inherit_the_socket(manager: Manager) -> None:
    Notifier()
    assert "NOTIFY_SOCKET" not in os.environ
    assert manager.heard() == []


def test_where_nobody_listens_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()


def test_a_manager_that_is_gone_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("2000000", None, 2.0),
        ("2000000", str(os.getpid()), 2.0),
        ("2000000", "1", None),
        ("", None, None),
        ("soon", None, None),
    ],
)
def test_how_often_the_watchdog_wants_to_hear(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str | None, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert Notifier().watchdog == seconds
