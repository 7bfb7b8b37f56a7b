"""Recorded journals as entries, and what the filters must find in them (tests/journal/README.md)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from f2b.config.load import load_filter
from f2b.config.settings import FilterSettings
from f2b.model import Entry
from tests.support.processes import CHECKOUT

JOURNALS = CHECKOUT / "tests" / "journal"
ETC = CHECKOUT / "etc"

Fields = dict[str, bytes | list[bytes]]


@dataclass(frozen=True)
class Row:
    """One client address: how often it tried to log in (None: not told), failures per mode, users."""

    address: str
    tries: int | None
    failures: tuple[int, ...]
    users: frozenset[str]
    text: str


@dataclass(frozen=True)
class Table:
    """What one filter must find in one journal, and nothing else."""

    journal: str
    filter: str
    modes: tuple[str, ...]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"{self.journal}-{self.filter}"


@cache
def settings(name: str, mode: str = "-", *options: str) -> FilterSettings:
    words = (*(() if mode == "-" else (f"mode={mode}",)), *options)
    return load_filter(ETC, f"{name}[{','.join(words)}]")


@cache
def entries(journal: str) -> tuple[Entry, ...]:
    return tuple(map(_entry, _export((JOURNALS / f"{journal}.export").read_bytes())))


def tables() -> list[Table]:
    paths = sorted(JOURNALS.glob("*.expect"))
    return [table for path in paths for table in _tables(path)]


def _entry(fields: Fields) -> Entry:
    def first(name: str) -> str:
        value = fields.pop(name)
        return (value if isinstance(value, bytes) else value[0]).decode()

    cursor, received = first("__CURSOR"), first("__REALTIME_TIMESTAMP")
    time = fields.get("_SOURCE_REALTIME_TIMESTAMP", received.encode())
    assert isinstance(time, bytes)
    return Entry(cursor, int(time) / 1e6, fields)


def _export(data: bytes) -> Iterator[Fields]:
    """Read the journal export format: NAME=value lines, or NAME, a length and any bytes."""
    fields: Fields = {}
    place = 0
    while place < len(data):
        end = data.index(b"\n", place)
        name, equals, value = data[place:end].partition(b"=")
        place = end + 1
        if not name:
            yield fields
            fields = {}
            continue
        if not equals:
            size = int.from_bytes(data[place : place + 8], "little")
            value = data[place + 8 : place + 8 + size]
            place += size + 9
        _add(fields, name.decode(), value)


def _add(fields: Fields, name: str, value: bytes) -> None:
    known = fields.get(name)
    if known is None:
        fields[name] = value
    else:
        fields[name] = [*(known if isinstance(known, list) else [known]), value]


def _tables(path: Path) -> Iterator[Table]:
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and line[0] != "#"]
        if not lines:
            continue
        (_, name), (_, *modes) = lines[0].split(), lines[1].split()
        yield Table(path.stem, name, tuple(modes), tuple(map(_row, lines[2:])))


def _row(line: str) -> Row:
    address, tries, failures, users, text = (cell.strip() for cell in line.split(" | ", 4))
    return Row(
        address,
        None if tries == "-" else int(tries),
        tuple(map(int, failures.split())),
        frozenset(_users(users)),
        text,
    )


def _users(cell: str) -> list[str]:
    """Names as they stand in the log, in quotes where they hold blanks; - is none."""
    if cell == "-":
        return []
    return [json.loads(cell)] if cell.startswith('"') else cell.split()
