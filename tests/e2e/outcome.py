"""What a run leaves: the memory by SQL, the wall by `nft -j`; row by row, to be compared with another run's."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.daemon import Daemon
from tests.support.netns import Namespace

TABLE = "f2b-table"
ROUNDING = 2.0

FAILURES = "SELECT jail, offender, cursor, time, address, user, counts FROM failures"
BANS = "SELECT jail, offender, start, until, offence, failures, source, session, ended, reason FROM bans"

Row = tuple[Any, ...]
Elements = dict[tuple[str, str], float | None]


class Outcome(NamedTuple):
    """`elements` says when each (set, element) ends in the kernel, None: never."""

    failures: set[Row]
    bans: set[Row]
    position: str
    elements: Elements


def query(database: Path, statement: str, *values: object) -> list[Row]:
    """From beside the daemon, or after it."""
    with closing(sqlite3.connect(database, timeout=5)) as db:
        return db.execute(statement, values).fetchall()


def cursor(database: Path) -> str | None:
    """How far the memory says that the journal is read."""
    rows = query(database, "SELECT cursor FROM position") if database.exists() else []
    return rows[0][0] if rows else None


def asked(daemon: Daemon, *words: str) -> Any:
    """The answer to a command, as --json gives it."""
    return json.loads(daemon.cli("--json", *words, check=False).stdout)


def banned(daemon: Daemon, set_name: str, address: str) -> bool:
    """Whether the kernel keeps it out."""
    return (set_name, address) in elements(daemon.namespace)


def elements(server: Namespace, table: str = TABLE) -> Elements:
    """Every element of every ban set."""
    listing = server.run(["nft", "-j", "list", "table", "inet", table], check=False)
    now = time.time()
    found: Elements = {}
    for item in json.loads(listing)["nftables"] if listing else []:
        for element in item.get("set", {}).get("elem", []):
            if item["set"]["name"].startswith(("addr-set-", "addr6-set-")):
                inner = element.get("elem", {}) if isinstance(element, dict) else {}
                key = str(inner.get("val", element))
                found[item["set"]["name"], key] = (
                    now + inner["expires"] if "expires" in inner else None
                )
    return found


def outcome(database: Path, server: Namespace) -> Outcome:
    return Outcome(
        set(query(database, FAILURES)),
        set(query(database, BANS)),
        cursor(database) or "",
        elements(server),
    )


def differences(one: Outcome, other: Outcome) -> list[str]:
    """What one has and the other has not, row by row."""
    return [
        *_rows("failure", one.failures, other.failures),
        *_rows("ban", one.bans, other.bans),
        *(
            [f"position {one.position} and {other.position}"]
            if one.position != other.position
            else []
        ),
        *_ends(one.elements, other.elements),
    ]


def unlike_memory(seen: Outcome) -> list[str]:
    """Where the kernel differs from what the memory says it should hold."""
    wanted = {
        _element(jail, offender): until
        for jail, offender, _, until, *_, reason in seen.bans
        if reason is None
    }
    return list(_ends(seen.elements, wanted))


def _rows(what: str, one: set[Row], other: set[Row]) -> Iterator[str]:
    for row in sorted(one ^ other, key=str):
        yield f"{what} only in the {'first' if row in one else 'second'}: {row}"


def _ends(one: Elements, other: Elements) -> Iterator[str]:
    for key in sorted(one.keys() | other.keys()):
        if key not in one or key not in other:
            yield f"element only in the {'first' if key in one else 'second'}: {key}"
        elif not _same(one[key], other[key]):
            yield f"element {key} ends at {one[key]} and {other[key]}"


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    # nft shows whole seconds, and the daemon leaves alone what is right within one.
    return abs(one - other) <= ROUNDING


def _element(jail: str, offender: str) -> tuple[str, str]:
    network, _, prefix = offender.partition("/")
    family = "addr6" if ":" in offender else "addr"
    return f"{family}-set-{jail}{'-' + prefix if prefix else ''}", network
