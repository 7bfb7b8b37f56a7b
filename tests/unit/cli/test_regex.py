"""`f2b regex` on text: what it takes for its source and its filter, and what it says."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from f2b.cli.args import parse
from f2b.cli.commands import execute
from tests.support.processes import CHECKOUT
from tests.unit.config.tree import write

FILTER = """\
[Definition]
failregex = ^<lead>bad <F-USER>\\w+</F-USER> from <HOST>$
            ^worse from <HOST>$
ignoreregex = ^.*from 192\\.0\\.2\\.9$
journalmatch = _COMM=app
[Init]
lead =
"""
LOG = """\
2026-01-02 03:04:05Z bad root from 192.0.2.1
what?
2026-01-02 03:04:06Z worse from 2001:db8::1
2026-01-02 03:04:07Z bad root from 192.0.2.9
2026-01-02 03:04:08Z bad root from 192.0.2.300
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    jail = "[app]\nfilter = app[lead=very]\n[other]\nfilter = app\n"
    return write(tmp_path / "etc", {"filter.d/app.conf": FILTER, "jail.conf": jail})


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "app.log"
    path.write_text(LOG)
    return str(path)


def run(etc: Path, *argv: str) -> int:
    return execute(parse(["-c", str(etc), "regex", *argv]))


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_has_an_object_for_each_line(
    etc: Path, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(etc, "--json", log, "other") == 0
    *lines, totals = rows(capsys)
    start = 1767323045.0
    assert lines == [
        {
            "line": 1, "matched": True, "ignored": False, "regex": 0, "host": "192.0.2.1", "time": start,
            "groups": {"user": "root", "ip4": "192.0.2.1"},
        },
        {
            "line": 2, "matched": False, "ignored": False, "regex": None, "host": None, "time": start, "groups": {},
        },
        {
            "line": 3, "matched": True, "ignored": False, "regex": 1, "host": "2001:db8::1", "time": start + 1,
            "groups": {"ip6": "2001:db8::1"},
        },
        {
            "line": 4, "matched": False, "ignored": True, "regex": 0, "host": None, "time": start + 2, "groups": {},
        },
        {
            "line": 5, "matched": False, "ignored": False, "regex": 0, "host": None, "time": start + 3,
            "groups": {"user": "root", "ip4": "192.0.2.300"},
        },
    ]  # fmt: skip
    counts = {name: totals[name] for name in ("lines", "matched", "ignored", "helpers", "missed")}
    assert counts == {"lines": 5, "matched": 2, "ignored": 1, "helpers": 1, "missed": 1}
    assert totals["dates"] == {"yyyy-mm-dd hh:mm:ss": 4}
    assert [(each["kind"], each["hits"]) for each in totals["regexes"]] == [
        ("failregex", 2), ("failregex", 1), ("ignoreregex", 1),
    ]  # fmt: skip
    assert all(each["ms"] > 0 for each in totals["regexes"])


def test_report(etc: Path, log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, log, "other") == 0
    output = capsys.readouterr().out
    assert output.startswith("5 lines in 0.")
    first = "2 failures, 1 that say more of a session or name nobody, 1 ignored, 1 missed\nREGEX "
    assert first in output
    for row in (
        "\nfailures\nLINE  REGEX  HOST         TEXT\n   1  0      192.0.2.1    2026-01-02 03:04:05Z bad root",
        "\n   3  1      2001:db8::1  2026-01-02 03:04:06Z worse from 2001:db8::1\n",
        "\nignored lines\nLINE  TEXT\n   4  2026-01-02 03:04:07Z bad root from 192.0.2.9\n",
        "\nmissed lines\nLINE  TEXT\n   2  what?\n",
        "\ndates\nLINES  WRITTEN AS\n    4  yyyy-mm-dd hh:mm:ss\n",
    ):
        assert row in output


def test_nothing_matched(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, "good from 192.0.2.1", "other") == 1
    assert "0 failures, 0 ignored, 1 missed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "filter_", "status"),
    [
        ("verybad root from 192.0.2.1", "app", 0),  # the jail, not the filter of its name
        ("bad root from 192.0.2.1", "app", 1),
        ("bad root from 192.0.2.1", "other", 0),
        ("sobad root from 192.0.2.1", "app[lead='so']", 0),
        ("bad root from 192.0.2.1", "FILE", 0),
        ("sobad root from 192.0.2.1", "FILE[lead='so']", 0),
        ("bad root from 192.0.2.1", "from <HOST>$", 0),
        ("bad root from host.example", "from <HOST>$", 0),
        ("bad root from 4", "from <HOST>$", 1),
    ],
)
def test_what_filter_is_meant(
    etc: Path, line: str, filter_: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(etc, line, filter_.replace("FILE", str(etc / "filter.d/app.conf"))) == status
    capsys.readouterr()


def test_a_jail_that_only_has_a_log_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "filter.d/web.conf": "[Definition]\nfailregex = ^bad from <HOST>$\n",
        "jail.conf": "[web]\nlogpath = /var/log/web.log\nfailregex = ^worse from <HOST>$\nfilter = web\n",
    }
    etc = write(tmp_path, files)
    assert run(etc, "worse from 192.0.2.1", "web") == 0
    assert run(etc, "bad from 192.0.2.1", "web") == 1
    assert run(etc, "bad from 192.0.2.1", "web[]") == 0
    capsys.readouterr()


def test_names_are_told_and_said_to_be_none(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, "bad root from host.example", "other") == 0
    output = capsys.readouterr().out
    assert "\n1 of the failures name a host or an id: no address, nothing to ban" in output
    assert "host.example" in output


def test_an_ignoreregex_is_added(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, "bad root from 192.0.2.1", "other", "ro+t") == 1
    assert "1 ignored" in capsys.readouterr().out


