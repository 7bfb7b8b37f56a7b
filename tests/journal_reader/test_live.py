"""Following a journal while it is written and its files come and go."""

import math
import os
import random
import select
import shutil
import threading
import time
from pathlib import Path

import pytest

from f2b.errors import JournalError
from f2b.journal.reader import JournalReader
from f2b.model import Entry, Position
from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import START, at, drain, follow, texts
from tests.support.export import Journal
from tests.support.processes import wait_until


def test_new_entries_are_seen_without_waiting(feed: Journal, attach: Attach) -> None:
    reader = attach()
    for number in range(5):
        feed.add(START + number, MESSAGE=f"m{number}")
        feed.flush()
        assert texts(follow(reader, 1)) == [f"m{number}"]
    assert reader.read(10) == []


@pytest.mark.parametrize("match", ["*", "U=1", "U=1 + V=2 + W=3 X=4"])
def test_reader_opened_before_anything_fits_hears_the_first_one(
    feed: Journal, attach: Attach, match: str
) -> None:
    feed.add(START, MESSAGE="noise")
    feed.flush()
    reader = attach(Position(None, START + 1), match=match, warmup=300)
    assert follow(reader, 1, timeout=0.3) == []
    feed.add(START + 2, MESSAGE="noise", U=2)
    feed.add(START + 3, MESSAGE="hit", U=1)
    feed.flush()
    assert texts(follow(reader, 1))[-1] == "hit"


def test_descriptor_tells_of_new_entries_and_falls_silent(feed: Journal, attach: Attach) -> None:
    reader = attach()
    drain(reader)
    wait_until(lambda: not stirred(reader), "a silent descriptor")
    feed.add(START, MESSAGE="m")
    feed.flush()
    wait_until(lambda: readable(reader), "a readable descriptor")
    assert texts(follow(reader, 1)) == ["m"]
    wait_until(lambda: not stirred(reader), "a silent descriptor")


def stirred(reader: JournalReader) -> bool:
    reader.process()
    return readable(reader)


def readable(reader: JournalReader) -> bool:
    return bool(select.select([reader.fileno()], [], [], 0)[0])


@pytest.mark.parametrize("units", [1, 2, 12])
def test_flood_read_at_its_edge_is_complete(feed: Journal, attach: Attach, units: int) -> None:
    """The library by itself loses some of these: fields of one being written, entries between two matches."""
    total = 8000
    pick = random.Random(units)

    def write() -> None:
        for number in range(total):
            feed.add(time.time(), MESSAGE=f"m{number}", _SYSTEMD_UNIT=f"u{pick.randrange(units)}")
            feed.flush()
            if number % 4 == 0:
                time.sleep(0.0003)

    match = " + ".join(f"_SYSTEMD_UNIT=u{unit}" for unit in range(units))
    reader = attach(match=match)
    writer = threading.Thread(target=write)
    writer.start()
    found: list[Entry] = []
    deadline = time.monotonic() + 60
    while len(found) < total and time.monotonic() < deadline:
        found += drain(reader)
    writer.join()
    assert texts(found) == [f"m{number}" for number in range(total)]


class Deaf:
    """Of an epoll: journald tells late, and whoever waited for that would ban a quarter of a second later."""

    def poll(self, _: float) -> list[tuple[int, int]]:
        return []


