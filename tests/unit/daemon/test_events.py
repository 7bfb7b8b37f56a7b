"""What the daemon says of itself, in fail2ban's words and with fields."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.daemon import events as module
from f2b.daemon.events import FOUND_PER_SECOND, Events, Level
from f2b.model import Ban, Banned, Decision, Failure, Forgiven, Found, Lifted, Prolonged, Reason

A = parse("192.0.2.7")
BAN = Ban("sshd", A, 1000.0, 1600.25, 2, failures=5)
FOUND = Found("sshd", A, Failure(A, 1000.0, "s=1;i=2"), counts=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Journald:
    """A real socket in the place of journald's."""

    def __init__(self, path: Path, threshold: Level = Level.DEBUG) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(path))
        self.clock = Clock()
        self.events = Events("journal", threshold, self.clock)

    def entries(self) -> Iterator[dict[str, str]]:
        while True:
            try:
                record = self.socket.recv(65536).decode()
            except BlockingIOError:
                return
            yield dict(line.split("=", 1) for line in record.splitlines())

    def messages(self) -> list[str]:
        return [entry["MESSAGE"] for entry in self.entries()]

    def close(self) -> None:
        self.socket.close()
        assert self.events._socket
        self.events._socket.close()


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journald]:
    monkeypatch.setattr(module, "JOURNAL", tmp_path / "socket")
    made = Journald(tmp_path / "socket")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("decision", "message", "priority", "event"),
    [
        (FOUND, "[sshd] Found 192.0.2.7", 6, "found"),
        (Banned(BAN), "[sshd] Ban 192.0.2.7", 5, "ban"),
        (
            Banned(BAN, enforce=False),
            "[sshd] Ban 192.0.2.7 (over by now, not enforced)",
            5,
            "ban",
        ),
        (Lifted(BAN, Reason.EXPIRED, 1), "[sshd] Unban 192.0.2.7", 5, "unban"),
        (Lifted(BAN, Reason.UNBAN, 1), "[sshd] Unban 192.0.2.7 (unban)", 5, "unban"),
        (Lifted(BAN, Reason.JAIL_GONE, 1), "[sshd] Unban 192.0.2.7 (jail gone)", 5, "unban"),
    ],
)
def test_a_decision_in_fail2bans_words(
    journald: Journald, decision: Decision, message: str, priority: int, event: str
) -> None:
    journald.events.decided(decision)
    (entry,) = journald.entries()
    assert (entry["MESSAGE"], entry["PRIORITY"]) == (message, str(priority))
    assert (entry["F2B_EVENT"], entry["MESSAGE_ID"]) == (event, module.MESSAGE_IDS[event])
    assert (entry["F2B_JAIL"], entry["F2B_OFFENDER"]) == ("sshd", "192.0.2.7")


def test_a_ban_has_its_figures(journald: Journald) -> None:
    journald.events.decided(Banned(BAN))
    (entry,) = journald.entries()
    assert entry["F2B_UNTIL"] == "1600.250000"
    assert (entry["F2B_OFFENCE"], entry["F2B_FAILURES"], entry["F2B_SOURCE"]) == (
        "2",
        "5",
        "counted",
    )


def test_a_ban_for_ever_has_no_end(journald: Journald) -> None:
    journald.events.decided(Prolonged(Ban("sshd", A, 1, None)))
    (entry,) = journald.entries()
    assert (entry["F2B_UNTIL"], entry["MESSAGE"]) == (
        "",
        "[sshd] Prolong 192.0.2.7 until for ever",
    )


def test_a_failure_names_the_address_and_the_cursor(journald: Journald) -> None:
    address, network = parse("2001:db8::1"), parse("2001:db8::/64")
    journald.events.decided(Found("sshd", network, Failure(address, 1.0, "s=1"), counts=False))
    (entry,) = journald.entries()
    assert (entry["MESSAGE"], entry["F2B_FAILURE_CURSOR"]) == ("[sshd] Found 2001:db8::1", "s=1")


def test_forgiving_is_not_logged(journald: Journald) -> None:
    journald.events.decided(Forgiven("sshd", A))
    assert journald.messages() == []


def test_what_is_less_important_than_the_level_is_left_out(journald: Journald) -> None:
    journald.events.threshold = Level.NOTICE
    for say in (journald.events.error, journald.events.warning, journald.events.notice):
        say("loud")
    journald.events.info("quiet")
    assert journald.messages() == ["loud"] * 3


