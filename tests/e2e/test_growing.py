"""Bans that grow: the kernel has their whole length from their first second, and a restart forgets no offence."""

import pytest

from tests.e2e.outcome import asked, banned, query
from tests.e2e.scenes import DAY, HOUR, ONE, SET, left
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

GROWING = """\
[sshd]
enabled = true
maxretry = 3
findtime = 1d
bantime = 1h
bantime.increment = true
bantime.multipliers = 1 24
bantime.rndtime = 1h
"""


def test_the_second_ban_is_longer_and_comes_sooner(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(GROWING)
    fail(journal, ONE, 3, ago=3 * HOUR)
    daemon.start()
    wait_until(lambda: query(daemon.database, "SELECT * FROM bans"), "a ban that is over")
    daemon.kill()
    daemon.start()
    fail(journal, ONE, 2)
    wait_until(lambda: banned(daemon, SET, ONE), "the second ban")
    (before,) = asked(daemon, "status", "sshd")["bans"]
    assert before["offence"] == 2
    assert DAY < before["until"] - before["start"] < DAY + HOUR
    assert left(daemon, SET, ONE) == pytest.approx(before["until"] - before["start"], abs=10)
    daemon.kill()
    daemon.start()
    (after,) = asked(daemon, "status", "sshd")["bans"]
    assert after == before