@pytest.mark.parametrize("told", [True, False])
def test_entry_polled_for_while_it_is_written_is_not_overlooked(
    feed: Journal, attach: Attach, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """The library by itself passes over some of these until another one follows."""
    feed.add(START, MESSAGE="m", U=1)
    feed.flush()
    reader = attach(match="U=1 + U=2")
    assert follow(reader, 1)
    if not told:
        monkeypatch.setattr(reader, "_epoll", Deaf())
        monkeypatch.setattr(reader, "_look", math.inf)
    for number in range(150):
        feed.add(START + number, MESSAGE=f"m{number}", U=1, V=2, W=3, X=4, Y=5, Z=6)
        feed.flush()
        deadline = time.monotonic() + 5
        while not (found := reader.read(10)) and time.monotonic() < deadline:
            pass
        assert texts([entry for entry, _ in found]) == [f"m{number}"]


def test_another_file_appears(folder: Path, feed: Journal, attach: Attach) -> None:
    reader = attach()
    feed.add(START, MESSAGE="system")
    feed.flush()
    assert texts(follow(reader, 1)) == ["system"]
    with Journal(folder) as user:
        user.add(START + 1, MESSAGE="user")
        user.flush()
        assert texts(follow(reader, 1)) == ["user"]
        feed.add(START + 2, MESSAGE="system again")
        feed.flush()
        assert texts(follow(reader, 1)) == ["system again"]


def test_journal_that_does_not_exist_yet_is_waited_for(folder: Path, attach: Attach) -> None:
    reader = attach(Position(None, START), warmup=300)
    assert reader.read(10) == []
    assert str(folder) in reader.trouble
    with Journal(folder) as feed:
        for number in range(3):
            feed.add(START + number, MESSAGE=f"m{number}")
        feed.flush()
        assert texts(follow(reader, 3)) == ["m0", "m1", "m2"]
    assert reader.trouble == ""


def test_empty_folder_and_a_machines_folder_in_it(folder: Path, attach: Attach) -> None:
    folder.mkdir()
    reader = attach(Position(None, START))
    assert reader.read(10) == []
    with Journal(folder / ("a" * 32)) as feed:
        feed.add(START, MESSAGE="m")
        feed.flush()
        assert texts(follow(reader, 1)) == ["m"]


def test_all_files_deleted_and_the_folder_made_anew(
    folder: Path, feed: Journal, attach: Attach
) -> None:
    feed.add(START, MESSAGE="old")
    feed.flush()
    reader = attach()
    assert texts(follow(reader, 1)) == ["old"]
    feed.close()
    shutil.rmtree(folder)
    assert follow(reader, 1, timeout=0.3) == []
    with Journal(folder) as new:
        new.add(START + 1, MESSAGE="new")
        new.flush()
        assert texts(follow(reader, 1)) == ["new"]


@pytest.mark.parametrize("left", [0, 4096, 3 << 20])
def test_file_truncated_under_the_reader(
    folder: Path, feed: Journal, attach: Attach, left: int
) -> None:
    """An unguarded reader dies of SIGBUS here, at the latest with the next entry."""
    for number in range(10_000):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    (file,) = folder.iterdir()
    assert file.stat().st_size > left
    reader = attach()
    assert len(drain(reader, 1000)) == 10_000
    os.truncate(file, left)
    assert follow(reader, 1, timeout=0.3) == []
    with Journal(folder) as new:
        new.add(START + 20_000, MESSAGE="new")
        new.flush()
        assert texts(follow(reader, 1)) == ["new"]
    assert reader.take_gap() is None


def test_what_a_truncated_file_took_along_is_said(
    folder: Path, feed: Journal, attach: Attach
) -> None:
    for number in range(1000):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    reader = attach()
    assert len(reader.read(500)) == 500
    (file,) = folder.iterdir()
    os.truncate(file, 0)
    assert reader.read(500) == []
    gap = reader.take_gap()
    assert gap
    assert (gap.since, gap.until) == (START + 499, None)


def test_deleting_what_was_read_leaves_no_gap(folder: Path, feed: Journal, attach: Attach) -> None:
    """Even though the last entry that fits is gone, and later ones that did not."""
    feed.add(START, MESSAGE="hit", U=1)
    feed.add(START + 1, MESSAGE="noise", U=2)
    feed.close()
    (old,) = folder.iterdir()
    with Journal(folder) as new:
        new.add(START + 2, MESSAGE="noise", U=2)
        new.flush()
        reader = attach(match="U=1")
        assert texts(follow(reader, 1)) == ["hit"]
        old.unlink()
        new.add(START + 3, MESSAGE="hit again", U=1)
        new.flush()
        assert texts(follow(reader, 1)) == ["hit again"]
        assert reader.take_gap() is None


def test_broken_file_gives_what_can_be_read_and_ends(
    folder: Path, feed: Journal, attach: Attach
) -> None:
    for number in range(2000):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    (file,) = folder.iterdir()
    sound = file.read_bytes()
    used = len(sound.rstrip(b"\0"))
    for seed in range(20):
        chance = random.Random(seed)
        broken = bytearray(sound)
        for _ in range(30):
            broken[chance.randrange(256, used)] = chance.randrange(256)
        file.write_bytes(broken)
        found = drain(attach(), 100)
        assert len(found) <= 2000
        assert len({entry.cursor for entry in found}) == len(found)


def test_entry_that_cannot_be_read_is_left_out(
    folder: Path, feed: Journal, attach: Attach
) -> None:
    for number in range(9):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b"MESSAGE=m4", b"MESSAGE#m4"))
    reader = attach()
    assert texts(drain(reader, 2)) == ["m0", "m1", "m2", "m3", "m5", "m6", "m7", "m8"]
    assert reader.skipped == 1
    assert reader.read(2) == []
    assert reader.last.time == START + 8


def test_unreadable_last_entry_is_counted_once(
    folder: Path, feed: Journal, attach: Attach
) -> None:
    feed.add(START, MESSAGE="m0")
    feed.add(START + 1, MESSAGE="m1")
    feed.close()
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b"MESSAGE=m1", b"MESSAGE#m1"))
    reader = attach()
    follow(reader, 2, timeout=1.5)
    assert reader.skipped == 1


def test_two_readers_of_one_journal(feed: Journal, attach: Attach) -> None:
    for number in range(6):
        feed.add(START + number, MESSAGE=f"m{number}", U=number % 2)
    feed.flush()
    live = attach()
    first = follow(live, 6)
    past = attach(Position(None, START + 2), match="U=1")
    assert texts(drain(past)) == ["m3", "m5"]
    feed.add(START + 6, MESSAGE="m6")
    feed.flush()
    assert texts(follow(live, 1)) == ["m6"]
    assert live.last != at(first[-1])


def test_namespace_that_does_not_exist_is_an_empty_journal(attach: Attach) -> None:
    reader = attach(source="namespace:f2b-test-nowhere")
    assert reader.read(10) == []
    assert reader.trouble == ""


@pytest.mark.parametrize("source", ["", "var/log/journal", "systemd", "namespace:"])
def test_unknown_source(source: str) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        JournalReader(source, None)
