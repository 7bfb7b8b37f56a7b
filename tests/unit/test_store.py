"""The memory: what is written comes back, all of it or nothing, and a bad file is never lost."""

import gc
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.errors import Exit, F2bError, NotPermittedError, StoreError, StoreVersionError
from f2b.model import (
    Ban,
    Banned,
    Decision,
    Failure,
    Forgiven,
    Found,
    Lifted,
    Position,
    Prolonged,
    Reason,
    Source,
)
from f2b.store import APPLICATION, VERSION, Batch, FailureKey, Store

A = parse("192.0.2.7")
NET = parse("2001:db8::/64")
BAN = Ban("sshd", A, 1000.5, 1600.5, 1, Source.COUNTED, 3, "host sshd[5]")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def write(store: Store, *decisions: Decision, position: Position | None = None) -> None:
    store.commit(Batch(decisions, position))


def found(time: float, *, counts: bool = True, jail: str = "sshd") -> Found:
    return Found(jail, A, Failure(A, time, f"s=1;i={time}", "s", "root"), counts)


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    return list(store._db.execute(query))


def counting(store: Store) -> list[float]:
    return [time for _, time in store.failures("sshd", 1e9)]


# --- what is written comes back ---


@pytest.mark.parametrize("cursor", ["s=1;i=2", None])
def test_position(store: Store, cursor: str | None) -> None:
    write(store, position=Position(cursor, 1234.5678))
    assert store.position() == Position(cursor, 1234.5678)


def test_a_failure_in_full(store: Store) -> None:
    address = parse("2001:db8::1")
    write(
        store, Found("sshd", NET, Failure(address, 5.5, "s=1", "s", "root'--\x00ü"), counts=True)
    )
    assert rows(store, "SELECT * FROM failures") == [
        ("sshd", "2001:db8::/64", "s=1", 5.5, "2001:db8::1", "root'--\x00ü", 1)
    ]


@pytest.mark.parametrize(
    "ban",
    [
        BAN,
        Ban("sshd", A, 1.25, None),
        Ban("sshd", NET, 1.0, 2.0, 7, Source.HAND),
        Ban("sshd", parse("198.51.100.0/24"), 1.0, 2.0),
    ],
)
def test_a_ban_in_full(store: Store, ban: Ban) -> None:
    write(store, Banned(ban))
    assert list(store.bans("sshd")) == [Banned(ban)]


def test_a_prolonged_ban_has_its_new_end(store: Store) -> None:
    longer = replace(BAN, until=1700.5)
    write(store, Banned(BAN), Prolonged(longer))
    assert list(store.bans("sshd")) == [Banned(longer)]


@pytest.mark.parametrize("reason", Reason)
def test_a_lifted_ban_has_its_end_and_reason(store: Store, reason: Reason) -> None:
    write(store, Banned(BAN), Lifted(BAN, reason, 1100.25))
    assert list(store.bans("sshd")) == [Lifted(BAN, reason, 1100.25)]


def test_a_revived_ban_is_in_force(store: Store) -> None:
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600.5), Prolonged(BAN))
    assert list(store.bans("sshd")) == [Banned(BAN)]


def test_of_several_bans_the_last_comes_back(store: Store) -> None:
    second = Ban("sshd", A, 3000, 3600, offence=2)
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600.5), Banned(second))
    assert list(store.bans("sshd")) == [Banned(second)]


def test_a_ban_consumes_failures(store: Store) -> None:
    write(store, found(1), found(2))
    write(store, Banned(BAN))
    assert counting(store) == []


def test_a_ban_consumes_no_failures_of_other_jails(store: Store) -> None:
    write(store, found(1, jail="other"), Banned(BAN))
    assert [time for _, time in store.failures("other", 60)] == [1]


def test_failures_after_the_ban_count(store: Store) -> None:
    write(store, found(1), Banned(BAN), found(2))
    assert counting(store) == [2]


def test_forgiven_failures_do_not_count_but_stay(store: Store) -> None:
    write(store, found(1), found(2), Forgiven("sshd", A))
    assert counting(store) == []
    assert rows(store, "SELECT count(*) FROM failures") == [(2,)]


def test_failures_that_never_counted_do_not_come_back(store: Store) -> None:
    write(store, found(1), found(2, counts=False))
    assert counting(store) == [1]


def test_failures_come_back_oldest_first_within_reach_of_the_newest(store: Store) -> None:
    write(store, found(300), found(100), found(200), found(99), found(400, counts=False))
    assert [time for _, time in store.failures("sshd", 300)] == [100, 200, 300]


def test_the_same_failure_twice_is_one(store: Store) -> None:
    write(store, found(1))
    write(store, found(1))
    assert rows(store, "SELECT count(*) FROM failures") == [(1,)]


def test_a_repeated_failure_does_not_count_again(store: Store) -> None:
    write(store, found(1), Banned(BAN))
    write(store, found(1))
    assert counting(store) == []


def test_a_batch_that_is_repeated_changes_nothing(store: Store) -> None:
    batch = Batch(
        (found(1), Banned(BAN), found(2, counts=False), Prolonged(BAN)), Position("c", 1)
    )
    store.commit(batch)
    before = list(store._db.iterdump())
    store.commit(batch)
    assert list(store._db.iterdump()) == before


def test_knows_what_was_stored(store: Store) -> None:
    write(store, found(1))
    assert store.knows("sshd", A, "s=1;i=1")
    assert not store.knows("sshd", A, "s=1;i=2")
    assert not store.knows("other", A, "s=1;i=1")


def test_what_jails_looked_like(store: Store) -> None:
    store.commit(Batch(caught_up={"sshd": "abc", "other": "def"}))
    store.commit(Batch(caught_up={"sshd": "xyz"}))
    assert store.fingerprints() == {"sshd": "xyz", "other": "def"}


