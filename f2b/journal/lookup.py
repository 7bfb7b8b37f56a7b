"""Entries that were read before, fetched again by their cursors."""

# ruff: noqa: SLF001 - as in reader.py

from collections.abc import Iterable, Iterator
from contextlib import closing

from systemd import journal

from f2b.errors import JournalError
from f2b.journal.files import Files
from f2b.model import Entry


def fetch(source: str, cursors: Iterable[str]) -> list[Entry]:
    """Those that still exist. Blocks on the disk; raises JournalError."""
    try:
        return [*_fetch(source, cursors)]
    except (OSError, ValueError) as error:
        raise JournalError(f"cannot look into the journal: {error}") from error


def _fetch(source: str, cursors: Iterable[str]) -> Iterator[Entry]:
    files = Files(source)
    files.note()
    with closing(journal.Reader(**files.options)) as handle:
        for cursor in cursors:
            handle.seek_cursor(cursor)
            if handle._next() and handle.test_cursor(cursor):
                yield Entry(cursor, handle._get_realtime() / 1e6, handle._get_all())
