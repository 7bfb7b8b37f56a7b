"""Journals on disk, and readers of them that are closed after the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from f2b.journal.match import parse_text
from f2b.journal.reader import JournalReader
from f2b.model import Position
from tests.support.export import Journal

Attach = Callable[..., JournalReader]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def feed(folder: Path) -> Iterator[Journal]:
    """One writer; a test may close it itself to have everything in the file."""
    journal = Journal(folder)
    yield journal
    journal.close(check=False)


@pytest.fixture
def attach(folder: Path) -> Iterator[Attach]:
    """Open a reader, if not told otherwise on everything in the folder and at its start."""
    with ExitStack() as stack:

        def start(
            position: Position | None = None,
            *,
            match: str = "*",
            warmup: float = 0,
            source: str = "",
        ) -> JournalReader:
            reader = JournalReader(source or str(folder), parse_text(match).groups or None)
            stack.callback(reader.close)
            reader.open(position or Position(None, 0.0), warmup)
            return reader

        yield start
