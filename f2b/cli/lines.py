"""Where `f2b regex` gets its lines: a file, standard input, one line as typed, or the journal."""

import os
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from f2b import times
from f2b.config.settings import Reading
from f2b.detect import dates, line, stamps
from f2b.errors import JournalError, NotPermittedError, UsageError
from f2b.journal.match import Match
from f2b.model import Entry, Position

BATCH = 250
LONGEST = 65536
"""As much of a line as a filter can ask for (maxlength): a file need not have been written as text."""

LATE = 60.0
"""Entries are sorted by when they came; by their own time some stand this much later, or more."""

_PATH = re.compile(r"[\w.,:@%~+/-]+")
"""No line of a log has so little in it."""


class Line(NamedTuple):
    """A line as it stands in its source, and the entry that the filter sees. `time` None: nothing told one yet.

    `bare` is the same without the blank that stood behind the date: regexes for the journal want none there.
    """

    number: int
    text: str
    entry: Entry
    time: float | None
    date: str = ""
    size: int = 0
    bare: Entry | None = None


Lines = Generator[Line, None, None]


def _opened(source: str) -> AbstractContextManager[Iterable[bytes]]:
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    path = Path(source)
    try:
        if path.exists():
            return path.open("rb")
    except PermissionError as error:
        raise NotPermittedError(f"{source}: {error.strerror}", hint="try sudo") from error
    except IsADirectoryError as error:
        raise UsageError(f"{source} is a directory", hint="name a file in it") from error
    except (OSError, ValueError):
        pass  # a line is often no possible name of a file
    if _PATH.fullmatch(source) and ("/" in source or source.endswith(".log")):
        raise UsageError(f"there is no file {source}")
    return nullcontext([os.fsencode(source)])


def of_text(source: str, now: float) -> Lines:
    """Cut the date out of each line, as fail2ban does. A line without one has the time of the line before.

    Raises UsageError and NotPermittedError.
    """
    with _opened(source) as raw:
        yield from _dated(raw, now)


def _dated(raw: Iterable[bytes], now: float) -> Iterator[Line]:
    last: float | None = None
    for number, content in enumerate(raw, start=1):
        text = line.cap(content.rstrip(b"\r\n").decode("utf-8", "replace"), LONGEST)
        span = dates.find(text)
        date = text[slice(*span)] if span else ""
        stamp = stamps.parse(date, now, None) if date else None
        last = stamp if stamp is not None else last
        rest = text[: span[0]] + text[span[1] :] if span else text
        entry = Entry(str(number), now if last is None else last, {"MESSAGE": rest.encode()})
        shape = stamps.shape(date) if stamp is not None else ""
        blank = rest[:1] == " "
        bare = entry._replace(fields={"MESSAGE": rest.lstrip().encode()}) if blank else None
        yield Line(number, text, entry, last, shape, len(content), bare)


def of_journal(
    source: str, match: Match, since: float, until: float, reading: Reading = Reading.BUILT
) -> Lines:
    """The entries of a time, as the daemon reads them; the text is what regexes see. Raises JournalError."""
    from f2b.journal.reader import JournalReader  # noqa: PLC0415 - text needs no libsystemd

    def seen(entry: Entry) -> str:
        return line.Lines().read(line.READINGS[reading][0], entry.fields, line.CAP)

    reader = JournalReader(source, match.groups or None)
    with closing(reader):
        reader.open(Position(None, since), warmup=0)
        number = 0
        while batch := reader.read(BATCH):
            for entry, _ in batch:
                if entry.time > until + LATE:
                    return
                if since <= entry.time <= until:
                    number += 1
                    yield Line(number, seen(entry).rstrip("\n"), entry, entry.time)
        if reader.trouble:
            raise JournalError(reader.trouble)


def moment(text: str, now: float) -> float:
    """A duration means so long ago; else it is a date. Raises UsageError."""
    try:
        return now - times.duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time", hint="write 2h, 1d12h, or 2026-01-31T12:00:00"
        ) from error
