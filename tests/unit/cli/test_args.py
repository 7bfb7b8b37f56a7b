"""What can be typed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from f2b import __version__
from f2b.cli.args import CONFIG, parse
from f2b.errors import Exit
from tests.support.processes import CHECKOUT


def test_without_anything() -> None:
    args = parse([])
    assert (args.command, args.config, args.socket, args.json) == (None, CONFIG, None, False)


@pytest.mark.parametrize(
    "command",
    [["run"], ["status"], ["ban", "192.0.2.7"], ["unban", "192.0.2.7"], ["flush"], ["reload"],
     ["check"], ["config", "show"], ["ping"]],
)  # fmt: skip
def test_every_command_takes_the_options_before_or_after_it(command: list[str]) -> None:
    options = ["-c", "/x", "--socket", "/y", "--json"]
    for argv in ([*options, *command], [*command, *options]):
        args = parse(argv)
        assert (args.config, args.socket, args.json) == (Path("/x"), Path("/y"), True)
        assert args.command == command[0]


def test_a_command_does_not_undo_options_before_it() -> None:
    args = parse(["--json", "-c", "/x", "status", "sshd"])
    assert (args.json, args.config, args.socket, args.jail) == (True, Path("/x"), None, "sshd")


def test_run() -> None:
    assert (parse(["run"]).takeover, parse(["run", "--takeover"]).takeover) == (False, True)


def test_ban() -> None:
    args = parse(["ban", "sshd", "192.0.2.7", "2001:db8::1", "-t", "1d12h", "--force"])
    assert args.words == ["sshd", "192.0.2.7", "2001:db8::1"]
    assert (args.time, args.force) == ("1d12h", True)


def test_ban_for_ever() -> None:
    assert parse(["ban", "192.0.2.7", "-t", "-1"]).time == "-1"


def test_unban() -> None:
    args = parse(["unban", "192.0.2.7", "--jail", "sshd"])
    assert (args.addresses, args.jail, args.everything) == (["192.0.2.7"], "sshd", False)


def test_unban_all() -> None:
    args = parse(["unban", "--all"])
    assert (args.addresses, args.everything) == ([], True)


@pytest.mark.parametrize(
    "argv",
    [["frobnicate"], ["ban"], ["unban"], ["unban", "--all", "192.0.2.7"], ["status", "a", "b"],
     ["--frobnicate"], ["ban", "192.0.2.7", "-t"], ["ping", "x"]],
)  # fmt: skip
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(argv)
    assert stop.value.code == Exit.USAGE
    error = capsys.readouterr().err
    assert error.startswith("f2b")
    assert error.count("\n") == 1
    assert "--help)" in error


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse([option])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"f2b {__version__}\n")


def test_help_names_every_command_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    words = text.split()
    assert {"run", "status", "ban", "unban", "flush", "reload", "check", "ping"} <= set(words)
    assert all(str(int(status)) in text for status in Exit)


@pytest.mark.parametrize("command", ["run", "status"])
def test_an_interrupt_while_it_is_loaded_is_no_traceback(tmp_path: Path, command: str) -> None:
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, "-m", "f2b", command],
        check=False,
        capture_output=True,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_where_an_interrupt_is_not_caught_yet_nothing_is_loaded() -> None:
    begins = ast.parse((CHECKOUT / "f2b/__main__.py").read_text()).body
    loaded = [
        ast.unparse(each) for each in begins if isinstance(each, ast.Import | ast.ImportFrom)
    ]
    assert loaded == ["import sys"]
