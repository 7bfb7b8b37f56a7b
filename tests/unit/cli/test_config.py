"""What is in effect, and where it was written."""

import json
from pathlib import Path

import pytest

from f2b.cli.args import parse
from f2b.cli.commands import execute
from f2b.errors import Exit
from tests.unit.config.tree import write

FILES = {
    "f2b.conf": "[Definition]\nlatency = quiet\n",
    "jail.conf": "[DEFAULT]\nbantime = 1h\n[app]\n[off]\nfilter = app\nmaxretry = 3\n",
    "jail.local": "[app]\nenabled = true\nfailregex = ^jail <HOST>$\n  %(known/failregex)s\n",
    "filter.d/app.conf": (
        "[Definition]\n_end = , <word>$\nfailregex = ^one <HOST>%(_end)s\n  ^<three>\nthree = 3 <HOST>\n"
        "journalmatch = _COMM=app\n[Init]\nword = ok\n"
    ),
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write(tmp_path, FILES)


def shown(
    directory: Path, capsys: pytest.CaptureFixture[str], *words: str, status: int = Exit.OK
) -> str:
    assert execute(parse(["-c", str(directory), "config", "show", *words])) == status
    return capsys.readouterr().out


def test_the_daemon_and_the_enabled_jails(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(directory, capsys).splitlines()
    assert lines[0] == "f2b.conf"
    assert {"  latency = quiet", "  onstop = keep", "  bantime = 1h", "  maxretry = 5"} <= set(
        lines
    )
    assert [line for line in lines if line.startswith("[")] == ["[app]"]


def test_the_filter_is_shown_as_it_is_after_interpolation_with_the_place_of_every_line(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(directory, capsys, "app", "--origin").splitlines()
    assert lines[0] == "[app]"
    assert {
        "  jail.local:2         enabled = true",
        "  jail.conf:2          bantime = 1h",
        "  built in             maxretry = 5",
        "  jail.local:3         failregex = ^jail <HOST>$",
        "  filter.d/app.conf:3              ^one <HOST>, ok$",
        "  filter.d/app.conf:4              ^3 <HOST>",
        "  filter.d/app.conf:6  journalmatch = _COMM=app",
    } <= set(lines)


def test_the_reading_that_a_filter_is_written_for_is_shown(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "  reading = message" in shown(directory, capsys, "app").splitlines()
    write(directory, {"jail.d/z.local": "[app]\nreading = both\n"})
    lines = shown(directory, capsys, "app", "--origin").splitlines()
    assert "  jail.d/z.local:2     reading = both" in lines


def test_a_jail_that_is_not_enabled_can_be_looked_at(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(directory, capsys, "off").splitlines()
    assert {"[off]", "  enabled = false", "  maxretry = 3"} <= set(lines)


def test_in_json(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(shown(directory, capsys, "--json"))
    assert answer["settings"]["latency"] == [{"text": "quiet", "file": "f2b.conf", "line": 2}]
    assert answer["jails"]["app"]["maxretry"] == [{"text": "5", "file": None, "line": None}]
    assert [line["text"] for line in answer["jails"]["app"]["failregex"]][1:] == [
        "^one <HOST>, ok$",
        "^3 <HOST>",
    ]
    assert answer["errors"] == []


def test_what_cannot_be_made_out_is_an_error_and_the_rest_is_shown(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(directory, {"jail.d/z.local": "[app]\nbantime = %(none)s\nfilter = nosuch\n"})
    assert execute(parse(["-c", str(directory), "config", "show", "app"])) == Exit.CONFIG
    told = capsys.readouterr()
    assert "  maxretry = 5\n" in told.out
    assert told.err.splitlines() == [
        "f2b: jail.d/z.local:3: there is no filter 'nosuch': filter.d/nosuch.conf does not exist",
        "f2b: jail.d/z.local:2: %(none)s is not defined (seen from [app])",
    ]


def test_an_unknown_jail(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(parse(["-c", str(directory), "config", "show", "ap"])) == Exit.USAGE
    assert "there is no jail 'ap' (did you mean app?)" in capsys.readouterr().err


def test_fail2ban_conf_that_stands_in_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[Definition]\nloglevel = WARNING\nsocket = /run/fail2ban.sock\n"
    write(tmp_path, {"fail2ban.conf": text, "jail.conf": ""})
    lines = shown(tmp_path, capsys, "--origin").splitlines()
    assert "  fail2ban.conf:2  loglevel = WARNING" in lines
    assert "  built in         socket = /run/f2b/f2b.sock" in lines


def test_show_has_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["config"])
    assert stop.value.code == Exit.USAGE
    assert "show" in capsys.readouterr().err
