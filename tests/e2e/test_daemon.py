"""The life of a daemon, seen from outside: the journal in front of it, the kernel behind it."""

import json
import re
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.scenes import (
    HOUR,
    MAIL,
    ONE,
    SET,
    SET6,
    SIX,
    THREE,
    TWO,
    ban,
    left,
    mail,
)
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


def test_a_ban_comes_within_a_second(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 2)
    fail(journal, SIX)
    fail(journal, "2001:db8:7::2")
    wait_until(lambda: asked(daemon, "status", "sshd")["found"] == 4, "four failures")
    assert elements(daemon.namespace) == {}
    before = time.monotonic()
    fail(journal, ONE)
    wait_until(lambda: banned(daemon, SET, ONE), "the ban", 5)
    assert time.monotonic() - before < 1.5
    fail(journal, "2001:db8:7::3")
    wait_until(lambda: banned(daemon, SET6, "2001:db8:7::"), "the ban of a /64")
    assert left(daemon, SET, ONE) == pytest.approx(HOUR, abs=10)
    said = daemon.log.read_text()
    assert said.count(f"[sshd] Found {ONE}\n") == 3
    assert said.count(f"[sshd] Ban {ONE}\n") == 1
    assert said.count("[sshd] Ban 2001:db8:7::/64\n") == 1


def test_what_was_logged_while_it_was_down_counts(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 2)
    wait_until(lambda: asked(daemon, "status", "sshd")["found"] == 2, "two failures")
    daemon.stop()
    fail(journal, ONE)
    fail(journal, TWO, 3)
    daemon.start()
    wait_until(lambda: len(elements(daemon.namespace)) == 2, "both bans")
    assert len(query(daemon.database, "SELECT * FROM failures")) == 6


def test_the_first_start_reads_the_past(daemon: Daemon, journal: Journal) -> None:
    fail(journal, TWO, 3, ago=2 * HOUR)
    fail(journal, ONE, 3, ago=HOUR / 2)
    daemon.start()
    wait_until(lambda: banned(daemon, SET, ONE), "a ban from the past")
    assert left(daemon, SET, ONE) == pytest.approx(HOUR / 2, abs=10)
    fail(journal, TWO)
    wait_until(
        lambda: query(daemon.database, "SELECT * FROM failures WHERE offender = ?", TWO),
        "one failure",
    )
    assert not banned(daemon, SET, TWO), "what is older than findtime does not count"


def test_a_wall_that_somebody_took_down_is_put_up_again(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    daemon.namespace.run(["nft", "flush", "ruleset"])
    wait_until(lambda: banned(daemon, SET, ONE), "the ban before")
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "a ban")
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "the end of degraded")


# --- service manager ----------------------------------------------------------------------------


def test_what_it_tells_its_service_manager(daemon: Daemon, journal: Journal) -> None:
    daemon.start(environment={"WATCHDOG_USEC": "500000"})
    wait_until(lambda: daemon.notified().count("WATCHDOG=1") >= 3, "the watchdog's food", 5)
    ban(daemon, journal)
    wait_until(lambda: "STATUS=2 jails, 1 banned, 3 entries read" in daemon.notified(), "STATUS=")
    daemon.cli("reload")
    told = daemon.notified()
    assert told.index("RELOADING=1") < len(told) - 1 - told[::-1].index("READY=1")
    assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in told)
    assert daemon.stop() == 0
    assert "STOPPING=1" in daemon.notified()


