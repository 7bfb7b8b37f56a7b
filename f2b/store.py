"""The memory: one SQLite database with the journal position, the failures and the bans.

Owns every statement. Position, failures and bans of a batch are one transaction, so a crash leaves
either all of a batch or nothing of it, and nothing is counted twice. The calls block on the disk: the service makes
them in a worker thread, one at a time.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from f2b import addresses, decided, failpoint, outbox
from f2b.dbfile import lock, move_aside
from f2b.errors import Exit, NotPermittedError, StoreError, StoreVersionError
from f2b.journal.cursor import Cursor, passed
from f2b.model import Ban, Decision, Lifted, Position, Reason, Source
from f2b.outbox import Row
from f2b.schema import APPLICATION, FROM_OLDER, SCHEMA, VERSION

FailureKey = tuple[str, str]
"""Offender and cursor: the place of a failure within its jail."""

MOST_PAGES = 10_000
"""Of the write-ahead log, before a commit itself carries them over: that is for when nobody else has."""
NUMBER = "substr('000000000000000' || substr(cursor, 38, instr(cursor, ';b=') - 38), -16)"
"""The place of an entry in its source, as its cursor says it: in hexadecimal, here with all its zeros."""


class Batch(NamedTuple):
    """What one transaction writes. `caught_up`: the fingerprints of jails whose past is read; None for jails gone."""

    decisions: tuple[Decision, ...] = ()
    position: Position | None = None
    caught_up: Mapping[str, str | None] = MappingProxyType({})
    outbox: tuple[Row, ...] = ()
    done: tuple[str, ...] = ()
    """The ids of rows of the outbox that are carried out."""


class Store:
    """Raises StoreError; StoreVersionError for a database of a newer f2b, NotPermittedError where access is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_aside: Path | None = None
        """Where a corrupt database was moved to at opening."""
        self.damaged = 0
        """Rows that make no sense and were left out."""
        self._behind = False
        """The tables are those of an older version still: there was no room for what is new."""
        self._aside: sqlite3.Connection | None = None
        self._lock = lock(path)
        try:
            self._db = self._open_sound()
        except BaseException:
            self._lock.close()
            raise

    def _open_sound(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise _translate(self.path, error) from error
        self.set_aside = move_aside(self.path)
        try:
            return self._open()
        except sqlite3.Error as error:
            raise _translate(self.path, error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError as error:
            if not _lacks_room(error):
                raise
            # No room for the index of the write-ahead log: held exclusively, that lives in memory instead.
            return self._connect("PRAGMA locking_mode = EXCLUSIVE")

    def _connect(self, *first: str) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=0.5, isolation_level=None, check_same_thread=False)
        db.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            for statement in first:
                db.execute(statement)
            empty = self._check_owner(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {MOST_PAGES}")
            if empty:
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            else:
                self._upgrade_if_there_is_room(db, last_try=bool(first))
            _touch_everything(db)
            if not self._behind:
                db.execute("SELECT count(at) FROM outbox").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _upgrade_if_there_is_room(self, db: sqlite3.Connection, *, last_try: bool) -> None:
        """A full disk is no reason not to start: what was known can be read, and is enforced."""
        try:
            _upgrade(db)
        except sqlite3.OperationalError as error:
            if not (last_try and _lacks_room(error)):
                raise
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            self._behind = True

    def _check_owner(self, db: sqlite3.Connection) -> bool:
        """Say whether the database is new. One that is not ours, or not yet ours to understand, stays as it is."""
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != APPLICATION:
            error = StoreError(
                f"{self.path} is not a database of f2b", hint="set another dbfile in f2b.conf"
            )
            error.exit = Exit.CONFIG
            raise error
        if version > VERSION:
            raise StoreVersionError(
                f"{self.path} was written by a newer f2b (schema {version}, this one knows {VERSION})",
                hint="install that version again, or set another dbfile in f2b.conf",
            )
        return not tables

    def commit(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing."""
        db = self._db
        try:
            if self._behind:
                _upgrade(db)
                self._behind = False
            db.execute("BEGIN IMMEDIATE")
            decided.write(db, batch.decisions)
            for name, fingerprint in batch.caught_up.items():
                if fingerprint is None:
                    db.execute("DELETE FROM jails WHERE name = ?", (name,))
                else:
                    db.execute("INSERT OR REPLACE INTO jails VALUES (?, ?)", (name, fingerprint))
            outbox.write(db, batch.outbox, batch.done)
            if batch.position is not None:
                _write_position(db, batch.position)
            failpoint.reach("before-commit")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise _translate(self.path, error) from error
        failpoint.reach("after-commit")

    def carry_over(self) -> None:
        """Carry the write-ahead log over into the tables, while commits go on: on some disks that takes long.

        For another thread than that of the commits. What cannot be carried over now can be later.
        """
        with suppress(sqlite3.Error):
            if self._aside is None:
                self._aside = sqlite3.connect(
                    self.path, timeout=0, isolation_level=None, check_same_thread=False
                )
            self._aside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def position(self) -> Position | None:
        for cursor, time, sessions in self._rows("SELECT cursor, time, sessions FROM position"):
            return Position(cursor, time, sessions)
        return None

    def fingerprints(self) -> dict[str, str]:
        """What each jail looked like when its past was read."""
        return dict(self._rows("SELECT name, fingerprint FROM jails"))

    def failures(
        self, jail: str, reach: float, now: float
    ) -> Iterator[tuple[addresses.Offender, float]]:
        """The failures that still count and lie at most `reach` seconds before the jail's newest, oldest first."""
        horizon = min(self.newest(jail), now) - reach
        query = "SELECT offender, time FROM failures WHERE jail = ? AND counts AND time >= ? ORDER BY time"
        known = cache(self._offender)  # most have failed more than once
        for offender, time in self._rows(query, (jail, horizon)):
            if (who := known(offender)) is not None:
                yield who, time

    def seen(
        self, jail: str, reach: float, now: float, position: Position
    ) -> Iterator[tuple[str, addresses.Offender]]:
        """Cursor and address of the failures that may be read again from that position on, whether they count or not.

        Those long before the jail's newest decide nothing when they come again: no window and no ban reaches them.
        """
        query = "SELECT cursor, address FROM failures WHERE jail = ? AND time >= ?"
        values: tuple[object, ...] = (jail, min(self.newest(jail), now) - reach)
        if (here := Cursor.parse(position.cursor or "")) is not None:
            # Of a week's failures all but a few go here.
            query += f" AND NOT (substr(cursor, 1, 37) = ? AND {NUMBER} <= ?)"
            values += (f"s={here.source};i=", f"{here.number:016x}")
        for cursor, address in self._rows(query, values):
            if not passed(cursor, position) and (who := self._offender(address)) is not None:
                yield cursor, who

    def bans(self, jail: str) -> Iterator[Ban | Lifted]:
        """The last ban of each offender, or how it ended."""
        # There may be 100,000, and a start waits for them: to group them would take half as long again, and so would
        # Ban's own constructor. BLOB, because the text_factory would be called for each of these texts.
        query = (
            "SELECT CAST(offender AS BLOB), start, until, offence, CAST(source AS BLOB), failures, session, "
            "reason, ended FROM bans WHERE jail = ? ORDER BY offender DESC, offence DESC"
        )
        before = None
        sources = {source.value.encode(): source for source in Source}
        for text, start, until, offence, source, failures, session, reason, ended in self._rows(
            query, (jail,)
        ):
            if text == before:
                continue
            before = text
            if (who := self._offender(text.decode("utf-8", "replace"))) is None:
                continue
            fields = (jail, who, start, until, offence, sources[source], failures, session)
            ban = tuple.__new__(Ban, fields)
            yield Lifted(ban, Reason(reason), ended) if reason else ban

    def newest(self, jail: str) -> float:
        """The time of a jail's newest failure, counting or not; 0 if there is none."""
        query = "SELECT ifnull(max(time), 0) FROM failures WHERE jail = ?"
        return max(float(newest) for (newest,) in self._rows(query, (jail,)))

    def knows(self, jail: str, offender: addresses.Offender, cursor: str) -> bool:
        """Say whether that failure was stored before."""
        query = "SELECT 1 FROM failures WHERE jail = ? AND offender = ? AND cursor = ?"
        return any(self._rows(query, (jail, str(offender), cursor)))

    def waiting(self) -> list[Row]:
        """What is still to be carried out, in the order of the decisions."""
        return [] if self._behind else list(outbox.rows(self._rows(outbox.ALL)))

    def cursors(
        self, offender: addresses.Offender, until: float, most: int, jail: str | None = None
    ) -> list[str]:
        """The entries of the newest failures up to a time, oldest first; in one jail or in all."""
        query = (
            "SELECT cursor FROM failures WHERE offender = ? AND time <= ? AND ifnull(jail = ?, 1) "
            "ORDER BY time DESC LIMIT ?"
        )
        return [cursor for (cursor,) in self._rows(query, (str(offender), until, jail, most))][
            ::-1
        ]

    def purge_failures(self, jail: str, after: FailureKey, before: float) -> FailureKey | None:
        """Forget a slice of a jail's failures older than `before`; where the next slice begins, None at the end.

        Slices keep the lock short: the first begins after ("", "").
        """
        row: FailureKey | None = self._db.execute(
            "SELECT offender, cursor FROM failures WHERE jail = ? AND (offender, cursor) > (?, ?) "
            "ORDER BY offender, cursor LIMIT 1 OFFSET 2000",
            (jail, *after),
        ).fetchone()
        bound = "AND (offender, cursor) <= (?, ?)" if row else ""
        self._run(
            f"DELETE FROM failures WHERE jail = ? AND (offender, cursor) > (?, ?) {bound} AND time < ?",  # noqa: S608
            (jail, *after, *(row or ()), before),
        )
        return row

    def purge_bans(self, before: float) -> None:
        """Forget the bans that ended before that time, and with them their offences."""
        self._run("DELETE FROM bans WHERE reason NOT NULL AND ended < ?", (before,))

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> Iterator[Any]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise _translate(self.path, error) from error

    def _offender(self, text: str) -> addresses.Offender | None:
        try:
            return addresses.parse(text)
        except ValueError:
            self.damaged += 1
            return None

    def _run(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise _translate(self.path, error) from error

    def close(self) -> None:
        if self._aside is not None:
            self._aside.close()
        self._db.close()
        self._lock.close()


def _write_position(db: sqlite3.Connection, position: Position) -> None:
    row = (position.cursor, position.time, position.sessions)
    db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?)", row)


def _upgrade(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    steps = "".join(FROM_OLDER[old] for old in range(version, VERSION))
    if steps:
        db.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


def _touch_everything(db: sqlite3.Connection) -> None:
    """Read every page that a start relies on: what is corrupt shows now, while it can still be set aside."""
    db.execute("SELECT count(time), count(counts) FROM failures").fetchone()
    db.execute("SELECT count(start), count(until) FROM bans").fetchone()
    db.execute("SELECT * FROM position").fetchall()
    db.execute("SELECT * FROM jails").fetchall()


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """SQLITE_ERROR is what a statement gets whose table is damaged or gone: ours are right."""
    return _code(error) in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_ERROR,
    }


def _lacks_room(error: sqlite3.Error) -> bool:
    return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _translate(path: Path, error: sqlite3.Error) -> StoreError | NotPermittedError:
    code = _code(error)
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH} or (
        code == sqlite3.SQLITE_READONLY and not os.access(path, os.W_OK)
    ):
        return NotPermittedError(
            f"{path}: {error}", hint="the database must be writable by the daemon's user"
        )
    return StoreError(
        f"{path}: {error}", hint="is the disk full?" if code == sqlite3.SQLITE_FULL else ""
    )
