"""What the helper for root takes, what it refuses, and what reaches the command."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from f2b.actions import root
from f2b.actions.contract import SideActionContract, values
from f2b.actions.plugin import SideAction
from f2b.errors import ActionError
from f2b.rootrun import RefusedError, serve
from tests.support.processes import CHECKOUT


def request(command: Any = "note", step: Any = "ban", **changes: Any) -> bytes:
    told = {"ip": "192.0.2.7", "name": "sshd", "failures": "3", **changes}
    return json.dumps({"command": command, "step": step, "values": told}).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a command that notes its environment."""
    tmp_path.chmod(0o755)
    found = tmp_path / "root.d"
    found.mkdir(mode=0o755)
    note = found / "note"
    note.write_text(f"#!/bin/sh\necho loud\nenv > {tmp_path}/noted\n[ $F2B_NAME != bad ]\n")
    note.chmod(0o755)
    return found


def noted(folder: Path) -> dict[str, str]:
    lines = (folder.parent / "noted").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_command_is_told_of_the_ban_and_of_nothing_else(folder: Path) -> None:
    line = request(matches="$(reboot)", **{"F-USER": "x", "PATH": "/tmp"})
    assert serve(line, folder, os.geteuid()) == ""
    found = noted(folder)
    assert {name: text for name, text in found.items() if name.startswith("F2B_")} == {
        "F2B_STEP": "ban", "F2B_IP": "192.0.2.7", "F2B_NAME": "sshd", "F2B_FAILURES": "3",
    }  # fmt: skip
    assert found["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"
    assert found.keys() <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_"} | {
        f"F2B_{name}" for name in ("STEP", "IP", "NAME", "FAILURES")
    }


def test_a_command_that_fails_is_told(folder: Path) -> None:
    assert serve(request(name="bad"), folder, os.geteuid()) == "note ended with exit status 1"


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 9000, b"{" + b" " * 9000,
        request("../note"), request("/bin/sh"), request(""), request("-c"), request("note\n"), request(7),
        request("note", "start"), request("note", ["ban"]), request("note", None),
        request(ip="192.0.2.7; reboot"), request(ip="-x"), request(ip=7), request(ip=None),
        request(name="a b"), request(name="$(x)"), request(name="a\nb"), request(failures=3), request(id="x" * 300),
    ],
)  # fmt: skip
def test_what_is_refused(folder: Path, line: bytes) -> None:
    with pytest.raises(RefusedError):
        serve(line, folder, os.geteuid())
    assert not (folder.parent / "noted").exists()


def test_what_others_could_have_written_is_not_run(folder: Path) -> None:
    me, note = os.geteuid(), folder / "note"
    (folder / "link").symlink_to(note)
    (folder / "folder").mkdir()
    for name in ("link", "folder", "gone"):
        with pytest.raises(RefusedError):
            serve(request(name), folder, me)
    for path, mode in (
        (note, 0o775),
        (note, 0o757),
        (note, 0o644),
        (folder, 0o775),
        (folder.parent, 0o777),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(RefusedError, match="must"):
            serve(request(), folder, me)
        path.chmod(before)
    with pytest.raises(RefusedError, match="must belong to root"):
        serve(request(), folder, me + 1)
    assert serve(request(), folder, me) == ""


def test_as_systemd_starts_it() -> None:
    """The connection is its standard input and output; the folder is the real one, and has no such command."""
    ours, its = socket.socketpair()
    with ours, its:
        process = subprocess.Popen(
            [sys.executable, "-m", "f2b.rootrun"],
            stdin=its.fileno(), stdout=its.fileno(), stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
        )  # fmt: skip
        ours.sendall(request("no-such-command-of-the-admin"))
        answer = json.loads(ours.makefile().readline())
        _, said = process.communicate(timeout=10)
    assert "no-such-command-of-the-admin: No such file or directory" in answer["error"]
    assert answer["error"] in said


class TestRoot(SideActionContract):
    @pytest.fixture(autouse=True)
    def _helper(self, folder: Path, tmp_path: Path) -> Iterator[None]:
        self.folder, self.socket = folder, tmp_path / "root.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            threading.Thread(target=self._serve, args=[listener], daemon=True).start()
            yield
            listener.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                try:
                    error = serve(stream.readline(), self.folder, os.geteuid())
                except RefusedError as refused:
                    error = str(refused)
                stream.write(json.dumps({"error": error}).encode() + b"\n")

    def make(self) -> SideAction:
        return root.make("sshd", {"command": "note", "socket": str(self.socket)})

    def test_what_goes_wrong_is_told(self) -> None:
        action = root.make("sshd", {"command": "gone", "socket": str(self.socket)})
        with pytest.raises(ActionError, match="No such file") as error:
            action.carry_out("ban", values("ban", "192.0.2.7"))
        assert error.value.retry


def test_no_helper_names_the_command_that_starts_it(tmp_path: Path) -> None:
    action = root.make("sshd", {"command": "note", "socket": str(tmp_path / "gone")})
    with pytest.raises(ActionError, match=r"does not answer: No such file") as error:
        action.carry_out("ban", values("ban", "192.0.2.7"))
    assert error.value.hint == "systemctl enable --now f2b-root.socket"


@pytest.mark.parametrize("parameters", [{}, {"command": "a", "commnad": "b"}])
def test_wrong_parameters_are_told(parameters: dict[str, str]) -> None:
    with pytest.raises(ActionError, match="write plugin:root"):
        root.make("sshd", parameters)
