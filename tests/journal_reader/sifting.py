"""A sift that knows its journal, and what a reader hands out that goes by it."""

from collections.abc import Iterator
from types import MappingProxyType

from f2b.journal.reader import JournalReader
from f2b.journal.sift import PLAIN, Field, Sift
from f2b.model import Entry, Marks
from tests.journal_reader.reading import START
from tests.support.export import Journal, count
from tests.support.processes import wait_until

MARKED: Marks = {"jail": (0,)}


class Every(Sift):
    """Wants every n-th message, and remembers how it was asked."""

    fields = ("MESSAGE", "U")
    names = MappingProxyType({"SYSLOG_IDENTIFIER": PLAIN, "_COMM": PLAIN})
    index = tuple(names)

    def __init__(self, period: int = 7) -> None:
        self._period = period
        self.strides = self.plainly = self.carefully = 0

    def begin(self) -> None:
        self.strides += 1

    def candidates(self, message: bytes, field: Field) -> Marks:  # noqa: ARG002
        self.carefully += 1
        return self._marks(message)

    def named_plainly(self, message: bytes, field: Field) -> Marks:  # noqa: ARG002
        self.plainly += 1
        return self._marks(message)

    def _marks(self, message: bytes) -> Marks:
        return {} if int(message[1:]) % self._period else MARKED

    def abroad(self) -> Sift:
        return self


def written(feed: Journal, total: int = 3000, start: int = 0, **fields: str) -> None:
    for number in range(start, start + total):
        feed.add(START + number, MESSAGE=f"m{number}", U=str(number % 3), X="x", **fields)
    arrived(feed)


def arrived(feed: Journal) -> None:
    feed.flush()
    wait_until(lambda: count(feed.folder, feed.boot) == feed.added, "all entries in the file")


def passing(reader: JournalReader, limit: int = 30) -> Iterator[Entry]:
    """What is handed out, up to the end."""
    while True:
        before = reader.looked
        yield from (entry for entry, _ in reader.read(limit))
        if reader.looked == before:
            return


def wanted(total: int = 3000, start: int = 0) -> list[str]:
    return [f"m{number}" for number in range(start, start + total) if number % 7 == 0]
