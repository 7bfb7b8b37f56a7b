"""The memory: what is written comes back, all of it or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.errors import StoreError
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
from f2b.store import Batch, FailureKey, Store
from tests.unit.decide.making import fail, jail

A = parse("192.0.2.7")
NET = parse("2001:db8::/64")
NOW = 1e6
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
    return [time for _, time in store.failures("sshd", 1e9, NOW)]


# --- what is written comes back ---


@pytest.mark.parametrize("cursor", ["s=1;i=2", None])
@pytest.mark.parametrize("sessions", [1000.25, None])
def test_position(store: Store, cursor: str | None, sessions: float | None) -> None:
    write(store, position=Position(cursor, 1234.5678, sessions))
    assert store.position() == Position(cursor, 1234.5678, sessions)


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
    assert list(store.bans("sshd")) == [ban]


def test_a_prolonged_ban_has_its_new_end(store: Store) -> None:
    longer = BAN._replace(until=1700.5)
    write(store, Banned(BAN), Prolonged(longer))
    assert list(store.bans("sshd")) == [longer]


@pytest.mark.parametrize("reason", Reason)
def test_a_lifted_ban_has_its_end_and_reason(store: Store, reason: Reason) -> None:
    write(store, Banned(BAN), Lifted(BAN, reason, 1100.25))
    assert list(store.bans("sshd")) == [Lifted(BAN, reason, 1100.25)]


def test_a_revived_ban_is_in_force(store: Store) -> None:
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600.5), Prolonged(BAN))
    assert list(store.bans("sshd")) == [BAN]


def test_a_ban_that_begins_again_after_a_purge_is_the_first_and_in_force(store: Store) -> None:
    """Purged from memory first: its offence counts from 1, and that row may still be there."""
    again = BAN._replace(start=9000.0, until=9600.0)
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600.5))
    write(store, Banned(again))
    assert list(store.bans("sshd")) == [again]


def test_of_several_bans_the_last_comes_back(store: Store) -> None:
    second = Ban("sshd", A, 3000, 3600, offence=2)
    write(store, Banned(BAN), Lifted(BAN, Reason.EXPIRED, 1600.5), Banned(second))
    assert list(store.bans("sshd")) == [second]


def test_a_ban_consumes_failures(store: Store) -> None:
    write(store, found(1), found(2))
    write(store, Banned(BAN))
    assert counting(store) == []


def test_a_ban_consumes_no_failures_of_other_jails(store: Store) -> None:
    write(store, found(1, jail="other"), Banned(BAN))
    assert [time for _, time in store.failures("other", 60, NOW)] == [1]


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
    assert [time for _, time in store.failures("sshd", 300, NOW)] == [100, 200, 300]


def test_a_newest_failure_ahead_of_the_clock_hides_no_others(store: Store) -> None:
    write(store, found(5e9), found(1000), found(600))
    assert [time for _, time in store.failures("sshd", 300, 1001)] == [1000, 5e9]


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


def cursor(source: str, number: int, boot: str = "b", monotonic: int = 0) -> str:
    return f"s={source * 32};i={number:x};b={boot * 32};m={monotonic:x};t={number:x};x=1"


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (cursor("a", 0xFF), False),
        (cursor("a", 0x100), False),
        (cursor("a", 0x101), True),
        (cursor("a", 0x1000), True),
        (cursor("a", 0x9), False),
        (cursor("a", 1 << 63), True),
        (cursor("c", 0x101, monotonic=99), False),
        (cursor("c", 0x1, monotonic=101), True),
        (cursor("c", 0xFF, boot="d"), False),
        (cursor("c", 0x101, boot="d"), True),
        (cursor("a", 0xFF) + ";jail=sshd", False),
        ("no cursor", True),
    ],
)
def test_what_may_be_read_again_is_known(store: Store, one: str, again: bool) -> None:  # noqa: FBT001
    write(store, Found("sshd", NET, Failure(A, 1000, one), counts=False))
    here = Position(cursor("a", 0x100, monotonic=100), 1000)
    assert list(store.seen("sshd", 60, NOW, here)) == ([(one, A)] if again else [])
    assert list(store.seen("sshd", 60, NOW, Position(None, 1000))) == [(one, A)]


def test_what_jails_looked_like(store: Store) -> None:
    store.commit(Batch(caught_up={"sshd": "abc", "other": "def"}))
    store.commit(Batch(caught_up={"sshd": "xyz"}))
    assert store.fingerprints() == {"sshd": "xyz", "other": "def"}


def test_a_jail_that_is_gone_is_caught_up_when_it_comes_back(store: Store) -> None:
    store.commit(Batch(caught_up={"gone": "abc", "sshd": "def"}))
    store.commit(Batch(caught_up={"gone": None}))
    assert store.fingerprints() == {"sshd": "def"}


def test_newest_is_the_newest_failure_of_the_jail_counting_or_not(store: Store) -> None:
    assert store.newest("sshd") == 0
    write(store, found(5), found(7, counts=False), found(9, jail="other"))
    assert store.newest("sshd") == 7


def test_the_start_of_a_ban_is_no_failure(store: Store) -> None:
    write(store, found(5), Banned(BAN))
    assert store.newest("sshd") == 5


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


def test_what_cannot_be_read_is_a_store_error(store: Store) -> None:
    store._db.execute("DROP TABLE failures")
    for read in (
        lambda: store.knows("sshd", A, "c"),
        lambda: store.newest("sshd"),
        lambda: list(store.failures("sshd", 60, NOW)),
    ):
        with pytest.raises(StoreError):
            read()


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


def test_memory_and_store_purge_the_same_bans(store: Store) -> None:
    """Three days down: the ban ended long before its end was noticed, and the offence counts on."""
    late = 1000 + 3 * 86_400.0
    sshd = jail(maxretry=1)
    write(store, *fail(sshd, str(A), 1000))
    write(store, *sshd.expire(late))
    store.purge_bans(late - 3600)
    sshd.ledger.purge(late - 3600, 1000)
    write(store, *fail(sshd, str(A), late + 4000))
    (ban,) = sshd.ledger
    assert list(store.bans("sshd")) == [ban]
    assert ban.offence == 2


def test_bans_in_force_are_never_purged(store: Store) -> None:
    write(store, Banned(BAN))
    store.purge_bans(1e12)
    assert list(store.bans("sshd")) == [BAN]
