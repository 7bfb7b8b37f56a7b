"""From argv to output and exit status, with a daemon that gives prepared answers."""

import json
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from f2b import protocol
from f2b.cli.args import parse
from f2b.cli.commands import execute
from f2b.errors import ConfigError, ControlError, Exit, F2bError, NotPermittedError
from f2b.protocol import Ban, Banned, Ping, Reload, Request, Status, Unban
from tests.unit.cli.answering import Daemon, daemon
from tests.unit.config.tree import write

A = "192.0.2.7"
BANNED = {"jail": "custom", "banned": [A], "already": [], "unenforced": {}}
UNBANNED = {
    "unbanned": [{"jail": "sshd", "offender": A}], "not_banned": [], "still_banned": [],
}  # fmt: skip
Answering = Callable[..., AbstractContextManager[Daemon]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sock"


@pytest.fixture
def answering(path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return lambda result: daemon(path, b"".join(protocol.encode_result(result)))


def run(path: Path, *argv: str) -> int:
    return execute(parse(["--socket", str(path), *argv]))


@pytest.mark.parametrize(
    ("argv", "request_", "result"),
    [
        ([], Banned(), {}),
        (["status", "--json"], Status(), {}),
        (["status", "sshd", "--json"], Status("sshd"), {}),
        (["ban", A], Ban((A,)), BANNED),
        (["ban", "sshd", A, "2001:db8::1"], Ban((A, "2001:db8::1"), jail="sshd"), BANNED),
        (["ban", A, "-t", "1d", "--force"], Ban((A,), bantime="1d", force=True), BANNED),
        (["unban", A], Unban((A,)), UNBANNED),
        (["unban", A, "--jail", "sshd"], Unban((A,), jail="sshd"), UNBANNED),
        (["unban", "--all"], Unban(everything=True), UNBANNED),
        (["reload"], Reload(), {"warnings": []}),
        (["ping"], Ping(), {"version": "1", "pid": 7}),
    ],
)
def test_what_is_typed_is_asked(
    path: Path, answering: Answering, argv: list[str], request_: Request, result: Any
) -> None:
    with answering(result) as asked:
        assert run(path, *argv) == Exit.OK
    assert asked.asked == [request_]


def test_the_callers_login_travels_with_a_ban(
    path: Path, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 51000 192.0.2.1 22")
    with answering(BANNED) as asked:
        run(path, "ban", A)
    assert asked.asked == [Ban((A,), peer="203.0.113.9")]


@pytest.mark.parametrize(
    ("argv", "result", "status", "output"),
    [
        ([], {"sshd": []}, 0, "Nobody is banned.\n"),
        (["ban", A], BANNED, 0, f"Banned {A} in custom\n"),
        (["ban", A], {**BANNED, "banned": [], "already": [A]}, 0, f"{A} is banned in custom already\n"),
        (
            ["ban", A],
            {**BANNED, "unenforced": {A: "no room"}},
            1,
            f"Banned {A} in custom\n{A} is NOT ENFORCED: no room\n",
        ),
        (["unban", A], UNBANNED, 0, f"Unbanned {A} from sshd\n"),
        (
            ["unban", A],
            {**UNBANNED, "unbanned": [], "not_banned": [A]},
            1,
            f"{A} is not banned\n",
        ),
        (
            ["unban", A],
            {
                **UNBANNED,
                "still_banned": [{"address": A, "jail": "custom", "offender": "192.0.2.0/24"}],
            },
            1,
            f"Unbanned {A} from sshd\n{A} is still kept out by 192.0.2.0/24 in custom\n",
        ),
        (["reload"], {"warnings": ["jail.conf:3: old"]}, 0, "warning: jail.conf:3: old\nReloaded\n"),
        (["ping"], {"version": "1.0", "pid": 7}, 0, "f2b 1.0 answers (pid 7)\n"),
    ],
)  # fmt: skip
def test_what_is_answered_is_shown(
    path: Path, answering: Answering, capsys: pytest.CaptureFixture[str],
    argv: list[str], result: Any, status: int, output: str,
) -> None:  # fmt: skip
    with answering(result):
        assert run(path, *argv) == status
    assert capsys.readouterr() == (output, "")


@pytest.mark.parametrize("argv", [[], ["ban", A], ["unban", A], ["reload"], ["ping"]])
def test_json_is_the_answer_as_it_came(
    path: Path, answering: Answering, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    result = {**BANNED, **UNBANNED, "warnings": []}
    with answering(result):
        assert run(path, *argv, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == result


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ControlError("no jail named 'x'"), 64),
        (NotPermittedError("not you"), 77),
        (ConfigError("bad bantime"), 78),
        (F2bError("no"), 1),
    ],
)
def test_what_the_daemon_refuses_is_said_with_its_status(
    path: Path, capsys: pytest.CaptureFixture[str], error: F2bError, status: int
) -> None:
    with daemon(path, protocol.encode_error(error)):
        assert run(path, "reload") == status
    assert capsys.readouterr() == ("", f"f2b: {error.message}\n")


def test_each_error_of_a_reload_has_a_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(
        path, protocol.encode_error(ConfigError("jail.conf:3: no\njail.conf:4: nor that"))
    ):
        assert run(path, "reload") == Exit.CONFIG
    assert capsys.readouterr().err == "f2b: jail.conf:3: no\nf2b: jail.conf:4: nor that\n"


def test_json_errors(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(path, protocol.encode_error(ControlError("no", hint="try"))):
        assert run(path, "reload", "--json") == Exit.USAGE
    assert json.loads(capsys.readouterr().out) == {"errors": ["no (try)"], "exit": 64}


@pytest.mark.parametrize("argv", [[], ["status"], ["ping"], ["reload"], ["ban", A], ["unban", A]])
def test_a_daemon_that_does_not_run(
    path: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert run(path, *argv) == Exit.UNAVAILABLE
    wanted = (
        f"f2b: f2b is not running: {path}: No such file or directory (systemctl start f2b, or "
    )
    assert capsys.readouterr().err.startswith(wanted)


def test_a_socket_that_nobody_listens_on(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    assert run(path, "ping") == Exit.UNAVAILABLE
    assert "Connection refused" in capsys.readouterr().err


def test_a_path_that_is_too_long_for_a_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / ("x" * 120), "ping") == Exit.UNAVAILABLE
    assert ": AF_UNIX path too long (" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [b"", b"what?\n", b"{}\n"])
def test_a_daemon_that_makes_no_sense(
    path: Path, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    with daemon(path, answer):
        assert run(path, "ping") == Exit.USAGE
    assert capsys.readouterr().err.startswith("f2b: the daemon")


def test_a_jail_without_an_address(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "ban", "192.0.2.300") == Exit.USAGE
    error = "f2b: '192.0.2.300' is not an address (f2b ban [JAIL] ADDRESS...)\n"
    assert capsys.readouterr().err == error


def test_a_configuration_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(parse(["-c", "/nowhere", "check"])) == Exit.CONFIG
    assert "/nowhere" in capsys.readouterr().err


def configured(directory: Path, *lines: str) -> list[str]:
    (directory / "filter.d").mkdir()
    (directory / "filter.d" / "app.conf").write_text(
        "[Definition]\nfailregex = bad <HOST>\njournalmatch = _COMM=app\n"
    )
    (directory / "jail.conf").write_text("\n".join(["[app]", "enabled = true", *lines, ""]))
    return ["-c", str(directory), "check"]


def test_check_of_a_good_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(parse(configured(tmp_path))) == Exit.OK
    assert capsys.readouterr().out == "1 jail can run: app\n"


def test_check_shows_every_error_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = configured(tmp_path, "bantime = soon", "maxretry = none")
    assert execute(parse(argv)) == Exit.CONFIG
    lines = capsys.readouterr().out.splitlines()
    places = sorted(line.split(": ")[:2] for line in lines[:2])
    assert places == [["error", "jail.conf:3"], ["error", "jail.conf:4"]]
    assert lines[2] == "0 jails can run: none, 2 errors"


def test_check_shows_what_is_wrong_in_the_jail_and_in_its_filter_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = configured(tmp_path, "bantime = soon", "[other]", "enabled = true", "filter = app")
    filter_ = "[Definition]\nfailregex = (<HOST>\n  x\njournalmatch = _COMM=app\n"
    (tmp_path / "filter.d/app.conf").write_text(filter_)
    assert execute(parse(argv)) == Exit.CONFIG
    *lines, last = capsys.readouterr().out.splitlines()
    places = sorted(line.split(": ")[1] for line in lines)
    assert places == ["filter.d/app.conf:2", "filter.d/app.conf:3", "jail.conf:3"]
    assert last == "0 jails can run: none, 3 errors"


def test_check_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = configured(tmp_path, "bantime = soon")
    assert execute(parse([*argv, "--json"])) == Exit.CONFIG
    answer = json.loads(capsys.readouterr().out)
    (problem,) = answer["problems"]
    assert answer["jails"] == []
    place = (problem["file"], problem["line"], problem["severity"])
    assert place == ("jail.conf", 3, "error")


def test_check_tells_five_errors_in_five_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "filter.d/regex.conf": "[Definition]\njournalmatch = _COMM=a\nfailregex = bad <HOST>\n ^(<HOST>\n",
        "filter.d/match.conf": "[Definition]\nfailregex = <HOST>\njournalmatch = nonsense\n",
        "filter.d/loop.conf": "[Definition]\nfailregex = (a+)+ <HOST>\njournalmatch = SYSLOG_IDENTIFIER=a\n",
        "jail.conf": (
            "[DEFAULT]\nenabled = true\n[regex]\nfilter = regex\n[match]\nfilter = match\n[loop]\nfilter = loop\n"
            "[time]\nfilter = regex\nbantime = soon\n[text]\nfilter = %(nowhere)s\n[gone]\nfilter = gone\n"
        ),
    }
    assert execute(parse(["-c", str(write(tmp_path, files)), "check"])) == Exit.CONFIG
    told = [line.split(": ")[:2] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert sorted(told) == [
        ["error", "filter.d/match.conf:3"],
        ["error", "filter.d/regex.conf:4"],
        ["error", "jail.conf:11"],
        ["error", "jail.conf:13"],
        ["error", "jail.conf:15"],
        ["warning", "filter.d/loop.conf:2"],
        ["warning", "filter.d/loop.conf:3"],
    ]
