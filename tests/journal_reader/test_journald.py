"""The reader on a real journald: rotation, vacuuming, its sources, its late notification."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from f2b.errors import NotPermittedError
from f2b.journal.reader import JournalReader
from f2b.model import Position
from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import at, drain, follow, texts
from tests.support.export import Journal
from tests.support.journald import Journald
from tests.support.processes import CHECKOUT

pytestmark = pytest.mark.root
UNIT = "f2b-test.service"
MATCH = f"_SYSTEMD_UNIT={UNIT}"


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with Journald(tmp_path) as daemon:
        yield daemon


@pytest.fixture
def reader(journald: Journald, attach: Attach) -> JournalReader:
    return attach(Position(None, time.time()), match=MATCH, source=str(journald.journal))


def log(journald: Journald, *lines: str) -> None:
    """As a unit of ours; it lives on for a moment, so that journald finds its /proc entry."""
    script = "import sys, syslog, time; [syslog.syslog(m) for m in sys.argv[1:]]; time.sleep(0.1)"
    journald.run([sys.executable, "-c", script, *lines], unit=UNIT)


def vacuum(journald: Journald) -> None:
    subprocess.run(
        ["journalctl", f"--directory={journald.journal}", "--vacuum-files=1"],
        check=True,
        capture_output=True,
    )


def test_first_match_ever_is_heard_at_once(journald: Journald, reader: JournalReader) -> None:
    assert reader.read(10) == []
    log(journald, "one")
    assert texts(follow(reader, 1, timeout=1)) == ["one"]


def test_rotation_loses_and_repeats_nothing(journald: Journald, reader: JournalReader) -> None:
    expected = []
    found = []
    for number in range(5):
        log(journald, f"before {number}")
        found += drain(reader)
        journald.rotate()
        log(journald, f"after {number}")
        expected += [f"before {number}", f"after {number}"]
        found += follow(reader, len(expected) - len(found))
    assert texts(found) == expected
    assert reader.take_gap() is None


def test_restarted_journald_is_followed(journald: Journald, reader: JournalReader) -> None:
    log(journald, "one")
    journald.restart()
    log(journald, "two")
    assert texts(follow(reader, 2)) == ["one", "two"]


def test_vacuumed_under_the_reader(journald: Journald, reader: JournalReader) -> None:
    for number in range(3):
        log(journald, f"m{number}")
        journald.rotate()
    assert texts(follow(reader, 3)) == ["m0", "m1", "m2"]
    vacuum(journald)
    log(journald, "m3")
    assert texts(follow(reader, 1)) == ["m3"]


def test_vacuumed_while_nobody_read(journald: Journald, reader: JournalReader) -> None:
    log(journald, "read")
    position = at(follow(reader, 1)[0])
    reader.close()
    log(journald, "lost")
    journald.rotate()
    log(journald, "left")
    journald.rotate()
    vacuum(journald)
    log(journald, "new")
    journald.sync()
    reader.open(position)
    assert texts(follow(reader, 1))[-1] == "new"
    gap = reader.take_gap()
    assert gap
    assert gap.until
    assert gap.since == position.time < gap.until


def test_files_truncated_under_journald_and_reader(
    journald: Journald, reader: JournalReader
) -> None:
    log(journald, "one")
    assert texts(follow(reader, 1)) == ["one"]
    os.truncate(journald.journal / "system.journal", 0)
    assert reader.read(10) == []
    log(journald, "two")
    log(journald, "three")
    assert texts(follow(reader, 1))[-1] == "three"


def read_within(journald: Journald, source: str) -> str:
    """What a reader finds in the place where journald's own files are."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from f2b.journal.reader import JournalReader; from f2b.model import Position;"
        "reader = JournalReader(sys.argv[2], None); reader.open(Position(None, 0.0));"
        "print(*(entry.fields['MESSAGE'] for entry, _ in reader.read(10_000)))"
    )
    return journald.run([sys.executable, "-c", script, str(CHECKOUT), source])


def test_system_and_namespaces_are_apart(journald: Journald) -> None:
    log(journald, "for the system")
    machine = journald.journal.name
    with Journal(journald.journal.with_name(f"{machine}.web")) as web:
        web.add(time.time(), MESSAGE="for the web")
    system, namespace = (read_within(journald, source) for source in ("system", "namespace:web"))
    assert "for the system" in system
    assert "for the web" not in system
    assert "for the system" not in namespace
    assert "for the web" in namespace


def test_nobody_is_told_how_to_be_let_in() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Journal(folder) as feed:
            feed.add(time.time(), MESSAGE="secret")
        reader = JournalReader(name, None)
        for file in folder.iterdir():
            file.chmod(0o600)
        with nobody(), pytest.raises(NotPermittedError, match="group systemd-journal"):
            reader.open(Position(None, 0.0))


@contextmanager
def nobody() -> Iterator[None]:
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
