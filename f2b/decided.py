"""How decisions become rows of the store: failures and bans. Part of the transaction of a batch."""

import sqlite3
from collections.abc import Iterable
from operator import itemgetter

from f2b.model import Ban, Banned, Decision, Forgiven, Found, Lifted, Prolonged

BAN_KEY = "jail = ? AND offender = ? AND offence = ?"


def write(db: sqlite3.Connection, decisions: Iterable[Decision]) -> None:
    """In the order in which they were decided."""
    failures = _Failures(db)
    for decision in decisions:
        _write(db, decision, failures)
    failures.write()


class _Failures:
    """The failures of one batch. What consumes them before they are written finds them here."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: list[tuple[object, ...]] = []
        self._counting: dict[tuple[str, str], list[int]] = {}

    def add(self, found: Found) -> None:
        jail, target, failure, counts = found
        offender = str(target)
        if counts:
            self._counting.setdefault((jail, offender), []).append(len(self._rows))
        address = offender if failure.address == target else str(failure.address)
        self._rows.append(
            (jail, offender, failure.cursor, failure.time, address, failure.user, counts)
        )

    def consume(self, jail: str, offender: str) -> None:
        self._db.execute(
            "UPDATE failures SET counts = 0 WHERE jail = ? AND offender = ? AND counts",
            (jail, offender),
        )
        for place in self._counting.pop((jail, offender), ()):
            self._rows[place] = (*self._rows[place][:-1], False)

    def write(self) -> None:
        # In the order of the table: else nearly every failure of a backlog costs a page of its own.
        self._db.executemany(
            "INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)",
            sorted(self._rows, key=itemgetter(0, 1, 2)),
        )


def _write(db: sqlite3.Connection, decision: Decision, failures: _Failures) -> None:
    match decision:
        case Found():
            failures.add(decision)
        case Banned(ban):
            _write_ban(db, ban)
            failures.consume(ban.jail, str(ban.offender))
        case Prolonged(ban):
            db.execute(
                f"UPDATE bans SET until = ?, ended = NULL, reason = NULL WHERE {BAN_KEY}",  # noqa: S608
                (ban.until, *_key(ban)),
            )
        case Lifted(ban, reason, at):
            db.execute(
                f"UPDATE bans SET ended = ?, reason = ? WHERE {BAN_KEY}",  # noqa: S608
                (at, reason, *_key(ban)),
            )
        case Forgiven(jail, offender):
            failures.consume(jail, str(offender))


def _write_ban(db: sqlite3.Connection, ban: Ban) -> None:
    # Whose offences were too many to remember begins anew: later ones of before must not pass for its last.
    db.execute("DELETE FROM bans WHERE jail = ? AND offender = ? AND offence > ?", _key(ban))
    db.execute(
        "INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (*_key(ban), ban.start, ban.until, ban.source, ban.failures, ban.session),
    )


def _key(ban: Ban) -> tuple[str, str, int]:
    return ban.jail, str(ban.offender), ban.offence
