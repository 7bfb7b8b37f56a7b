"""SIGKILL between the lines of one login, as fail2ban's sshd filter (sessions) and slapd filter (maxlines) read it."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.corpus import config
from tests.e2e.lives import finish, fresh, memory, place, undisturbed
from tests.e2e.outcome import differences, unlike_memory
from tests.e2e.workload import Fields, entry, fail, sshd
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROUNDS = 4
READERS = 3


def jails(theirs: Path) -> str:
    return f"""\
[theirs-sshd]
enabled = true
filter = {theirs}/filter.d/sshd[mode=normal]
journalmatch = _COMM=sshd
maxretry = 2

[theirs-slapd]
enabled = true
filter = {theirs}/filter.d/slapd
journalmatch = _COMM=slapd
maxretry = 2

[sshd]
enabled = true
maxretry = 50
"""


def locked(process: int, address: str) -> list[Fields]:
    """The failure comes before the line that says from where: it is pending between the two."""
    return [
        sshd(process, "User root not allowed because account is locked"),
        sshd(
            process, f"Connection closed by authenticating user root {address} port 40 [preauth]"
        ),
    ]


def second_user(process: int, address: str) -> list[Fields]:
    """Only a session that knows the first user sees that the second one's success is none."""
    return [
        sshd(process, f"Connection from {address} port 40 on 198.51.100.1 port 22"),
        sshd(process, f"Failed password for alice from {address} port 40 ssh2"),
        sshd(process, f"Accepted password for mallory from {address} port 40 ssh2"),
    ]


def bind(process: int, address: str) -> list[Fields]:
    """Whose password was wrong stands in the first line of the connection alone."""
    said = (
        f"fd=21 ACCEPT from IP={address}:45011 (IP=0.0.0.0:636)",
        'op=0 BIND dn="uid=gipson,ou=people,dc=example,dc=com" method=128',
        "op=0 RESULT tag=97 err=49 text=",
    )
    return [entry("slapd", 1183, f"conn={process} {text}", _COMM="slapd", _UID=0) for text in said]


KINDS = (locked, second_user, bind)


def written(journal: Journal, lines: Sequence[Fields]) -> Iterator[int]:
    """Write them one by one, each followed by a failure of somebody else; how many entries there are then."""
    for line in lines:
        journal.add(time.time(), **line)
        fail(journal, "203.0.113.99")
        yield journal.added


def test_kills_between_the_lines_of_a_session_change_nothing(tmp_path: Path) -> None:
    theirs = config()
    if theirs is None:
        assert "CI" not in os.environ, "the package of fail2ban must be there"
        pytest.skip("the package of fail2ban is not to be had")
    with (
        Journal(tmp_path / "journal") as journal,
        fresh(tmp_path / "killed", journal.folder, jails(theirs), READERS) as daemon,
    ):
        before = memory(daemon)
        for number in range(ROUNDS * len(KINDS)):
            lines = KINDS[number % len(KINDS)](2000 + number, f"198.18.7.{number // 6}")
            for last in written(journal, lines):
                daemon.start()
                if number % 4:
                    wait_until(partial(has_read, daemon, last), f"entry {last} in the memory")
                daemon.kill()
        killed = finish(daemon, journal.added)
        calm = undisturbed(
            tmp_path / "undisturbed", journal.folder, before, journal.added, jails(theirs)
        )
    assert differences(killed, calm) == []
    assert unlike_memory(killed) == []
    found = Counter((row[0], row[4]) for row in killed.failures)
    offenders = [f"198.18.7.{number}" for number in range(ROUNDS * len(KINDS) // 6)]
    assert [found["theirs-sshd", address] for address in offenders] == [6] * len(offenders)
    assert [found["theirs-slapd", address] for address in offenders] == [2] * len(offenders)


def has_read(daemon: Daemon, number: int) -> bool:
    return place(daemon) >= number
