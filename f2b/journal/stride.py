"""A stride: many entries looked at in one go, of which little more than their messages is read.

Its loop runs for every entry of a backlog. What it does beyond the library's own work costs as little as Python can:
one call of the sift for each entry, and everything else for the few that somebody wants.
"""

# ruff: noqa: SLF001 - see f2b.journal.reader

from collections.abc import Collection
from typing import Any, NamedTuple

from f2b.journal.cursor import Cursor
from f2b.journal.sift import Sift
from f2b.model import Entry, Marks, Position

STRIDE = 2048
"""Entries: a few milliseconds where most are passed over."""


class Parting(NamedTuple):
    """An entry that only matters if that process has an open session."""

    cursor: str
    process: str
    marks: Marks


class Stride(NamedTuple):
    """What came of the entries behind one place up to another, `looked` in number."""

    before: str | None
    found: list[Entry | Parting]
    looked: int
    place: Position


def walked(handle: Any, sift: Sift, before: str | None, *, plain: bool) -> Stride | None:
    """Look at STRIDE entries, the first under the library's finger already; None if there are not so many.

    `plain`: all programs have plain names. Raises OSError, ValueError for what cannot be read.
    """
    advance, fetch, fetch_all = handle._next, handle._get, handle._get_all
    sift.begin()
    marked, names = sift.named_plainly if plain else sift.candidates, sift.fields
    found: list[Entry | Parting] = []
    left = STRIDE
    while True:
        try:
            marks = marked(fetch("MESSAGE"), fetch)
        except KeyError:
            found.append(taken(handle, fetch_all()))
        else:
            if marks:
                process = sift.parting(marks, fetch)
                if process is None:
                    entry = taken(handle, fetch_all(), marks, names)
                    sift.handed(entry)
                    found.append(entry)
                else:
                    found.append(Parting(handle._get_cursor(), process, marks))
        left -= 1
        if not left:
            return Stride(before, found, STRIDE, Position(handle._get_cursor(), _time(handle)))
        if not advance():
            return None


def seek(handle: Any, place: Position) -> None:
    """Go to a place. The entry there comes next once more, if it still exists and fits."""
    if place.cursor is None:
        handle.seek_realtime(round(place.time * 1e6))
    else:
        handle.seek_cursor(place.cursor)


def behind(handle: Any, place: Position) -> bool:
    """Put the finger on the first entry behind a place; say whether there is one."""
    seek(handle, place)
    return bool(handle._next() and (handle._get_cursor() != place.cursor or handle._next()))


def leapt(handle: Any, cursor: str) -> str | None:
    """The place a stride behind another one, if the journal goes on until there."""
    if here := Cursor.parse(cursor):
        # Numbers without a gap tell it at once. Where the entry found is not that one, steps do.
        number = here.number + STRIDE
        handle.seek_cursor(f"s={here.source};i={number:x}")
        there = Cursor.parse(handle._get_cursor()) if handle._next() else None
        if there and (there.source, there.number) == (here.source, number):
            return there.text
    handle.seek_cursor(cursor)
    if handle._next() and handle._get_cursor() == cursor and handle._next(STRIDE):
        return str(handle._get_cursor())
    return None


def taken(
    handle: Any,
    fields: dict[str, Any],
    marks: Marks | None = None,
    names: Collection[str] | None = None,
) -> Entry:
    """Make an entry of what the library has under its finger, with the fields of these names or with all."""
    if fields.get("_TRANSPORT") == b"kernel":
        fields["__MONOTONIC_TIMESTAMP"] = b"%d" % handle._get_monotonic().timestamp
    time = _stamp(fields.get("_SOURCE_REALTIME_TIMESTAMP")) or handle._get_realtime()
    if names is not None:
        # Hundreds of entries wait for the regexes: whole, they would not stay in the processor's cache.
        fields = {name: fields[name] for name in names if name in fields}
    return Entry(handle._get_cursor(), time / 1e6, fields, marks)


def _time(handle: Any) -> float:
    try:
        stamp = _stamp(handle._get("_SOURCE_REALTIME_TIMESTAMP"))
    except KeyError:
        stamp = 0
    return (stamp or int(handle._get_realtime())) / 1e6


def _stamp(value: object) -> int:
    """Read the sender's time in microseconds; 0 if there is none."""
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) < 20 else 0
