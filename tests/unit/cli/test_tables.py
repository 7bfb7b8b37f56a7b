"""How answers look in a pipe, letter by letter; on a terminal the same cells."""

import time
from collections.abc import Iterator
from io import StringIO

import pytest

from f2b.cli import tables
from f2b.protocol import (
    BanRow,
    DaemonStatus,
    JailRow,
    JailStatus,
    LackingRow,
    QuarantineRow,
    SlowLaneRow,
)

NOW = 1_700_000_600.0

BAN = BanRow(
    offender="192.0.2.7", start=1_700_000_000.0, until=1_700_003_600.0, offence=1, failures=5,
    source="counted", enforced=True,
)  # fmt: skip
FOR_EVER = BanRow(
    offender="2001:db8::/64", start=1_700_000_500.4, until=None, offence=12, failures=0,
    source="hand", enforced=False, why="no room",
)  # fmt: skip
ROW = JailRow(
    name="sshd", failing=2, found=1234, ignored=0, banned=1, banned_total=30, catching_up=None,
    broken=None,
)  # fmt: skip
STATUS = DaemonStatus(
    version="1.0", pid=1, since=NOW - 3725, journal="system", entries=5, position=NOW,
    sieve="words", backend="nftables", reduced=[], degraded=[], counters={"clipped": 0},
    jails=[
        ROW,
        JailRow(**{**ROW, "name": "postfix", "catching_up": 0.634}),
        JailRow(**{**ROW, "name": "bad", "broken": "x:1: no"}),
    ],
)  # fmt: skip
JAIL = JailStatus(
    **ROW, filter="sshd[mode=normal]", reading="built",
    journalmatch=["_COMM=sshd\n_COMM=sshd-session"], maxretry=5, findtime=600, bantime=3600,
    increment=False, actions=[], bans=[BAN],
    slow_lane=SlowLaneRow(quarantined=[], waiting=0, not_judged=0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_bans() -> None:
    assert tables.plain(tables.banned({"sshd": [BAN, FOR_EVER], "empty": []}, NOW)) == (
        "JAIL  BANNED         SINCE                ENDS IN  OFFENCE  FAILURES  BY       WALL\n"
        "sshd  192.0.2.7      2023-11-14 22:13:20  50m            1         5  counted  enforced\n"
        "sshd  2001:db8::/64  2023-11-14 22:21:40  never         12         0  hand     "
        "NOT ENFORCED: no room\n"
    )


def test_status_names_what_was_lost() -> None:
    counted = DaemonStatus(**{**STATUS, "counters": {"clipped": 0, "names_dropped": 2, "x": 1}})
    assert tables.status(counted, NOW).title.endswith("backend nftables\nnames dropped 2, x 1")
    assert tables.status(STATUS, NOW).title.endswith("backend nftables")


@pytest.mark.parametrize("rows", [{}, {"sshd": []}])
def test_no_bans(rows: dict[str, list[BanRow]]) -> None:
    assert tables.plain(tables.banned(rows, NOW)) == "Nobody is banned.\n"


def test_a_ban_that_is_over_by_now_ends_in_nothing() -> None:
    assert " 0s " in tables.plain(tables.banned({"sshd": [BAN]}, BAN["start"] + 1e6))


def test_status() -> None:
    assert tables.plain(tables.status(STATUS, NOW)) == (
        "f2b 1.0, up 1h 2m 5s, journal system read up to 2023-11-14 22:23:20, sieve words, backend nftables\n"
        "JAIL     FAILING  FOUND  IGNORED  BANNED  BANNED EVER  STATE\n"
        "sshd           2   1234        0       1           30  watching\n"
        "postfix        2   1234        0       1           30  catching up, 63%\n"
        "bad            2   1234        0       1           30  BROKEN: x:1: no\n"
    )


def test_status_counts_the_bans_that_are_not_enforced() -> None:
    rows = [
        JailRow(**{**ROW, "banned": 7, "unenforced": 2}),
        JailRow(**{**ROW, "banned": 7, "unenforced": 7, "catching_up": 0.5}),
    ]
    *_, one, other = tables.plain(
        tables.status(DaemonStatus(**{**STATUS, "jails": rows}), NOW)
    ).splitlines()
    assert one.endswith("  NOT ENFORCED: 2 of 7; watching")
    assert other.endswith("  NOT ENFORCED: 7 of 7; catching up, 50%")


def test_status_names_the_drop_in_that_is_lacking() -> None:
    row = LackingRow(text="f2b.service lacks x", dropin="x", needed_by=("y",), command="do this")
    answer = DaemonStatus(**{**STATUS, "lacking": [row]})
    lines = tables.plain(tables.status(answer, NOW)).splitlines()
    assert lines[1:3] == ["f2b.service lacks x:", "  do this"]


def test_status_names_what_does_not_work() -> None:
    answer = DaemonStatus(**{**STATUS, "degraded": ["store: full", "jail bad: x"]})
    lines = tables.plain(tables.status(answer, NOW)).splitlines()
    assert lines[1:3] == ["degraded: store: full", "degraded: jail bad: x"]


def test_status_names_what_the_kernel_lacks() -> None:
    answer = DaemonStatus(**{**STATUS, "reduced": ["no counters in sets: nothing is counted"]})
    lines = tables.plain(tables.status(answer, NOW)).splitlines()
    assert lines[1] == "nftables: no counters in sets: nothing is counted"


def test_a_jail_whose_bans_count_what_they_stop() -> None:
    counting = BanRow(**{**BAN, "packets": 12, "bytes": 720})
    answer = JailStatus(**{**JAIL, "bans": [counting, FOR_EVER]})
    heads, counted, other = tables.plain(tables.jail(answer, NOW)).splitlines()[4:]
    assert heads.endswith("  BY       PACKETS  BYTES  WALL")
    assert counted.endswith("  counted       12    720  enforced")
    assert other.endswith("  hand                     NOT ENFORCED: no room")


def test_a_clock_that_went_back_makes_no_negative_uptime() -> None:
    assert " up 0s, " in tables.plain(tables.status(STATUS, STATUS["since"] - 60))


def test_status_before_the_first_entry() -> None:
    answer = DaemonStatus(**{**STATUS, "position": None})
    assert "journal system nothing yet, " in tables.plain(tables.status(answer, NOW))


def test_a_jail() -> None:
    assert tables.plain(tables.jail(JAIL, NOW)) == (
        "sshd: filter sshd[mode=normal] (reading built), 5 failures in 10m, banned for 1h\n"
        "journalmatch  _COMM=sshd\n"
        "journalmatch  _COMM=sshd-session\n"
        "found 1234, failing 2, ignored 0, banned 1 (ever 30), watching\n"
        "BANNED     SINCE                ENDS IN  OFFENCE  FAILURES  BY       WALL\n"
        "192.0.2.7  2023-11-14 22:13:20  50m            1         5  counted  enforced\n"
    )


def test_a_jail_that_bans_for_ever() -> None:
    first, *_ = tables.plain(
        tables.jail(JailStatus(**{**JAIL, "bantime": None}), NOW)
    ).splitlines()
    assert first.endswith("5 failures in 10m, banned for ever")


def test_a_jail_whose_bans_grow() -> None:
    first, *_ = tables.plain(
        tables.jail(JailStatus(**{**JAIL, "increment": True}), NOW)
    ).splitlines()
    assert first.endswith("banned for 1h, longer each time")


def test_a_jail_without_bans() -> None:
    answer = JailStatus(**{**JAIL, "bans": []})
    assert tables.plain(tables.jail(answer, NOW)).splitlines()[-1].endswith("watching")


def test_no_line_ends_in_blanks() -> None:
    text = tables.plain(tables.banned({"sshd": [BAN, FOR_EVER]}, NOW))
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = tables.status(STATUS, NOW)
    tables.show(table)
    assert capsys.readouterr().out == tables.plain(table)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_same_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")  # a dumb one would have 80 columns
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    table = tables.banned({"sshd": [BAN, FOR_EVER]}, NOW)
    tables.show(table)
    drawn = screen.getvalue()
    assert all(cell in drawn for row in (table.heads, *table.rows) for cell in row)


def test_a_terminal_need_not_wait_for_a_long_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    table = tables.banned({"sshd": [BAN] * (tables.MOST_DRAWN + 1)}, NOW)
    tables.show(table)
    assert screen.getvalue() == tables.plain(table)


def test_markup_in_a_cell_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")  # a dumb one would have 80 columns
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    row = JailRow(**{**ROW, "broken": "bad regex: '[red]x[/red]'"})
    tables.show(tables.status(DaemonStatus(**{**STATUS, "jails": [row]}), NOW))
    assert "'[red]x[/red]'" in screen.getvalue()


def test_a_jail_with_a_slow_regex() -> None:
    slow = SlowLaneRow(
        quarantined=[QuarantineRow(regex="filter.d/a.conf:7", left=590.4)],
        waiting=12,
        not_judged=3,
    )
    title = tables.jail(JailStatus(**{**JAIL, "slow_lane": slow}), NOW).title
    assert title.splitlines()[-2:] == [
        "slow regex at filter.d/a.conf:7: quarantined for 9m 50s more",
        "in the slow lane 12 lines wait, 3 could not be judged",
    ]
