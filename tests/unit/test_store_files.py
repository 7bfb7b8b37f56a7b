"""The file under the memory: whatever is found in its place, nothing is lost and the words are clear."""

import gc
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.errors import Exit, F2bError, NotPermittedError, StoreError, StoreVersionError
from f2b.model import Ban, Banned, Failure, Found
from f2b.schema import APPLICATION, VERSION
from f2b.store import Batch, Store

A = parse("192.0.2.7")
BAN = Ban("sshd", A, 1000.5, 1600.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sqlite3"


def found(time: float) -> Found:
    return Found("sshd", A, Failure(A, time, f"s=1;i={time}", "s", "root"), counts=True)


def filled(path: Path) -> None:
    store = Store(path)
    store.commit(Batch((*(found(float(time)) for time in range(3000)), Banned(BAN))))
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
def test_a_corrupt_file_is_set_aside_and_never_deleted(
    path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    before = path.read_bytes()
    store = Store(path)
    store.commit(Batch((found(1),)))
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
    """What is raised, and its words. Nothing stays open: a ResourceWarning would be an error."""
    try:
        Store(path).close()
    except F2bError as error:
        return type(error), error.exit, str(error)
    return F2bError, Exit.OK, "it opened"


def test_a_newer_version_is_refused(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    kind, status, text = refused(path)
    assert (kind, status) == (StoreVersionError, Exit.CONFIG)
    assert f"newer f2b (schema {VERSION + 1}, this one knows {VERSION})" in text


def test_somebody_elses_database_is_refused_and_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bans (ip TEXT)")
    other.close()
    before = path.read_bytes()
    _, status, text = refused(path)
    assert (status, path.read_bytes()) == (Exit.CONFIG, before)
    assert text.endswith("is not a database of f2b (set another dbfile in f2b.conf)")


@pytest.mark.parametrize("offender", ["192.0.x", "", "\ufffd"])
def test_a_row_that_makes_no_sense_is_left_out_and_counted(path: Path, offender: str) -> None:
    store = Store(path)
    store.commit(Batch((found(1), Banned(BAN), Banned(Ban("sshd", parse("::1"), 1, 2)))))
    for table in ("bans", "failures"):
        store._db.execute(
            f"UPDATE {table} SET offender = ? WHERE offender = ?", (offender, str(A))
        )
    assert list(store.bans("sshd")) == [Ban("sshd", parse("::1"), 1, 2)]
    assert (list(store.failures("sshd", 60, 1)), store.damaged) == ([], 1)
    store.close()


def test_text_that_is_no_utf8_is_left_out_and_counted(path: Path) -> None:
    store = Store(path)
    store.commit(Batch((Banned(BAN),)))
    store._db.execute("UPDATE bans SET offender = CAST(x'ff' AS TEXT)")
    assert (list(store.bans("sshd")), store.damaged) == ([], 1)
    store.close()


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    store = Store(path)
    assert store._db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    store.close()


def test_one_daemon_a_database(path: Path) -> None:
    first = Store(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the lock that was not to be had
        _, status, text = refused(path)
        gc.collect()
    assert status is Exit.CONFIG
    assert text.startswith("another f2b is running on ")
    assert first.position() is None
    first.close()


def test_one_that_was_refused_holds_no_lock(path: Path) -> None:
    path.mkdir()
    with pytest.raises(F2bError):
        Store(path)
    path.rmdir()
    Store(path).close()


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


# --- the write-ahead log ---------------------------------------------------------------------------


def in_tables_alone(path: Path) -> int:
    """How many failures a database has whose log is lost."""
    alone = path.with_name("alone")
    alone.write_bytes(path.read_bytes())
    db = sqlite3.connect(alone)
    (number,) = db.execute("SELECT count(*) FROM failures").fetchone()
    db.close()
    return int(number)


def test_what_is_carried_over_needs_no_log(path: Path) -> None:
    store = Store(path)
    store.carry_over()
    store.commit(Batch((found(1.0), found(2.0))))
    assert in_tables_alone(path) == 0
    store.carry_over()
    assert in_tables_alone(path) == 2
    store.commit(Batch((found(3.0),)))
    store.carry_over()
    assert in_tables_alone(path) == 3
    store.close()


def test_a_commit_waits_for_nobody_who_carries_over(path: Path) -> None:
    store = Store(path)
    store.commit(Batch((found(1.0),)))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN").connection.execute("SELECT * FROM failures").fetchone()
    store.commit(Batch((found(2.0),)))
    store.carry_over()  # up to what the reader sees
    store.commit(Batch((found(3.0),)))
    reader.close()
    assert len(list(store.failures("sshd", 1e9, 10.0))) == 3
    store.close()


def test_a_database_held_by_somebody_is_carried_over_later(path: Path) -> None:
    store = Store(path)
    store.commit(Batch((found(1.0),)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store.carry_over()
    other.close()
    store.carry_over()
    assert in_tables_alone(path) == 1
    store.close()