def test_standard_input_and_bytes_that_are_no_text(
    etc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b"\xff\xfe\x1b[31m\r\nbad a from 192.0.2.1\r\n\n\x00 bad \xc3 from"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert run(etc, "-", "other") == 0
    output = capsys.readouterr().out
    assert "4 lines" in output
    assert "�\\x1b[31m" in output
    assert "\x1b" not in output


def test_regexes_over_several_lines(
    etc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_text("Jan  2 03:04:05 from 192.0.2.1\nx\nJan  2 03:04:06 failed\n")
    assert run(etc, str(path), "^ from <HOST>$<SKIPLINES>^ failed$", "--maxlines", "3") == 0
    assert "192.0.2.1  Jan  2 03:04:06 failed" in capsys.readouterr().out


def test_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    said = (
        "Invalid user x from 192.0.2.1 port 2",
        "Failed password for x from 192.0.2.1 port 2 ssh2",
    )
    path.write_text("".join(f"Jan  2 03:04:05 host sshd[7]: {text}\n" for text in said))
    assert run(CHECKOUT / "etc", "--json", str(path), "sshd[mode=normal]") == 0
    first, second, _ = rows(capsys)
    assert (first["matched"], first["groups"]["user"]) == (False, "x")
    assert (second["matched"], second["host"]) == (True, "192.0.2.1")


@pytest.mark.parametrize(("option", "shown"), [("--print-all-missed", 30), ("--json", 0)])
def test_missed_lines_are_some_or_all(
    etc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, shown: int
) -> None:
    path = tmp_path / "log"
    path.write_text("what?\n" * 30)
    assert run(etc, str(path), "other") == 1
    output = capsys.readouterr().out
    assert output.count("what?") == 10
    assert "missed lines, 10 of 30 (--print-all-missed shows them)" in output
    run(etc, str(path), "other", option)
    assert capsys.readouterr().out.count("what?") == shown


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (("x", "from (<HOST>"), 78, "FILTER: bad regex: missing ), unterminated subpattern at position 5"),
        (("x", "<HOST>", "["), 78, "IGNOREREGEX: bad regex: unterminated character set at position 0"),
        (("x", "no address here"), 78, "FILTER: failregex captures no address"),
        (("x", "nothing"), 64, "there is no jail, filter or file 'nothing'"),
        (("/no/such/file", "other"), 64, "there is no file /no/such/file"),
        (("/etc", "other"), 64, "/etc is a directory"),
        (("x", "other", "--since", "1h"), 64, "--since, --until and --match are for the journal"),
        (("journal", "other", "--since", "soon"), 64, "'soon' is no time"),
        (("journal", "other", "--match", "sshd"), 78, "--match: journalmatch needs FIELD=value"),
        (("x", "app[lead"), 78, "FILTER: needs the form name[option=value, ...], got 'app[lead'"),
        (("x", "elsewhere[lead"), 64, "there is no jail, filter or file 'elsewhere[lead'"),
        (("no/such.log", "other"), 64, "there is no file no/such.log"),
        (("nosuch.log", "other"), 64, "there is no file nosuch.log"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    etc: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], status: int, message: str
) -> None:
    assert run(etc, *argv) == status
    assert capsys.readouterr().err.startswith(f"f2b: {message}")


def test_a_misspelt_parameter_is_told(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(etc, "bad root from 192.0.2.1", "app[lad=very ]") == 0
    assert capsys.readouterr().err == "f2b: app has no use for lad (did you mean lead?)\n"


@pytest.mark.parametrize(
    "argv", [["x"], ["x", "y", "--maxlines", "0"], ["x", "y", "--maxlines", "a"]]
)
def test_wrong_usage(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["regex", *argv])
    assert exit_.value.code == 64


def test_a_regex_that_takes_for_ever_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"bad from 192.0.2.1\nbad {'a' * 60}\n")
    # Whoever runs the tests in the background ignores the signal, and so would the command.
    heeding = ["env", "--default-signal=INT", sys.executable, "-m", "f2b"]
    argv = [*heeding, "regex", str(path), r"^bad (?:from|(?:a+)+) <HOST>$"]
    command = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    time.sleep(3)
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=20)
    assert command.returncode == 130
    assert "2 lines in" in output
    assert "interrupted at line 2 in failregex ^bad (?:from|(?:a+)+) <HOST>$\nREGEX" in output
    row = next(line for line in output.splitlines() if line.startswith("0 "))
    _, hits, milliseconds, _, slowest, *_ = row.split()
    assert (hits, slowest, float(milliseconds) > 100) == ("1", "2", True)


def test_a_file_that_is_one_long_line_is_read_at_once(
    etc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "binary"
    path.write_bytes(bytes(20_000_000) + b" bad root from 192.0.2.1\n")
    start = time.thread_time()
    assert run(etc, str(path), "bad root from <HOST>$", "--json") == 0
    assert time.thread_time() - start < 1
    assert rows(capsys)[0]["host"] == "192.0.2.1"


def test_long_input_moves_a_bar_on_a_terminal() -> None:
    outer, inner = pty.openpty()
    argv = [sys.executable, "-m", "f2b", "regex", "-", "<HOST>"]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=inner, cwd=CHECKOUT, env=environment
    ) as command:  # fmt: skip
        os.close(inner)
        assert command.stdin
        for _ in range(3):
            command.stdin.write(b"bad from 192.0.2.1\n" * 200)
            command.stdin.flush()
            time.sleep(0.7)
        command.stdin.close()
        shown = b""
        try:
            while part := os.read(outer, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
    os.close(outer)
    assert command.returncode == 0
    assert b"line 600" in shown