def test_it_tells_why_it_could_not_start(daemon: Daemon) -> None:
    (daemon.config / "f2b.local").write_text("[Definition]\ntable = a b\n")
    daemon.start(ready=False)
    assert daemon.process
    assert daemon.process.wait(10) == 78
    told = daemon.notified()
    assert any(line.startswith("STATUS=f2b.local:2: table needs") for line in told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_keeps_the_wall(daemon: Daemon, journal: Journal, number: int) -> None:
    daemon.start()
    ban(daemon, journal)
    before = elements(daemon.namespace)
    assert daemon.process
    daemon.process.send_signal(number)
    assert daemon.process.wait(10) == 0
    assert elements(daemon.namespace).keys() == before.keys()
    time.sleep(1)
    daemon.start()
    assert elements(daemon.namespace)[SET, ONE] == pytest.approx(before[SET, ONE], abs=2.5)
    assert asked(daemon)["sshd"][0]["enforced"] is True
    assert daemon.log.read_text().count(f"[sshd] Ban {ONE}") == 1


def test_a_restart_after_a_reboot_restores(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    daemon.cli("ban", "-t", "-1", "203.0.113.0/24")
    before = elements(daemon.namespace)
    daemon.kill()
    daemon.namespace.run(["nft", "flush", "ruleset"])
    daemon.start()
    after = elements(daemon.namespace)
    assert after.keys() == before.keys()
    assert after[SET, ONE] == pytest.approx(before[SET, ONE], abs=2.5)
    assert after["addr-set-custom-24", "203.0.113.0"] is None


def test_onstop_lift(daemon: Daemon, journal: Journal) -> None:
    with (daemon.config / "f2b.local").open("a") as settings:
        settings.write("onstop = lift\n")
    daemon.start()
    ban(daemon, journal)
    assert daemon.stop() == 0
    assert daemon.namespace.run(["nft", "list", "ruleset"]) == ""
    daemon.start()
    assert banned(daemon, SET, ONE), "the memory has it still"


# --- broken jails -------------------------------------------------------------------------------


def test_one_broken_jail_does_not_stop_the_others(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(THREE + MAIL)
    daemon.start()
    mail(journal, ONE, 2)
    wait_until(lambda: banned(daemon, "addr-set-mail", ONE), "a ban of the jail that will break")
    daemon.stop()
    daemon.jails.write_text(THREE + MAIL.replace("<HOST>", "<HOST>("))
    daemon.start()
    assert banned(daemon, "addr-set-mail", ONE), "its earlier bans stay"
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "a ban of the jail that works")
    status = asked(daemon, "status")
    (row,) = (row for row in status["jails"] if row["name"] == "mail")
    assert row["broken"].startswith("jail.d/test.conf:")
    assert "bad regex" in row["broken"]
    assert any("jail mail: " in why for why in status["degraded"])
    assert "BROKEN: jail.d/test.conf:" in daemon.cli("status").stdout
    assert asked(daemon)["mail"][0]["offender"] == ONE
    mail(journal, "198.18.0.5", 2)
    fail(journal, "198.18.0.6")
    wait_until(lambda: asked(daemon, "status", "sshd")["found"] == 4, "a later entry")
    daemon.jails.write_text(THREE + MAIL)
    daemon.cli("reload")
    wait_until(
        lambda: banned(daemon, "addr-set-mail", "198.18.0.5"),
        "what was logged while it was broken",
    )
    assert asked(daemon, "status")["degraded"] == []


# --- catching up --------------------------------------------------------------------------------


def past(journal: Journal, hosts: int, times: int) -> None:
    """Within the last minutes, one after the other."""
    for number in range(hosts * times):
        host = number // times
        journal.add(
            time.time() - HOUR / 2 + number / 100,
            _COMM="smtpd", SYSLOG_IDENTIFIER="smtpd", _PID=7,
            MESSAGE=f"bad login from 10.{host >> 8}.{host & 255}.1",
        )  # fmt: skip
    journal.flush()


def test_a_long_past_holds_nobody_up(daemon: Daemon, journal: Journal) -> None:
    """READY does not wait for it, live entries do not, and status shows how far it is."""
    past(journal, 10_000, 3)
    daemon.jails.write_text(THREE + MAIL)
    daemon.start()
    before = time.monotonic()
    progress = asked(daemon, "status", "mail")["catching_up"]
    assert progress is not None
    assert 0 <= progress < 1
    assert "catching up, " in daemon.cli("status").stdout
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a live ban")
    assert time.monotonic() - before < 3
    wait_until(
        lambda: asked(daemon, "status", "mail")["catching_up"] is None, "the end of the past", 60
    )
    wait_until(lambda: asked(daemon, "status", "mail")["banned"] == 10_000, "all bans", 20)
    wait_until(lambda: len(elements(daemon.namespace)) == 10_001, "all bans in the kernel")


def test_a_catch_up_that_was_killed_is_done_again(daemon: Daemon, journal: Journal) -> None:
    past(journal, 2500, 3)
    daemon.jails.write_text(THREE + MAIL)
    daemon.start()
    wait_until(
        lambda: query(daemon.database, "SELECT * FROM failures LIMIT 1"), "the begin of the past"
    )
    daemon.kill()
    assert 0 < len(query(daemon.database, "SELECT * FROM failures")) < 7500
    daemon.start()
    wait_until(
        lambda: len(query(daemon.database, "SELECT * FROM failures")) == 7500, "the whole past", 30
    )
    wait_until(lambda: len(elements(daemon.namespace)) == 2500, "all bans in the kernel")
    assert query(daemon.database, "SELECT DISTINCT offence, failures FROM bans") == [(1, 2)]


# --- two daemons --------------------------------------------------------------------------------


def test_two_daemons_on_one_database(daemon: Daemon, journal: Journal, tmp_path: Path) -> None:
    daemon.start()
    ban(daemon, journal)
    settings = {"dbfile": str(daemon.database)}
    with Namespace() as elsewhere:
        second = Daemon(
            tmp_path / "second", journal.folder, elsewhere, jails=THREE, settings=settings
        )
        try:
            second.start(ready=False)
            assert second.process
            assert second.process.wait(10) == 78
        finally:
            second.close()
    assert second.log.read_text().count("\n") == 1
    assert f"another f2b is running on {daemon.database}" in second.log.read_text()
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "the first goes on")


def test_two_daemons_on_one_wall(daemon: Daemon, journal: Journal, tmp_path: Path) -> None:
    daemon.start()
    ban(daemon, journal)
    second = Daemon(tmp_path / "second", journal.folder, daemon.namespace, jails=THREE)
    try:
        second.start(ready=False)
        assert second.process
        assert second.process.wait(10) == 78
        assert "belongs to another f2b" in second.log.read_text()
        assert "--takeover" in second.log.read_text()
        assert banned(daemon, SET, ONE)
        (second.config / "f2b.d").mkdir()
        (second.config / "f2b.d/table.local").write_text("[Definition]\ntable = second\n")
        second.start()
        wait_until(
            lambda: (SET, ONE) in elements(daemon.namespace, "second"), "the second one's ban"
        )
        assert banned(daemon, SET, ONE)
    finally:
        second.close()


def test_takeover(daemon: Daemon, journal: Journal) -> None:
    daemon.namespace.run(["nft", "add", "table", "inet", "f2b-table"])
    daemon.namespace.run(["nft", "add", "chain", "inet", "f2b-table", "theirs"])
    daemon.start("--takeover")
    ban(daemon, journal)
    assert "theirs" not in daemon.namespace.run(["nft", "list", "ruleset"])


def test_a_socket_left_by_a_crash_is_taken(daemon: Daemon) -> None:
    daemon.start()
    daemon.kill()
    assert (daemon.folder / "f2b.sock").is_socket()
    daemon.start()
    assert daemon.cli("ping").returncode == 0
    daemon.stop()
    assert not (daemon.folder / "f2b.sock").exists()


def test_a_client_that_says_nonsense_or_nothing(daemon: Daemon) -> None:
    daemon.start()
    path = str(daemon.folder / "f2b.sock")
    wrong = b'{"version":1,"command":"ban","addresses":7}\n'
    for text in (b"hello\n", b"{}\n", b"[" * 100_000 + b"\n", wrong, b"\xff\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(path)
            client.sendall(text)
            with client.makefile("rb") as answers:
                assert json.loads(answers.readline())["ok"] is False
    silent = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        silent.append(client)
    assert daemon.cli("ping").returncode == 0
    for client in silent:
        client.close()
    assert "Traceback" not in daemon.log.read_text()


def test_its_files_are_its_own(daemon: Daemon) -> None:
    """What offenders and admins did is not for everybody's eyes."""
    daemon.start()
    modes = {path.name: path.stat().st_mode & 0o077 for path in daemon.folder.glob("f2b.sqlite3*")}
    assert modes == dict.fromkeys(modes, 0)
    with closing(sqlite3.connect(daemon.database)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
