"""`f2b regex journal` on a real journald: the filter's entries, by its journalmatch and by time."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.journald import Journald
from tests.support.processes import CHECKOUT
from tests.unit.config.tree import write

pytestmark = pytest.mark.root
UNIT = "f2b-app.service"
FILTER = f"""\
[Definition]
failregex = ^\\S+ app\\[\\d+\\]: bad from <HOST>$
journalmatch = _SYSTEMD_UNIT={UNIT}
"""
SAY = """\
import sys, syslog, time
syslog.openlog("app", syslog.LOG_PID)
for line in sys.argv[1:]:
    syslog.syslog(line)
time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def journald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journald]:
    with Journald(tmp_path_factory.mktemp("journald")) as daemon:
        say(daemon, "bad from 192.0.2.1", "good from 192.0.2.1")
        say(daemon, "bad from 192.0.2.66", unit="other.service")
        time.sleep(1.1)
        say(daemon, "bad from 2001:db8::1")
        daemon.sync()
        yield daemon


def say(journald: Journald, *lines: str, unit: str = UNIT) -> None:
    journald.run([sys.executable, "-c", SAY, *lines], unit=unit)


@pytest.fixture
def etc(tmp_path: Path, journald: Journald) -> Path:
    f2b_conf = f"[Definition]\njournal = {journald.journal}\n"
    files = {
        "f2b.conf": f2b_conf,
        "filter.d/app.conf": FILTER,
        "jail.conf": "[app]\nfilter = app\n",
    }
    return write(tmp_path, files)


def regex(etc: Path, *argv: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "f2b", "-c", str(etc), "regex", "journal", *argv]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def found(etc: Path, *argv: str) -> list[dict[str, Any]]:
    _, output, error = regex(etc, "--json", *argv)
    assert error == ""
    return [json.loads(line) for line in output.splitlines()]


def hosts(etc: Path, *argv: str) -> list[str]:
    return [row["host"] for row in found(etc, *argv)[:-1] if row["matched"]]


def test_a_jail_reads_its_own_entries(etc: Path) -> None:
    *rows, totals = found(etc, "app")
    assert [(row["line"], row["matched"], row["host"]) for row in rows] == [
        (1, True, "192.0.2.1"),
        (2, False, None),
        (3, True, "2001:db8::1"),
    ]
    assert time.time() - 300 < rows[0]["time"] < rows[2]["time"] - 1
    assert (totals["lines"], totals["matched"], totals["dates"]) == (3, 2, {})


def test_another_journalmatch(etc: Path) -> None:
    assert hosts(etc, "app", "--match", "_SYSTEMD_UNIT=other.service") == ["192.0.2.66"]


def test_a_regex_alone_reads_every_entry(etc: Path) -> None:
    assert hosts(etc, "bad from <HOST>$") == ["192.0.2.1", "192.0.2.66", "2001:db8::1"]


def test_a_regex_alone_has_the_reading_that_a_filter_with_it_would_have(etc: Path) -> None:
    everyone = ["192.0.2.1", "192.0.2.66", "2001:db8::1"]
    assert hosts(etc, "^bad from <HOST>$") == everyone
    assert hosts(etc, r"^\S+ app\[\d+\]: bad from <HOST>$") == everyone
    assert "  192.0.2.1    bad from 192.0.2.1\n" in regex(etc, "^bad from <HOST>$")[1]


def test_a_time(etc: Path) -> None:
    middle = datetime.fromtimestamp(found(etc, "app")[2]["time"] - 0.5, UTC).isoformat()
    assert hosts(etc, "app", "--since", middle) == ["2001:db8::1"]
    assert hosts(etc, "app", "--until", middle) == ["192.0.2.1"]
    assert hosts(etc, "app", "--since", "1h") == ["192.0.2.1", "2001:db8::1"]
    assert hosts(etc, "app", "--until", "1h") == []


def test_the_report_shows_the_line_that_the_filter_sees(etc: Path) -> None:
    status, output, _ = regex(etc, "app")
    assert status == 0
    assert "192.0.2.1" in output
    assert " app[" in output
    assert regex(etc, "worse from <HOST>")[0] == 1


def test_a_journal_that_is_not_there(etc: Path) -> None:
    (etc / "f2b.conf").write_text("[Definition]\njournal = /no/such/journal\n")
    status, output, error = regex(etc, "app")
    assert (status, output) == (69, "")
    assert error.startswith("f2b: cannot read the journal in /no/such/journal: ")
