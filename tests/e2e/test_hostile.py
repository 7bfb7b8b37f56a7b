"""Whoever attacks writes the log: lines that would keep a regex busy for years cost nobody a ban."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.lives import place
from tests.e2e.outcome import asked, banned, query
from tests.e2e.scenes import MAIL, ONE, TWO, mail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.hostile import TRAPS
from tests.support.journald import Journald
from tests.support.netns import Namespace
from tests.support.processes import children, wait_until

pytestmark = pytest.mark.root

DOMINO = TRAPS["domino"]
TRAPPED = f"""\
[trapped]
enabled = true
maxretry = 3
findtime = 1h
bantime = 1h
filter =
failregex = {DOMINO.failregex}
            plainly bad <HOST>$
journalmatch = SYSLOG_IDENTIFIER=domino

"""
JAILS = TRAPPED + MAIL
WITHOUT = "tests.e2e.without_sieve"
"""Else it would depend on the moment whether these lines reach a regex."""
SET, MAIL_SET = "addr-set-trapped", "addr-set-mail"


def say(journal: Journal, *lines: str) -> None:
    for line in lines:
        journal.add(time.time(), SYSLOG_IDENTIFIER="domino", _COMM="domino", MESSAGE=line)
    journal.flush()


def ordinary(address: str) -> str:
    return DOMINO.ordinary.replace("192.0.2.7", address)


def lane(daemon: Daemon) -> list[int]:
    """The process ids of the slow lane; none while one has died and the next is not there yet."""
    found = []
    for child in children(asked(daemon, "ping")["pid"]):
        with contextlib.suppress(OSError):
            if b"f2b.detect.lane" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def slow(daemon: Daemon) -> dict[str, object]:
    answer: dict[str, object] = asked(daemon, "status", "trapped")["slow_lane"]
    return answer


@pytest.fixture
def trapped(tmp_path: Path, server: Namespace, journal: Journal) -> Daemon:
    return Daemon(tmp_path / "f2b", journal.folder, server, jails=JAILS, module=WITHOUT)


def test_after_three_hostile_lines_an_ordinary_attack_is_banned(
    tmp_path: Path, server: Namespace
) -> None:
    """Through journald, as an attacker's words come."""
    with (
        Journald(tmp_path) as journald,
        Daemon(
            tmp_path / "f2b", journald.journal, server, jails=TRAPPED, module=WITHOUT
        ) as daemon,
    ):
        for line in [DOMINO.hostile] * 3 + [ordinary(ONE)] * 3:
            journald.run(["logger", "-t", "domino", "--", line])
        wait_until(lambda: banned(daemon, SET, ONE), "the ban", 20)
        said = daemon.log.read_text()
        shown = daemon.cli("status", "trapped").stdout
        (regex,) = asked(daemon, "status", "trapped")["slow_lane"]["quarantined"]
    place = "jail.d/test.conf:7"
    assert regex["regex"] == place
    assert f"slow regex at {place}: quarantined for" in shown
    assert said.count(f"[trapped] the regex at {place} takes too long: quarantined") == 1
    assert "user user" not in said


def test_nobody_waits_for_hostile_lines(trapped: Daemon, journal: Journal) -> None:
    """While hundreds of them wait: other jails, other regexes of this one, and the admin."""
    with trapped as daemon:
        say(journal, *[DOMINO.hostile] * 300, *[f"plainly bad {ONE}"] * 3)
        mail(journal, TWO, 2)
        wait_until(lambda: banned(daemon, SET, ONE), "the ban by another regex", 20)
        wait_until(lambda: banned(daemon, MAIL_SET, TWO), "another jail's ban", 20)
        assert int(str(slow(daemon)["waiting"])) > 200
        assert len(lane(daemon)) <= 1
        assert any("trapped: the regex at" in why for why in asked(daemon, "status")["degraded"])


def test_a_kill_loses_nothing_that_waits_in_the_slow_lane(
    trapped: Daemon, journal: Journal
) -> None:
    with trapped as daemon:
        # Ten hostile lines keep the lane busy for seconds; what comes after them is decided and stored meanwhile.
        say(journal, *[DOMINO.hostile] * 10, *[ordinary(ONE)] * 2)
        mail(journal, TWO, 2)
        wait_until(lambda: banned(daemon, MAIL_SET, TWO), "what is decided at once")
        assert query(daemon.database, "SELECT * FROM failures WHERE jail = 'trapped'") == []
        wait_until(lambda: lane(daemon), "the lane")
        processes = lane(daemon)
        daemon.kill()
        wait_until(
            lambda: not any(Path(f"/proc/{each}").exists() for each in processes), "its end", 5
        )
        daemon.start()
        say(journal, ordinary(ONE))
        wait_until(lambda: banned(daemon, SET, ONE), "the ban", 20)
        found = query(daemon.database, "SELECT jail, count(*) FROM failures GROUP BY 1 ORDER BY 1")
        assert found == [("mail", 2), ("trapped", 3)]
        assert query(daemon.database, "SELECT count(*) FROM bans") == [(2,)]
        wait_until(lambda: slow(daemon)["waiting"] == 0, "an empty lane", 20)
        end = journal.added
        wait_until(lambda: place(daemon) == end, "the position at the end", 10)


def test_the_lane_may_be_killed_from_outside(trapped: Daemon, journal: Journal) -> None:
    with trapped as daemon:
        say(journal, *[DOMINO.hostile] * 6, *[ordinary(ONE)] * 3)
        wait_until(lambda: lane(daemon), "the lane")
        for _ in range(3):
            for child in lane(daemon):
                os.kill(child, signal.SIGKILL)
            time.sleep(0.1)
        wait_until(lambda: banned(daemon, SET, ONE), "the ban", 20)


def test_the_past_is_hostile_too(trapped: Daemon, journal: Journal) -> None:
    """At the first start, from before the daemon ran."""
    say(journal, *[DOMINO.hostile] * 5, *[ordinary(ONE)] * 3)
    with trapped as daemon:
        wait_until(lambda: banned(daemon, SET, ONE), "a ban from the past", 20)


def test_a_reload_lets_go_of_what_waits(trapped: Daemon, journal: Journal) -> None:
    with trapped as daemon:
        say(journal, *[DOMINO.hostile] * 20, *[ordinary(ONE)] * 3)
        wait_until(lambda: lane(daemon), "the lane")
        daemon.jails.write_text(TRAPPED.replace("(?:\\w+ ?)+:", "[\\w ]+:") + MAIL)
        daemon.cli("reload")
        wait_until(lambda: banned(daemon, SET, ONE), "the ban by the mended regex", 20)
        wait_until(lambda: slow(daemon)["quarantined"] == [], "the end of the quarantine", 5)


def test_a_sieve_rules_hostile_lines_out(
    tmp_path: Path, server: Namespace, journal: Journal
) -> None:
    with Daemon(tmp_path / "f2b", journal.folder, server, jails=TRAPPED) as daemon:
        wait_until(lambda: asked(daemon, "status")["sieve"], "the sieve")
        say(journal, *[DOMINO.hostile] * 20, *[ordinary(ONE)] * 3)
        wait_until(lambda: banned(daemon, SET, ONE), "the ban", 20)
        assert slow(daemon)["quarantined"] == []
        assert lane(daemon) == []
