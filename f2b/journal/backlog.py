"""Much to read, read once: strides over what is known to be whole, which take MESSAGE alone of what nobody wants.

Owns how far that is known. Whatever stands before an entry was whole when that entry was written; so the last entry of
the journal, when a backlog begins, says how far there is nothing to be careful about. A stride that leads beyond it, or
to something broken, has not happened.
"""

# ruff: noqa: SLF001 - see f2b.journal.reader

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from systemd import _reader, journal

from f2b.journal.cursor import Cursor
from f2b.journal.scout import Scout, can_scout
from f2b.journal.sift import Sift
from f2b.journal.stride import STRIDE, Stride, behind, taken, walked
from f2b.model import Entry, Position

FULL = 2
"""So many full batches one after the other are a backlog."""
WEIGHED = 64
"""After so many strides it may be another mixture of entries."""
FAR = 100_000
"""So many entries more are worth a process that reads ahead."""


class Read(NamedTuple):
    """What is wanted of the entries that were looked at, how many these were, and the place of the last of them."""

    wanted: list[Entry]
    looked: int
    place: Position


class Backlog:
    """`sift` says what is wanted. Without it there are no strides, since everything is.

    Where the reader has matches, of so many `terms`, strides go along them only if few entries fit.
    """

    def __init__(self, options: Mapping[str, str], terms: int) -> None:
        """`options` name the journal to the library."""
        self._sift: Sift | None = None
        self._options = options
        self._terms = terms
        self._full = 0
        self._handle: Any = None
        self._whole: Cursor | None = None
        self._within: Sift | None = None
        self._few = self._plain = False
        self._strides = 0
        self._scout: Scout | None = None
        self._sent = False

    @property
    def sift(self) -> Sift | None:
        return self._sift

    def pass_over(self, sift: Sift | None) -> None:
        """Go by another sift. What was read ahead by the old one is forgotten."""
        self._sift = sift
        self.end()

    def batch(self, *, full: bool) -> None:
        """Hear of a batch that was read with care."""
        self._full = self._full + 1 if full else 0
        if self._sift is not None and self._full >= FULL:
            self._full = 0
            try:
                self._begin()
            except (OSError, ValueError):
                self.end()  # what was read with care must not be lost for that

    def end(self) -> None:
        """Let go of the files."""
        self._whole = self._within = None
        self._recall()
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    @property
    def active(self) -> bool:
        """Whether a stride is worth trying."""
        return self._within is not None and self._whole is not None

    def stride(self, matched: Any, place: Position) -> Read | None:
        """Go on from that place. `matched` is the reader's handle, sent anywhere.

        None: not a step further like this.
        """
        sift = self._within
        if sift is None or self._whole is None:
            return None
        here = Cursor.parse(place.cursor or "")
        if (
            here
            and here.source == self._whole.source
            and self._whole.number - here.number < STRIDE
        ):
            self.end()
            return None
        try:
            stride = self._ahead(place) or self._stride(matched, place, sift)
            last = Cursor.parse((stride and stride.place.cursor) or "")
            if stride and last and _written_before(last, self._whole):
                self._send_out(last, self._whole, sift)
                return Read([*self._settled(stride, sift)], stride.looked, stride.place)
        except (OSError, ValueError):
            pass
        self.end()
        return None

    def _begin(self) -> None:
        """Look for the last entry of all, with a handle of its own: one with matches that goes there may stay deaf."""
        self.end()
        self._sent = False
        self._handle = handle = journal.Reader(**self._options)
        handle.seek_tail()
        if handle._previous():
            self._whole = Cursor.parse(handle._get_cursor())
        # The index of the journal has every value once: none of them need be looked at entry by entry.
        assert self._sift is not None
        values = {field: _reader._Reader.query_unique(handle, field) for field in self._sift.index}
        self._plain = all(
            like.fullmatch(value)
            for field, like in self._sift.names.items()
            for value in values[field]
        )
        self._within = self._sift.within(values)

    def _stride(self, matched: Any, place: Position, sift: Sift) -> Stride | None:
        # Every index look-up costs an eighth of what an entry costs that is looked at. Now and then it is weighed anew.
        weigh = self._terms > 0 and self._strides % WEIGHED == 0 and self._scout is None
        self._strides += 1
        handle = matched if weigh or self._few else self._handle
        if not behind(handle, place):
            return None
        stride = walked(handle, sift, place.cursor, plain=self._plain)
        if stride is None:
            return None
        first, last = (
            Cursor.parse(cursor or "") for cursor in (place.cursor, stride.place.cursor)
        )
        if weigh and first and last and first.source == last.source:
            self._few = stride.looked * (1 + self._terms / 8) < last.number - first.number
        return stride

    def _send_out(self, here: Cursor, whole: Cursor, sift: Sift) -> None:
        """Have the rest read ahead, if it is much, and if that has not been tried."""
        far = here.source == whole.source and whole.number - here.number > FAR
        if self._sent or self._few or not far or not can_scout():
            return
        self._sent = True
        if (abroad := sift.abroad()) is not None:
            with suppress(OSError):
                self._scout = Scout(self._options, abroad, plain=self._plain)

    def _ahead(self, place: Position) -> Stride | None:
        """What was read ahead, if it was."""
        if self._scout is None:
            return None
        try:
            return self._scout.stride(self._handle, place)
        except (OSError, ValueError, EOFError):
            self._recall()
            return None

    def _recall(self) -> None:
        if self._scout is not None:
            self._scout.end()
            self._scout = None

    def _settled(self, stride: Stride, sift: Sift) -> Iterator[Entry]:
        """What is wanted now that everything before this stride was fed."""
        for each in stride.found:
            if isinstance(each, Entry):
                yield each
            elif sift.open(each.process, each.marks):
                self._handle.seek_cursor(each.cursor)
                if self._handle._next():
                    yield taken(self._handle, self._handle._get_all(), each.marks, sift.fields)


def _written_before(one: Cursor, other: Cursor) -> bool:
    """Say so only if it is sure: wall clocks say nothing of it."""
    return (one.source == other.source or one.boot == other.boot) and other.is_after(one)
