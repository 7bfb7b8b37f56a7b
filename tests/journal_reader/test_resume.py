"""To go on after a position is exact, whatever happened in between."""

import re
from pathlib import Path

import pytest

from f2b.journal.reader import reached
from f2b.model import Entry, Position
from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import START, at, drain, follow, texts, warmed
from tests.support.export import Journal

# Seconds after START: some entries are older than the ones before them, some of the same age.
TIMES = [0, 10, 10, 5, 400, 390, 390, 395, 1000, 1, 1001, 1001]
MATCHES = ["*", "U=0", "U=1 + U=2", "U=9"]


@pytest.fixture
def entries(feed: Journal, attach: Attach) -> list[Entry]:
    for number, time in enumerate(TIMES):
        feed.add(START + time, MESSAGE=f"m{number}", U=number % 3)
    feed.close()
    return drain(attach())


def fitting(entries: list[Entry], match: str) -> list[Entry]:
    wanted = {b"0", b"1", b"2"} if match == "*" else {w[2:].encode() for w in match.split(" + ")}
    return [entry for entry in entries if entry.fields["U"] in wanted]


@pytest.mark.parametrize("warmup", [0, 20, 500, 5000])
@pytest.mark.parametrize("match", MATCHES)
def test_after_every_entry_the_rest_comes_once(
    entries: list[Entry], attach: Attach, match: str, warmup: float
) -> None:
    for number, entry in enumerate(entries):
        reader = attach(at(entry), match=match, warmup=warmup)
        assert drain(reader, 2) == fitting(entries[number + 1 :], match)
        assert reader.take_gap() is None


@pytest.mark.parametrize("match", MATCHES)
def test_stop_and_go_on_at_every_entry(entries: list[Entry], attach: Attach, match: str) -> None:
    found: list[Entry] = []
    position = Position(None, 0.0)
    for _ in range(len(entries) + 1):
        reader = attach(position, match=match, warmup=50)
        new: list[Entry] = []
        while not new and (batch := reader.read(1)):
            new = [entry for entry, warm in batch if not warm]
        found += new
        position = reader.last
        reader.close()
    assert found == fitting(entries, match)


def test_without_a_cursor_all_from_its_time_is_new(feed: Journal, attach: Attach) -> None:
    for number in range(10):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    position = Position(None, START + 4)
    assert texts(drain(attach(position))) == ["m4", "m5", "m6", "m7", "m8", "m9"]
    assert texts(warmed(attach(position, warmup=2))) == ["m2", "m3"]
    assert texts(drain(attach(position, warmup=2))) == ["m4", "m5", "m6", "m7", "m8", "m9"]


def test_warmup_ends_with_the_entry_of_the_position(feed: Journal, attach: Attach) -> None:
    for number in range(10):
        feed.add(START + number, MESSAGE=f"m{number}", U=number % 2)
    feed.close()
    position = at(drain(attach())[6])
    assert texts(warmed(attach(position, warmup=3), 2)) == ["m3", "m4", "m5", "m6"]
    assert texts(warmed(attach(position, warmup=100), 3)) == [f"m{n}" for n in range(7)]
    assert texts(warmed(attach(position, warmup=3, match="U=1"))) == ["m3", "m5"]


def test_warmup_does_not_move_the_position(entries: list[Entry], attach: Attach) -> None:
    position = at(entries[5])
    reader = attach(position, warmup=5000)
    assert reader.read(3)[0][1]
    assert reader.last == position
    drain(reader)
    assert reader.last == at(entries[-1])


def test_vacuumed_position_goes_on_with_what_is_left_and_says_so(
    folder: Path, attach: Attach
) -> None:
    with Journal(folder) as old:
        for number in range(5):
            old.add(START + number, MESSAGE=f"old{number}")
    files = list(folder.iterdir())
    with Journal(folder) as new:
        for number in range(5):
            new.add(START + 100 + number, MESSAGE=f"new{number}")
    position = at(drain(attach())[2])
    for file in files:
        file.unlink()
    reader = attach(position, warmup=10)
    assert texts(drain(reader)) == [f"new{number}" for number in range(5)]
    gap = reader.take_gap()
    assert gap
    assert (gap.since, gap.until) == (START + 2, START + 100)
    assert re.fullmatch(
        r"from 2027-01-1\d \d\d:\d\d:02\S+ to 2027-01-1\d \d\d:\d\d:40\S+", str(gap)
    )
    assert reader.take_gap() is None


def test_position_in_a_journal_that_was_wiped(folder: Path, feed: Journal, attach: Attach) -> None:
    feed.add(START, MESSAGE="old")
    feed.close()
    position = at(drain(attach())[0])
    for file in folder.iterdir():
        file.unlink()
    reader = attach(position)
    gap = reader.take_gap()
    assert gap
    assert gap.until is None
    with Journal(folder) as new:
        new.add(START + 1, MESSAGE="new")
        new.flush()
        assert texts(follow(reader, 1)) == ["new"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "s=1;i=2", "s=;i=;b=;m=;t=;x="])
def test_damaged_cursor_counts_as_none(entries: list[Entry], attach: Attach, cursor: str) -> None:
    assert drain(attach(Position(cursor, START + 1001))) == entries[-2:]


def test_what_lies_beyond_a_boundary(entries: list[Entry]) -> None:
    """By sequence number, not by time: some of these go backwards."""
    for boundary, edge in enumerate(entries):
        beyond = [reached(entry.cursor, entry.time, at(edge)) for entry in entries]
        assert beyond == [number > boundary for number in range(len(entries))]


def test_boundary_without_a_cursor_is_a_time() -> None:
    boundary = Position(None, START + 5)
    assert not reached("s=a", START + 4.9, boundary)
    assert reached("s=a", START + 5, boundary)


@pytest.mark.usefixtures("feed")
def test_last_of_an_unread_reader_is_where_it_was_opened(attach: Attach) -> None:
    reader = attach(Position(None, START), warmup=10)
    assert reader.read(10) == []
    assert reader.last == Position(None, START)
