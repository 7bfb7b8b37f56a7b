"""Much to read: once, past what nobody wants, and nothing lost or repeated where strides meet careful steps."""

import errno
import random
import threading
import time
from pathlib import Path

import pytest

from f2b.config.settings import FilterSettings
from f2b.daemon.catchup import _Past
from f2b.detect.budget import Guard
from f2b.journal import backlog, stride
from f2b.journal import reader as module
from f2b.model import Entry, Position
from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import START, drain, texts
from tests.journal_reader.sifting import MARKED, Every, arrived, passing, wanted, written
from tests.support.export import Journal
from tests.support.sieving import sieve, watched
from tests.unit.decide.making import jail, located

TOTAL = 3000


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (backlog, stride):
        monkeypatch.setattr(each, "STRIDE", 100)
    monkeypatch.setattr(module, "DOUBTED", 10**9)


@pytest.mark.parametrize("match", ["*", "U=0 + U=1 + U=2", "U=0 + U=1 + U=2 + V=1 W=1 + X=y"])
def test_what_is_wanted_comes_once_and_in_order(feed: Journal, attach: Attach, match: str) -> None:
    written(feed)
    reader, sift = attach(match=match), Every()
    reader.pass_over(sift)
    found = [*passing(reader)]
    assert texts(found) == wanted()
    assert reader.looked == TOTAL
    assert sift.plainly > TOTAL / 2
    assert all(entry.marks == MARKED for entry in found)


def test_an_entry_of_a_stride_is_that_of_a_careful_step(feed: Journal, attach: Attach) -> None:
    written(feed, _SOURCE_REALTIME_TIMESTAMP=str(round(START * 1e6)))
    reader = attach()
    reader.pass_over(Every(1))
    plain = drain(attach())
    for one, other in zip(passing(reader), plain, strict=True):
        assert (one.cursor, one.time) == (other.cursor, other.time)
        assert one.fields.items() <= other.fields.items()
        assert one.fields["U"] == other.fields["U"]


def test_strides_along_matches_pay_where_few_entries_fit(feed: Journal, attach: Attach) -> None:
    for number in range(TOTAL):
        fits = number % 20 == 0
        feed.add(START + number, MESSAGE=f"m{number}", U="0" if fits else "1")
    arrived(feed)
    few, sift = attach(match="U=0"), Every(1)
    few.pass_over(sift)
    assert texts([*passing(few, 10)]) == [f"m{number}" for number in range(0, TOTAL, 20)]
    assert few.looked == TOTAL / 20
    # Most entries fit: one that does not is looked at all the same, which costs less than to look it up.
    many = attach(match="U=1")
    many.pass_over(Every(1))
    found = {entry.cursor for entry in passing(many)}
    assert len(found) == many.looked > TOTAL * 0.95


def test_a_restart_goes_on_behind_what_was_passed_over(feed: Journal, attach: Attach) -> None:
    written(feed)
    first = attach()
    first.pass_over(Every())
    found = []
    while first.looked < TOTAL / 2:
        found += [entry for entry, _ in first.read(30)]
    again = attach(first.last)
    again.pass_over(Every())
    assert texts([*found, *passing(again)]) == wanted()


def test_an_entry_without_message_is_handed_out(feed: Journal, attach: Attach) -> None:
    written(feed, 1000)
    feed.add(START + 1000, X="no message")
    written(feed, 1000, start=1001)
    reader = attach()
    reader.pass_over(Every(10_000))
    assert [entry.fields.get("X") for entry in passing(reader)] == [b"x", b"no message"]


def test_a_name_with_blanks_anywhere_makes_strides_careful(feed: Journal, attach: Attach) -> None:
    written(feed, SYSLOG_IDENTIFIER="plain")
    feed.add(START + TOTAL, MESSAGE="m1", SYSLOG_IDENTIFIER="not so plain")
    arrived(feed)
    reader, sift = attach(), Every()
    reader.pass_over(sift)
    assert texts([*passing(reader)]) == wanted()
    assert sift.strides
    assert not sift.plainly


