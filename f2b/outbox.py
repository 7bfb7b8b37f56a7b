"""What actions are still to do: rows written in the transaction of the decision, and removed when they are carried out.

A row has an id that it keeps through repeats and restarts, so that a receiver can drop what comes twice.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from f2b import addresses
from f2b.model import Ban, Source

ALL = "SELECT at, action, step, jail, offender, about FROM outbox ORDER BY number"


class Step(StrEnum):
    """What an action is to do."""

    BAN = "ban"
    UNBAN = "unban"
    REBAN = "reban"
    PROLONG = "prolong"


class Row(NamedTuple):
    """`at` is when it was decided. `groups` are what the regex of the tipping failure captured."""

    at: float
    action: str
    step: Step
    ban: Ban
    groups: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """The same for the same ban, step and action, whenever it is made."""
        ban = self.ban
        step = Step.BAN if self.step is Step.REBAN else self.step
        until = ban.until if step is Step.PROLONG else None
        words = (ban.jail, self.action, step, ban.offender, ban.offence, ban.start, until)
        return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:24]


def write(db: sqlite3.Connection, rows: Iterable[Row], done: Iterable[str]) -> None:
    """Add and remove, within the caller's transaction."""
    for row in rows:
        ban = row.ban
        about = {
            "start": ban.start, "until": ban.until, "offence": ban.offence, "source": ban.source,
            "failures": ban.failures, "groups": row.groups,
        }  # fmt: skip
        db.execute(
            "INSERT OR IGNORE INTO outbox VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
            (row.id, row.at, ban.jail, row.action, row.step, str(ban.offender), json.dumps(about)),
        )
    db.executemany("DELETE FROM outbox WHERE id = ?", ((id_,) for id_ in done))


def rows(found: Iterable[Any]) -> Iterator[Row]:
    """Those that make sense."""
    for at, action, step, jail, offender, about in found:
        try:
            told = json.loads(about)
            ban = Ban(
                jail, addresses.parse(offender), told["start"], told["until"], told["offence"],
                Source(told["source"]), told["failures"],
            )  # fmt: skip
            groups = tuple((str(name), str(text)) for name, text in told["groups"])
            yield Row(at, action, Step(step), ban, groups)
        except (ValueError, LookupError, TypeError):
            continue
