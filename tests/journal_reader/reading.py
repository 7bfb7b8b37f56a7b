"""What a reader makes of a journal, in words that a test can compare."""

import time

from f2b.journal.reader import JournalReader
from f2b.model import Entry, Position

START = 1_800_000_000.0


def drain(reader: JournalReader, limit: int = 100) -> list[Entry]:
    """What is new, up to the end of the journal."""
    entries: list[Entry] = []
    while batch := reader.read(limit):
        entries += [entry for entry, warm in batch if not warm]
    return entries


def warmed(reader: JournalReader, limit: int = 100) -> list[Entry]:
    """The warm-up alone."""
    entries: list[Entry] = []
    while batch := reader.read(limit):
        entries += [entry for entry, warm in batch if warm]
    return entries


def follow(reader: JournalReader, count: int, timeout: float = 10) -> list[Entry]:
    """The next so many new entries; fewer if they do not come in time."""
    entries: list[Entry] = []
    deadline = time.monotonic() + timeout
    while len(entries) < count and time.monotonic() < deadline:
        entries += drain(reader)
        time.sleep(0.01)
    return entries


def texts(entries: list[Entry]) -> list[str]:
    found = []
    for entry in entries:
        message = entry.fields["MESSAGE"]
        assert isinstance(message, bytes)
        found.append(message.decode())
    return found


def at(entry: Entry) -> Position:
    return Position(entry.cursor, entry.time)