def test_of_live_entries_that_nobody_wants_some_are_handed_out(
    feed: Journal, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DOUBTED", 10)
    written(feed, 25)
    reader = attach()
    reader.pass_over(Every(10_000))
    found = [*passing(reader)]
    assert texts(found) == ["m0", "m9", "m19"]
    assert [bool(entry.marks) for entry in found] == [True, False, False]


def test_the_place_moves_on_over_live_entries_that_nobody_wants(
    feed: Journal, attach: Attach
) -> None:
    written(feed, 25)
    reader = attach()
    reader.pass_over(Every(10_000))
    assert texts([*passing(reader)]) == ["m0"]
    assert reader.last.time == pytest.approx(START + 24)
    assert reader.looked == 25
    assert drain(attach(reader.last)) == []


def test_files_are_crossed_within_strides(folder: Path, attach: Attach) -> None:
    for part in range(3):
        with Journal(folder) as feed:
            written(feed, 1000, start=part * 1000)
    reader = attach()
    reader.pass_over(Every())
    assert texts([*passing(reader)]) == wanted()


def test_a_file_that_goes_away_ends_a_backlog_and_loses_nothing(
    folder: Path, attach: Attach
) -> None:
    with Journal(folder) as old:
        written(old, 1000)
    with Journal(folder) as feed:
        written(feed, 2000, start=1000)
    reader = attach()
    reader.pass_over(Every())
    found = []
    while reader.looked < 1500:
        found += [entry for entry, _ in reader.read(30)]
    next(folder.glob(f"test-{old.boot[:8]}*")).unlink()
    time.sleep(1.1)  # the reader looks after its files once a second
    assert texts([*found, *passing(reader)]) == wanted()


def test_without_a_sift_everything_is_wanted_again(feed: Journal, attach: Attach) -> None:
    written(feed)
    reader = attach()
    reader.pass_over(Every())
    while reader.looked < 1000:
        reader.read(30)
    left = TOTAL - reader.looked
    reader.pass_over(None)
    assert len(drain(reader)) == left


@pytest.mark.parametrize("units", [1, 12])
def test_a_flood_is_read_whole_by_strides_and_steps_together(
    feed: Journal, attach: Attach, units: int
) -> None:
    """The backlog is read while it grows, and its end is the live edge."""
    total = 12_000
    pick = random.Random(units)

    def write() -> None:
        for number in range(total):
            feed.add(time.time(), MESSAGE=f"m{number}", U=f"u{pick.randrange(units)}")
            if number % 50 == 0:
                feed.flush()
                time.sleep(0.0005)
        feed.flush()

    reader, sift = attach(match=" + ".join(f"U=u{unit}" for unit in range(units))), Every(3)
    reader.pass_over(sift)
    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    found: list[Entry] = []
    deadline = time.monotonic() + 30
    while len(found) < total // 3 and time.monotonic() < deadline:
        found += passing(reader)
        time.sleep(random.choice((0.001, 0.05)))  # now it lags behind, now it does not
    writer.join()
    assert texts(found) == [f"m{number}" for number in range(0, total, 3)]
    assert sift.strides
    assert sift.carefully


def test_a_journal_that_cannot_be_opened_twice_is_read_with_care(
    feed: Journal, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(feed)
    reader, sift = attach(), Every()
    reader.pass_over(sift)

    def refused(_: backlog.Backlog) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(backlog.Backlog, "_begin", refused)
    assert texts([*passing(reader)]) == wanted()
    assert sift.carefully == TOTAL


def test_a_past_is_read_whole_while_the_sieve_is_doubted(
    feed: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DOUBTED", 10)
    for number in range(600):
        bad = number % 50 == 49
        text = f"refused a strange login of 192.0.2.{number % 250}" if bad else "nothing of note"
        writer = {"SYSLOG_IDENTIFIER": "x", "_PID": "1", "_SYSTEMD_UNIT": "x.service"}
        feed.add(START + number, MESSAGE=text, **writer)
    arrived(feed)
    watching = jail(
        filter=FilterSettings(
            name="x",
            failregex=located("refused a strange login of <HOST>$"),
            journalmatch=located("_SYSTEMD_UNIT=x.service"),
        )
    )
    assert watching.match
    sift = sieve([watched("sshd", watching.filter, watching.settings.filter, watching.match)])
    past = _Past(watching, str(feed.folder), START, Position(None, START + 1e6), Guard())
    past.pass_over(sift)
    past.open()
    found = 0
    while (failures := past.read()) is not None:
        found += len(failures)
    past.close()
    assert found == 12