def test_newest_is_the_newest_failure_or_ban(store: Store) -> None:
    assert store.newest() == 0
    write(store, found(5))
    assert store.newest() == 5
    write(store, Banned(BAN))
    assert store.newest() == 1000.5


def test_everything_survives_closing(path: Path) -> None:
    first = Store(path)
    write(first, found(1), Banned(Ban("sshd", NET, 1, 2)), position=Position("c", 1))
    first.close()
    second = Store(path)
    assert (counting(second), second.position()) == ([1], Position("c", 1))
    assert (len(list(second.bans("sshd"))), second.set_aside) == (1, None)
    second.close()


# --- all of it or nothing ---


def test_a_batch_that_fails_leaves_nothing(store: Store) -> None:
    store._db.execute("DROP TABLE position")
    with pytest.raises(StoreError):
        write(store, found(1), Banned(BAN), position=Position("c", 1))
    assert rows(store, "SELECT count(*) FROM failures") == [(0,)]
    assert list(store.bans("sshd")) == []


def test_after_a_failed_batch_the_next_succeeds(path: Path, store: Store) -> None:
    with writing(path), pytest.raises(StoreError, match="locked"):
        write(store, found(1))
    write(store, found(1))
    assert counting(store) == [1]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another process that writes and does not end."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


# --- purge ---


def test_old_failures_are_purged(store: Store) -> None:
    write(store, found(1), found(2), found(3))
    assert store.purge_failures("sshd", ("", ""), 2.5) is None
    assert counting(store) == [3]


def test_purging_goes_in_slices_and_misses_nothing(store: Store) -> None:
    write(store, *(found(float(time)) for time in range(5000)))
    after: FailureKey | None = ("", "")
    slices = 0
    while after is not None:
        after, slices = store.purge_failures("sshd", after, 4990), slices + 1
    assert (counting(store), slices) == ([float(time) for time in range(4990, 5000)], 3)


def test_purging_one_jail_leaves_the_others(store: Store) -> None:
    write(store, found(1, jail="other"))
    store.purge_failures("sshd", ("", ""), 1e9)
    assert rows(store, "SELECT jail FROM failures") == [("other",)]


def test_bans_that_ended_long_ago_are_purged(store: Store) -> None:
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600))
    store.purge_bans(1600)
    assert len(list(store.bans("sshd"))) == 1
    store.purge_bans(1600.1)
    assert list(store.bans("sshd")) == []


def test_bans_in_force_are_never_purged(store: Store) -> None:
    write(store, Banned(BAN))
    store.purge_bans(1e12)
    assert list(store.bans("sshd")) == [Banned(BAN)]


# --- bad files ---


def filled(path: Path) -> None:
    store = Store(path)
    write(store, *(found(float(time)) for time in range(3000)), Banned(BAN))
    store.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 300)


def truncated(path: Path) -> None:
    filled(path)
    os.truncate(path, path.stat().st_size // 2 + 100)


def flipped(path: Path) -> None:
    """One page in the middle of the failures is noise."""
    filled(path)
    content = bytearray(path.read_bytes())
    page = len(content) // 4096 // 2 * 4096
    content[page : page + 4096] = os.urandom(4096)
    path.write_bytes(content)


def beheaded(path: Path) -> None:
    filled(path)
    path.write_bytes(b"\x00" * 100 + path.read_bytes()[100:])


@pytest.mark.parametrize("spoil", [garbage, truncated, flipped, beheaded])
def test_a_corrupt_file_is_set_aside_and_never_deleted(path: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(path)
    before = path.read_bytes()
    store = Store(path)
    write(store, found(1))
    assert store.set_aside == path.with_name("f2b.sqlite3.corrupt-1")
    assert store.set_aside.read_bytes() == before
    store.close()


def test_a_second_corrupt_file_does_not_replace_the_first(path: Path) -> None:
    for number in (1, 2):
        garbage(path)
        store = Store(path)
        assert store.set_aside == path.with_name(f"f2b.sqlite3.corrupt-{number}")
        store.close()
    assert path.with_name("f2b.sqlite3.corrupt-1").exists()


def refused(path: Path) -> tuple[type[F2bError], Exit, str]:
    """What is raised, and its words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            Store(path).close()
        except F2bError as error:
            return type(error), error.exit, str(error)
        finally:
            gc.collect()
    return F2bError, Exit.OK, "it opened"


def test_a_newer_version_is_refused(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    kind, status, text = refused(path)
    assert (kind, status) == (StoreVersionError, Exit.CONFIG)
    assert "newer f2b (schema 2, this one knows 1)" in text


def test_somebody_elses_database_is_refused_and_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bans (ip TEXT)")
    other.close()
    before = path.read_bytes()
    _, status, text = refused(path)
    assert (status, path.read_bytes()) == (Exit.CONFIG, before)
    assert text.endswith("is not a database of f2b (set another dbfile in f2b.conf)")


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    store = Store(path)
    assert rows(store, "PRAGMA application_id") == [(APPLICATION,)]
    store.close()


def test_one_daemon_a_database(path: Path, store: Store) -> None:
    _, status, text = refused(path)
    assert status is Exit.CONFIG
    assert text.startswith("another f2b is running on ")
    assert store.position() is None


def test_a_missing_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "f2b.sqlite3").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot use .*file: .* \(set dbfile in f2b.conf\)"):
        Store(tmp_path / "file" / "f2b.sqlite3")


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with nobody():
        kind, status, _ = refused(closed / "f2b.sqlite3")
    assert (kind, status) == (NotPermittedError, Exit.NOT_PERMITTED)


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write everywhere: take that away for a moment."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
