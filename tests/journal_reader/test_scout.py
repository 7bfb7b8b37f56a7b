"""A process reads ahead: nothing is lost, repeated or decided otherwise, whatever becomes of it."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from systemd import journal

from f2b.config.load import load_filter
from f2b.decide.engine import Engine
from f2b.detect.closing import Closing
from f2b.journal import backlog, scout
from f2b.journal import reader as module
from f2b.journal.reader import JournalReader
from f2b.journal.scout import Scout
from f2b.journal.stride import STRIDE, leapt, walked
from f2b.model import Decision, Entry, Position
from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import START, drain, texts
from tests.journal_reader.sifting import Every, arrived, passing, wanted, written
from tests.support.export import Journal
from tests.support.processes import CHECKOUT, wait_until
from tests.support.sieving import engine, sieve, watched
from tests.unit.decide.making import jail
from tests.unit.detect.test_closing import sessions

TOTAL = 12 * STRIDE
MIDDLE = TOTAL // 2


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "FAR", STRIDE)
    monkeypatch.setattr(backlog, "can_scout", lambda: True)
    monkeypatch.setattr(module, "DOUBTED", 10**9)


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the scout the time to get ready before the backlog is over."""
    original = Scout.__init__

    def started(self: Scout, *args: object, **named: object) -> None:
        original(self, *args, **named)  # type: ignore[arg-type]
        wait_until(lambda: self.ready, "the scout")

    monkeypatch.setattr(Scout, "__init__", started)


@pytest.fixture
def narrowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the scout from being done before anything happens to it."""
    monkeypatch.setattr(scout, "ROOM", 4096)


def children() -> list[int]:
    return [
        int(text)
        for text in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        if b"f2b.journal.scouting" in Path(f"/proc/{text}/cmdline").read_bytes()
    ]


@pytest.mark.usefixtures("slowly")
def test_what_is_read_ahead_comes_once_and_in_order(feed: Journal, attach: Attach) -> None:
    written(feed, TOTAL)
    reader, sift = attach(), Every()
    reader.pass_over(sift)
    assert texts([*passing(reader)]) == wanted(TOTAL)
    assert reader.looked == TOTAL
    assert sift.plainly < TOTAL * 3 / 4  # the rest was looked at elsewhere
    assert not children()


@pytest.mark.usefixtures("slowly")
def test_an_entry_read_ahead_is_the_same_entry(feed: Journal, attach: Attach) -> None:
    written(feed, TOTAL)
    reader = attach()
    reader.pass_over(Every(5))
    plain = {entry.cursor: entry for entry in drain(attach())}
    found = [*passing(reader)]
    assert len(found) == len(plain) // 5 + 1
    for entry in found:
        assert entry.time == plain[entry.cursor].time
        assert entry.fields.items() <= plain[entry.cursor].fields.items()


@pytest.mark.usefixtures("slowly", "narrowly")
def test_one_that_dies_is_done_without(feed: Journal, attach: Attach) -> None:
    written(feed, TOTAL)
    reader = attach()
    reader.pass_over(Every())
    found = []
    while reader.looked < MIDDLE:
        found += [entry for entry, _ in reader.read(30)]
    os.kill(children()[0], signal.SIGKILL)
    assert texts([*found, *passing(reader)]) == wanted(TOTAL)


@pytest.mark.usefixtures("slowly", "narrowly")
def test_one_that_hangs_is_done_without(
    feed: Journal, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scout, "LATEST", 2)
    written(feed, TOTAL)
    reader = attach()
    reader.pass_over(Every(2))
    found = []
    while reader.looked < MIDDLE:
        found += [entry for entry, _ in reader.read(30)]
    os.kill(children()[0], signal.SIGSTOP)
    found += passing(reader)
    assert not children()
    assert texts(found) == [f"m{number}" for number in range(0, TOTAL, 2)]


@pytest.mark.usefixtures("slowly", "narrowly")
def test_none_is_left_when_nobody_reads_any_more(feed: Journal, attach: Attach) -> None:
    written(feed, TOTAL)
    reader = attach()
    reader.pass_over(Every())
    while not children():
        reader.read(30)
    reader.pass_over(None)
    assert not children()
    reader.pass_over(Every())
    while not children():
        reader.read(30)
    reader.close()
    assert not children()


def test_without_processes_there_is_a_backlog_all_the_same(
    feed: Journal, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(Scout, "__init__", refused)
    written(feed, TOTAL)
    reader = attach()
    reader.pass_over(Every())
    assert texts([*passing(reader)]) == wanted(TOTAL)


@pytest.mark.usefixtures("slowly")
def test_a_journal_of_several_writers_is_read_whole(folder: Path, attach: Attach) -> None:
    for part in range(3):
        with Journal(folder) as feed:
            written(feed, TOTAL // 3, start=part * (TOTAL // 3))
    reader = attach()
    reader.pass_over(Every())
    assert texts([*passing(reader)]) == wanted(TOTAL)


@pytest.mark.parametrize("match", ["", "U=1"])
def test_a_leap_leads_as_far_as_steps(feed: Journal, match: str) -> None:
    """Where numbers have gaps, as they have for who sees every third entry, steps are what counts."""
    written(feed, 5 * STRIDE)

    def opened() -> journal.Reader:
        handle = journal.Reader(path=str(feed.folder))
        if match:
            handle.add_match(match)
        handle.seek_head()
        handle._next()
        return handle

    handle = opened()
    first = handle._get_cursor()
    there = leapt(handle, first)
    handle.close()
    handle = opened()
    handle._next(STRIDE)
    assert handle._get_cursor() == there
    handle.close()


def test_no_stride_ends_where_the_journal_does(feed: Journal) -> None:
    written(feed, STRIDE - 1)
    handle = journal.Reader(path=str(feed.folder))
    handle.seek_head()
    handle._next()
    assert walked(handle, Every(), None, plain=True) is None
    handle.close()


# --- what only closes sessions --------------------------------------------------------------------


def lines(dice: random.Random, total: int) -> Iterator[tuple[str, str]]:
    number = 0
    while number < total:
        for line in sessions(dice):
            yield line
            number += 1


@pytest.mark.usefixtures("slowly")
def test_sessions_are_closed_as_they_are_without(feed: Journal, attach: Attach) -> None:
    settings = load_filter(CHECKOUT / "etc", "sshd[mode=aggressive]")
    for number, (pid, message) in enumerate(lines(random.Random(1), TOTAL)):
        feed.add(
            START + number / 10, MESSAGE=message, _PID=pid, SYSLOG_PID=pid, SYSLOG_IDENTIFIER="sshd", _COMM="sshd",
            _SYSTEMD_UNIT="ssh.service", _HOSTNAME="host", _UID="0",
        )  # fmt: skip
    arrived(feed)

    def decided(entries: Iterator[Entry], judge: Engine) -> list[Decision]:
        return [each for entry in entries for each in judge.feed(entry, START + TOTAL)]

    reference = Engine([jail(filter=settings, maxretry=2, findtime=600)])
    expected = decided(iter(drain(attach())), reference)
    ahead = Engine([jail(filter=settings, maxretry=2, findtime=600)])
    ours = ahead.jails["sshd"]
    assert ours.match
    found = sieve([watched("sshd", ours.filter, settings, ours.match)], engine("hyperscan"))
    reader: JournalReader = attach(Position(None, START))
    reader.pass_over(Closing.of(found, {"sshd": ours.filter}))
    assert decided(passing(reader), ahead) == expected
    assert len(expected) > 100
    kept, known = (each.jails["sshd"].filter.sessions for each in (ahead, reference))
    assert kept._processes == known._processes
