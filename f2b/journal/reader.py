"""The one door to sd_journal: every entry after a position once and whole, whatever happens to the files.

Owns the library's handle and the position. The library's own live edge is not to be trusted: while an entry is being
written one of its fields can be missing from it, a match can overlook it until the next entry arrives, and with
several matches or files a later one can come first, after which it never comes. So each batch is read twice: once to
find how far the journal reaches, and once, from the old position, up to there; by then all of that is written. What a
match has overlooked is looked for from there now and then.
Whenever the set of files changes, the reader starts over at its position, which is exact and needs no second way.

Where there is much to read, once is enough: f2b.journal.backlog.
"""

# ruff: noqa: SLF001 - the methods with an underscore are systemd-python's fast door, nine times faster than the other.

import select
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple

from systemd import _reader, journal

from f2b.errors import JournalError, NotPermittedError
from f2b.journal.backlog import Backlog
from f2b.journal.cursor import Cursor, reached
from f2b.journal.files import Files
from f2b.journal.match import Group
from f2b.journal.sift import Sift
from f2b.journal.stride import behind, seek, taken
from f2b.model import Entry, Marks, Position

__all__ = ["Gap", "JournalReader", "reached"]

HEAD = Position(None, 0.0)

# As far as a warm-up goes back at most, however much was logged in its time: half a second of walking.
WARMUP_ENTRIES = 100_000

# Of so many live entries that nobody wants, one is handed out all the same.
DOUBTED = 1000

# Seconds between two attempts to open a journal that is not there, and between two looks at folders that may have been
# replaced: nothing tells about those, because the kernel watches a folder and not its name.
PATIENCE = 1.0

# Seconds between two looks for what a match has overlooked. journald tells of it, too, but after a quarter of a second.
DOUBT = 0.05


class Gap(NamedTuple):
    """A time whose entries, if it had any for us, were deleted unread. `until`: of the first one left, if any is."""

    since: float
    until: float | None

    def __str__(self) -> str:
        since, until = (
            "now"
            if time is None
            else datetime.fromtimestamp(time, UTC).astimezone().isoformat(" ", "seconds")
            for time in (self.since, self.until)
        )
        return f"from {since} to {until}"


