"""Much to read, read once: strides over what is known to be whole, which take MESSAGE alone of what nobody wants.

Owns how far that is known. Whatever stands before an entry was whole when that entry was written; so the last entry of
the journal, when a stride begins, says how far there is nothing to be careful about. A stride that leads beyond it, or
to something broken, has not happened.
"""

# ruff: noqa: SLF001 - see f2b.journal.reader

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from systemd import journal

from f2b.journal.cursor import Cursor
from f2b.model import Entry, Marks, Position

STRIDE = 4096
"""Entries that are looked at in one go: a few milliseconds where most are passed over."""
FULL = 2
"""So many full batches one after the other are a backlog."""

Field = Callable[[str], bytes]
"""Fetches a field of the entry at hand; raises KeyError where it has none of that name."""
Sift = Callable[[bytes, Field], Marks]
"""Says of a MESSAGE whom its entry may concern."""


class Stride(NamedTuple):
    """What is wanted of the entries that were looked at, how many these were, and the place of the last of them."""

    entries: list[Entry]
    looked: int
    place: Position


class Backlog:
    """`sift` says what is wanted. Without it there are no strides, since everything is."""

    def __init__(self) -> None:
        self.sift: Sift | None = None
        self._full = 0
        self._whole: Cursor | None = None

    def batch(self, options: Mapping[str, str], *, full: bool) -> None:
        """Hear of a batch that was read with care. `options` name the journal to the library."""
        self._full = self._full + 1 if full else 0
        if self.sift is not None and self._full >= FULL:
            self._full = 0
            self._whole = _end(options)

    @property
    def known(self) -> bool:
        """Whether a stride may be tried."""
        return self.sift is not None and self._whole is not None

    def stride(self, handle: Any, place: Position, limit: int) -> Stride | None:
        """Go on from that place, where the handle was sent, until `limit` entries are wanted."""
        try:
            stride = self._stride(handle, place, limit)
        except (OSError, ValueError):
            stride = None
        if stride is None or not self._covers(stride.place):
            self._whole = None
            return None
        return stride

    def _covers(self, place: Position) -> bool:
        last = Cursor.parse(place.cursor or "")
        if last is None or self._whole is None:
            return False
        # Wall clocks say nothing of what was written first.
        ordered = last.source == self._whole.source or last.boot == self._whole.boot
        return ordered and self._whole.is_after(last)

    def _stride(self, handle: Any, place: Position, limit: int) -> Stride | None:
        assert self.sift is not None
        sift, advance, fetch = self.sift, handle._next, handle._get
        if not advance() or (handle._get_cursor() == place.cursor and not advance()):
            return None
        entries: list[Entry] = []
        looked = 0
        while True:
            looked += 1
            try:
                marks = sift(fetch("MESSAGE"), fetch)
            except KeyError:
                entries.append(taken(handle, handle._get_all()))
            else:
                if marks:
                    entries.append(taken(handle, handle._get_all(), marks))
            if looked == STRIDE or len(entries) == limit:
                break
            if not advance():
                return None
        return Stride(entries, looked, Position(handle._get_cursor(), _time(handle)))


def taken(handle: Any, fields: dict[str, Any], marks: Marks | None = None) -> Entry:
    """Make an entry of what the library has under its finger."""
    if fields.get("_TRANSPORT") == b"kernel":
        fields["__MONOTONIC_TIMESTAMP"] = b"%d" % handle._get_monotonic().timestamp
    time = _stamp(fields.get("_SOURCE_REALTIME_TIMESTAMP")) or handle._get_realtime()
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


def _end(options: Mapping[str, str]) -> Cursor | None:
    """Look for the last entry of all, with a handle of its own: one with matches that goes there may stay deaf."""
    scout = journal.Reader(**options)
    try:
        scout.seek_tail()
        return Cursor.parse(scout._get_cursor()) if scout._previous() else None
    finally:
        scout.close()