def test_a_text_of_several_lines_is_one_entry(journald: Journald) -> None:
    journald.events.error("one\nMESSAGE=two")
    record = journald.socket.recv(65536)
    assert record.startswith(b"MESSAGE\n" + (15).to_bytes(8, "little") + b"one\nMESSAGE=two\n")


def test_found_lines_have_a_ceiling_a_second(journald: Journald) -> None:
    for _ in range(FOUND_PER_SECOND):
        journald.events.decided(FOUND)
        list(journald.entries())
    journald.events.decided(FOUND)
    assert journald.messages() == []


def test_in_the_next_second_there_is_room_and_word_of_the_rest(journald: Journald) -> None:
    for _ in range(FOUND_PER_SECOND + 7):
        journald.events.decided(FOUND)
        list(journald.entries())
    journald.clock.now += 1
    journald.events.decided(FOUND)
    assert journald.messages() == [
        "7 more Found lines of one second left out",
        "[sshd] Found 192.0.2.7",
    ]


def test_bans_are_logged_beyond_the_ceiling(journald: Journald) -> None:
    for _ in range(FOUND_PER_SECOND + 1):
        journald.events.decided(FOUND)
        list(journald.entries())
    journald.events.decided(Banned(BAN))
    assert journald.messages() == ["[sshd] Ban 192.0.2.7"]


def test_a_journald_that_does_not_read_blocks_nobody(journald: Journald) -> None:
    for _ in range(5000):
        journald.events.notice("x" * 1000)
    assert journald.events.dropped > 0


def test_a_journald_that_is_gone_ends_nothing(journald: Journald) -> None:
    journald.socket.close()
    journald.events.error("hello?")
    assert journald.events.dropped == 1


def test_without_a_journal_it_says_it_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "JOURNAL", tmp_path / "nothing")
    Events("journal", Level.INFO, Clock()).decided(Banned(BAN))
    assert capsys.readouterr().err.endswith(" NOTICE  [sshd] Ban 192.0.2.7\n")


def test_a_stderr_that_is_gone_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone, contextlib.redirect_stderr(gone):
        events = Events("stderr", Level.INFO, Clock())
        events.error("hello?")
        with contextlib.suppress(BrokenPipeError):
            gone.close()
    assert events.dropped == 1


def test_on_a_terminal_it_says_it_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    Events("auto", Level.INFO, Clock()).error("oops")
    assert capsys.readouterr().err.endswith(" ERROR   oops\n")


# --- a journald that cannot keep up ----------------------------------------------------------------


def many(journald: Journald, number: int) -> list[str]:
    for each in range(number):
        journald.events.info(f"line {each}")
    return [f"line {each}" for each in range(number)]


def test_lines_wait_for_journald_and_come_in_order(journald: Journald) -> None:
    async def burst() -> list[str]:
        written = many(journald, 3000)
        read: list[str] = []
        while len(read) < len(written):
            read += journald.messages()
            await asyncio.sleep(0)
        assert read == written
        return read

    assert len(asyncio.run(burst())) == 3000
    assert journald.events.dropped == 0


def test_too_many_are_dropped_and_counted(
    journald: Journald, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 50)

    async def burst() -> int:
        many(journald, 3000)
        return len(journald.messages())

    read = asyncio.run(burst())
    assert journald.events.dropped == 3000 - read - 50


def test_at_the_end_journald_has_a_moment(journald: Journald) -> None:
    async def burst() -> None:
        many(journald, 2000)

    asyncio.run(burst())
    read = journald.messages()
    reader = asyncio.to_thread(journald.events.finish, 0.2)

    async def finish() -> None:
        task = asyncio.create_task(reader)
        while not task.done():
            read.extend(journald.messages())
            await asyncio.sleep(0.001)

    asyncio.run(finish())
    read += journald.messages()
    assert read == [f"line {each}" for each in range(2000)]


def test_one_that_takes_nothing_holds_up_no_end(journald: Journald) -> None:
    async def burst() -> None:
        many(journald, 2000)

    asyncio.run(burst())
    began = time.monotonic()
    journald.events.finish(0.05)
    assert time.monotonic() - began < 1
    assert journald.events.dropped == 2000 - len(journald.messages())
