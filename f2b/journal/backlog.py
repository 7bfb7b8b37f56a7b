"""Much to read, read once: strides over what is known to be whole, which take MESSAGE alone of what nobody wants.

Owns how far that is known. Whatever stands before an entry was whole when that entry was written; so the last entry of
the journal, when a stride begins, says how far there is nothing to be careful about. A stride that leads beyond it, or
to something broken, has not happened.
"""

# ruff: noqa: SLF001 - see f2b.journal.reader

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from systemd import _reader, journal

from f2b.journal.cursor import Cursor
from f2b.journal.sift import PLAIN, Sift
from f2b.model import Entry, Marks, Position

STRIDE = 4096
"""Entries that are looked at in one go: a few milliseconds where most are passed over."""
FULL = 2
"""So many full batches one after the other are a backlog."""
WEIGHED = 64
"""After so many strides it may be another mixture of entries."""


class Stride(NamedTuple):
    """What is wanted of the entries that were looked at, how many these were, and the place of the last of them."""

    entries: list[Entry]
    looked: int
    place: Position


class Backlog:
    """`sift` says what is wanted. Without it there are no strides, since everything is.

    Where the reader has matches, of so many `terms`, strides go along them only if few entries fit.
    """

    def __init__(self, options: Mapping[str, str], terms: int) -> None:
        """`options` name the journal to the library."""
        self.sift: Sift | None = None
        self._options = options
        self._terms = terms
        self._full = 0
        self._handle: Any = None
        self._whole: Cursor | None = None
        self._few = self._plain = False
        self._strides = 0

    def batch(self, *, full: bool) -> None:
        """Hear of a batch that was read with care."""
        self._full = self._full + 1 if full else 0
        if self.sift is not None and self._full >= FULL:
            self._full = 0
            try:
                self._begin()
            except (OSError, ValueError):
                self.end()  # what was read with care must not be lost for that

    def end(self) -> None:
        """Let go of the files."""
        self._whole = None
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    @property
    def active(self) -> bool:
        """Whether a stride is worth trying."""
        return self.sift is not None and self._whole is not None

    def stride(self, matched: Any, place: Position, limit: int) -> Stride | None:
        """Go on from that place until `limit` entries are wanted. `matched` is the reader's handle, sent anywhere."""
        if self.sift is None or self._whole is None:
            return None
        # Every index look-up costs an eighth of what an entry costs that is looked at. Now and then it is weighed anew.
        weigh = self._terms > 0 and self._strides % WEIGHED == 0
        self._strides += 1
        along = matched if weigh or self._few else self._handle
        try:
            stride = self._stride(along, self.sift, place, limit)
        except (OSError, ValueError):
            stride = None
        last = Cursor.parse((stride and stride.place.cursor) or "")
        if stride is None or last is None or not _written_before(last, self._whole):
            self.end()
            return None
        if weigh and (first := Cursor.parse(place.cursor or "")) and first.source == last.source:
            self._few = stride.looked * (1 + self._terms / 8) < last.number - first.number
        return stride

    def _begin(self) -> None:
        """Look for the last entry of all, with a handle of its own: one with matches that goes there may stay deaf."""
        self.end()
        self._handle = handle = journal.Reader(**self._options)
        handle.seek_tail()
        if handle._previous():
            self._whole = Cursor.parse(handle._get_cursor())
        # The index of the journal has every name once: none of them need be looked at entry by entry.
        unique = _reader._Reader.query_unique
        names = unique(handle, "SYSLOG_IDENTIFIER") | unique(handle, "_COMM")
        self._plain = all(map(PLAIN.fullmatch, names))

    def _stride(self, handle: Any, sift: Sift, place: Position, limit: int) -> Stride | None:
        advance, fetch = handle._next, handle._get
        sift.begin()
        marked = sift.named_plainly if self._plain else sift.candidates
        seek(handle, place)
        if not advance() or (handle._get_cursor() == place.cursor and not advance()):
            return None
        entries: list[Entry] = []
        looked = 0
        while True:
            looked += 1
            try:
                marks = marked(fetch("MESSAGE"), fetch)
            except KeyError:
                entries.append(taken(handle, handle._get_all()))
            else:
                if marks:
                    entries.append(taken(handle, handle._get_all(), marks, sift.fields))
            if looked == STRIDE or len(entries) == limit:
                break
            if not advance():
                return None
        return Stride(entries, looked, Position(handle._get_cursor(), _time(handle)))


def seek(handle: Any, place: Position) -> None:
    """Go to a place. The entry there comes next once more, if it still exists and fits."""
    if place.cursor is None:
        handle.seek_realtime(round(place.time * 1e6))
    else:
        handle.seek_cursor(place.cursor)


def _written_before(one: Cursor, other: Cursor) -> bool:
    """Say so only if it is sure: wall clocks say nothing of it."""
    return (one.source == other.source or one.boot == other.boot) and other.is_after(one)


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