class JournalReader:
    """Reads what one source has that fits one of the groups (None: all of it): first a warm-up, then what is new.

    `source` is "system", "namespace:NAME" or a directory. `trouble` says why nothing can be read at the moment,
    `skipped` counts the entries that could not be, `looked` those that were read, handed out or passed over.
    """

    def __init__(self, source: str, groups: Sequence[Group] | None) -> None:
        self._files = Files(source)
        self._groups = groups or ()
        # It holds the library's descriptor, which is another one after every start.
        self._epoll = select.epoll()
        self._handle: Any = None
        self._opened = self._look = self._doubt = 0.0
        self._start = self._place = HEAD
        self._warm = 0
        self._drained = False
        self._gap: Gap | None = None
        terms = sum(1 for group in self._groups for _ in group.words())
        self._backlog = Backlog(self._files.options, terms)
        self.trouble = ""
        self.skipped = self.looked = 0

    def open(self, position: Position, warmup: float = 300.0) -> None:
        """Go to a position, and from there `warmup` seconds of entry time back.

        A journal that does not exist yet is waited for. Raises JournalError, or NotPermittedError.
        """
        if position.cursor is not None and Cursor.parse(position.cursor) is None:
            position = Position(None, position.time)
        self._start = self._place = position
        self._warm = 0
        self._drained = False
        try:
            self._connect()
            self._walk_back(warmup)
        except FileNotFoundError as e:
            self._give_up(e)
        except PermissionError as e:
            self._give_up(e)
            raise NotPermittedError(
                self.trouble, hint="run as root or in the group systemd-journal"
            ) from e
        except (OSError, ValueError) as e:
            self._give_up(e)
            raise JournalError(self.trouble) from e

    def close(self) -> None:
        """Let go of the files."""
        self._backlog.end()
        if self._handle is not None:
            self._handle.close()  # which takes its descriptor out of the epoll set, too
            self._handle = None

    def fileno(self) -> int:
        """Give a descriptor, always the same, that is readable when there may be something to read."""
        return self._epoll.fileno()

    def pass_over(self, sift: Sift | None) -> None:
        """Hand out from now on only entries that this says somebody may want."""
        self._backlog.pass_over(sift)

    @property
    def last(self) -> Position:
        """Give the position to go on from: that of the last new entry that was handed out."""
        return self._start if self._warm else self._place

    def names(self, field: str) -> Collection[bytes]:
        """What a field says anywhere in the journal: it is in the index, once each."""
        try:
            return _reader._Reader.query_unique(self._handle, field) if self._handle else ()
        except OSError:
            return ()

    def take_gap(self) -> Gap | None:
        """Say once what was lost."""
        gap, self._gap = self._gap, None
        return gap

    def process(self) -> None:
        """Take note of changes, after which the descriptor is quiet again. `read` does the same."""
        try:
            self._attend()
        except OSError as e:
            self._give_up(e)

    def read(self, limit: int) -> list[tuple[Entry, bool]]:
        """Read up to `limit` entries, or a stride of a backlog, each with True if it belongs to the warm-up.

        Nothing: there are no more now, unless `looked` has grown: then they were passed over.
        """
        try:
            if not self._attend():
                return []
            while True:
                before, warm = self.looked, bool(self._warm)
                entries = self._batch(min(limit, self._warm) if warm else limit)
                if warm:
                    self._warm -= self.looked - before
                    if self._warm <= 0 or self.looked == before:
                        self._begin()
                if not warm or self.looked > before:
                    return [(entry, warm) for entry in entries]
        except OSError as e:
            self._give_up(e)
            return []

    # --- the files ------------------------------------------------------------------------------

    def _attend(self) -> bool:
        """See to the files before anything else: touching one that has shrunk is the end of the process."""
        if self._handle is None:
            if monotonic() < self._look:
                return False
            self._reconnect()
            return True
        stirred = bool(self._epoll.poll(0))
        if stirred or monotonic() >= self._look:
            self._look = monotonic() + PATIENCE
            if self._files.broken():
                self._reconnect()
            elif not self._renewed() and stirred:
                # The notification comes late enough to find what a match has overlooked.
                self._rewind()
        return True

    def _renewed(self) -> bool:
        """Start over if files came or went, or the library has dropped one that it could not read."""
        if self._handle.process() != journal.INVALIDATE:
            return False
        if monotonic() - self._opened < PATIENCE:
            self._rewind()  # one that stays unreadable is not worth more than an attempt a second
        else:
            self._reconnect()
        return True

    def _reconnect(self) -> None:
        """Start over where we are. A warm-up ends with that."""
        self._start = self._place = self.last
        self._warm = 0
        self._connect()

    def _connect(self) -> None:
        """Open the journal at our place."""
        self.close()
        self._opened = monotonic()
        self._look = self._opened + PATIENCE
        self._files.note()
        self._handle = journal.Reader(**self._files.options)
        # Until it is asked for its descriptor the library neither watches the files nor says so.
        self._epoll.register(self._handle.fileno(), self._handle.get_events())
        if not self._drained:
            self._gap = self._missing() or self._gap
        for group in self._groups:
            for name, value in group.words():
                self._handle.add_match(name.encode() + b"=" + value)
            self._handle.add_disjunction()
        self._rewind()
        self.trouble = ""

    def _give_up(self, error: Exception) -> None:
        """Close, to be opened again in a while."""
        self._look = monotonic() + PATIENCE
        self.trouble = f"cannot read {self._files}: {getattr(error, 'strerror', None) or error}"
        self.close()

    def _missing(self) -> Gap | None:
        """See, before there is a match, what is gone between our place and the next entry of any kind."""
        here = Cursor.parse(self._place.cursor or "")
        if here is None:
            return None
        self._rewind()
        if not self._handle._next():
            return Gap(self._place.time, None)
        found = Cursor.parse(self._handle._get_cursor())
        if found is None or found == here or found.succeeds(here):
            return None
        return Gap(self._place.time, self._handle._get_realtime() / 1e6)

    # --- the position ---------------------------------------------------------------------------

    def _rewind(self) -> None:
        seek(self._handle, self._place)

    def _walk_back(self, warmup: float) -> None:
        """Count the entries of the warm-up, and make the one before them our place."""
        if warmup <= 0:
            return
        if self._start.cursor is None:
            # Going back from a time includes the entries of that very time, which are new.
            self._handle.seek_realtime(max(0, round(self._start.time * 1e6) - 1))
        earliest = (self._start.time - warmup) * 1e6
        before = HEAD
        while self._handle._previous():
            if self._warm == WARMUP_ENTRIES or self._handle._get_realtime() < earliest:
                before = Position(self._handle._get_cursor(), self._start.time - warmup)
                break
            self._warm += 1
        if self._warm:
            self._place = before
        self._rewind()

    def _begin(self) -> None:
        """End the warm-up. To seek the start again is right even if entries went away since they were counted."""
        self._warm = 0
        self._place = self._start
        self._rewind()

    # --- the entries ----------------------------------------------------------------------------

    def _batch(self, limit: int) -> list[Entry]:
        if self._backlog.active and not self._warm:
            if stride := self._backlog.stride(self._handle, self._place):
                self._place = stride.place
                self.looked += stride.looked
                return stride.wanted
            self._rewind()
        before = self.looked
        entries = self._steps(limit)
        self._backlog.batch(full=self.looked - before == limit)
        return entries

    def _steps(self, limit: int) -> list[Entry]:
        """Look how far it goes, then read up to there."""
        ahead = limit + 1  # the entry at our own place may be the first
        if not self._handle._next(ahead) and not (
            self._overlooked() and self._handle._next(ahead)
        ):
            self._drained = True  # whatever is deleted from now on was read
            return []
        # Files that were made before that entry was written have been announced by now. Without this second look a
        # later entry of an old file would overtake the first ones of a new file.
        if self._renewed() and not self._handle._next(ahead):
            return []
        self._drained = False
        edge = None
        try:
            edge = self._handle._get_cursor()
            self._rewind()
        except OSError:
            # The library met something broken and dropped the file. Single steps lead up to there.
            self.skipped += 1
            self._reconnect()
        return self._entries(limit, edge)

    def _overlooked(self) -> bool:
        """Say, and go back, if there is something after all: a match that looked too early sees it from our place."""
        if not self._groups or monotonic() < self._doubt:
            return False
        self._doubt = monotonic() + DOUBT
        if not behind(self._handle, self._place):
            return False
        self._rewind()
        return True

    def _entries(self, limit: int, edge: str | None) -> list[Entry]:
        last = cursor = self._place.cursor
        time = self._place.time
        entries: list[Entry] = []
        try:
            while limit and self._handle._next():
                cursor = self._handle._get_cursor()
                if cursor != last:
                    limit -= 1
                    self.looked += 1
                    time = self._handle._get_realtime() / 1e6
                    entry = self._entry(being_written=cursor == edge)
                    if entry is not None:
                        entries.append(entry)
                        time = entry.time
                if cursor == edge:
                    break
        except OSError:
            if not entries:
                raise
        finally:
            if cursor != last:
                self._place = Position(cursor, time)
        return entries

    def _entry(self, *, being_written: bool) -> Entry | None:
        """Take the entry under the library's finger; None if nobody wants it, or it cannot be read."""
        try:
            if being_written:
                while self._handle._get_all() != self._handle._get_all():
                    pass
            marks = self._marks()
            if marks is None or marks or self.looked % DOUBTED == 0:
                return taken(self._handle, self._handle._get_all(), marks)
        except (OSError, ValueError):
            self.skipped += 1
        return None

    def _marks(self) -> Marks | None:
        """Say who may want the entry, before more of it is fetched than its message; None: that cannot be told."""
        if self._backlog.sift is None:
            return None
        try:
            return self._backlog.sift.candidates(self._handle._get("MESSAGE"), self._handle._get)
        except KeyError:
            return None
