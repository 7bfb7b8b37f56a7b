"""A reload keeps what is kept, and all or nothing of the new configuration holds."""

import json
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.scenes import (
    DAY,
    HOUR,
    MAIL,
    ONE,
    SET,
    THREE,
    TWO,
    ban,
    left,
    mail,
)
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


def hang_up(daemon: Daemon) -> None:
    assert daemon.process
    before = daemon.log.read_text().count("reloaded: ")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.log.read_text().count("reloaded: ") > before, "a reload")


def command(daemon: Daemon) -> None:
    daemon.cli("reload")


@pytest.fixture(params=[hang_up, command])
def reload(request: pytest.FixtureRequest) -> object:
    return request.param


def test_a_reload_keeps_bans_and_counts(daemon: Daemon, journal: Journal, reload: object) -> None:
    assert callable(reload)
    daemon.start()
    ban(daemon, journal)
    fail(journal, TWO, 2)
    wait_until(lambda: asked(daemon, "status", "sshd")["found"] == 5, "five failures")
    before = elements(daemon.namespace)
    daemon.jails.write_text(
        THREE.replace("bantime = 1h", "bantime = 1d").replace("maxretry = 3", "maxretry = 4")
    )
    reload(daemon)
    now = asked(daemon, "status", "sshd")
    assert (now["maxretry"], now["bantime"], now["banned"], now["failing"]) == (4, DAY, 1, 1)
    assert elements(daemon.namespace)[SET, ONE] == pytest.approx(before[SET, ONE], abs=2.5)
    fail(journal, TWO, 2)
    wait_until(lambda: banned(daemon, SET, TWO), "a ban by the new rule")
    assert left(daemon, SET, TWO) == pytest.approx(DAY, abs=10)


def test_a_reload_adds_and_removes_jails(daemon: Daemon, journal: Journal, reload: object) -> None:
    assert callable(reload)
    daemon.start()
    ban(daemon, journal)
    mail(journal, TWO, 2, ago=60)
    daemon.jails.write_text("[sshd]\nenabled = false\n" + MAIL)
    reload(daemon)
    wait_until(lambda: banned(daemon, "addr-set-mail", TWO), "a ban from the past of the new jail")
    assert left(daemon, "addr-set-mail", TWO) == pytest.approx(HOUR - 60, abs=10)
    wait_until(
        lambda: SET not in daemon.namespace.run(["nft", "list", "sets"]),
        "the end of the old jail's sets",
    )
    assert [row["name"] for row in asked(daemon, "status")["jails"]] == ["custom", "mail"]
    mail(journal, "198.18.0.3", 2)
    wait_until(lambda: banned(daemon, "addr-set-mail", "198.18.0.3"), "a ban by the new jail")
    fail(journal, "198.18.0.4", 3)
    mail(journal, "198.18.0.6")
    wait_until(lambda: asked(daemon, "status", "mail")["found"] == 5, "a later entry")
    # The jail comes back: it remembers, and reads what was logged meanwhile.
    daemon.jails.write_text(THREE + MAIL)
    reload(daemon)
    wait_until(
        lambda: banned(daemon, SET, "198.18.0.4"), "what was logged while the jail was away"
    )


def test_a_reload_lifts_who_is_ignored_now(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    ban(daemon, journal, TWO)
    daemon.jails.write_text(THREE + f"ignoreip = {ONE}\n")
    daemon.cli("reload")
    wait_until(lambda: not banned(daemon, SET, ONE), "the ban's end")
    assert banned(daemon, SET, TWO)


def test_a_reload_that_fails_changes_nothing(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    ruleset = daemon.namespace.run(["nft", "list", "ruleset"])
    before = asked(daemon, "status", "sshd")
    broken = THREE.replace("1h", "7h").replace("maxretry = 3", "maxretry = three") + MAIL.replace(
        "<HOST>", "("
    )
    daemon.jails.write_text(broken)
    done = daemon.cli("reload", check=False)
    assert done.returncode == 78
    assert "f2b: jail.d/test.conf:3: maxretry needs" in done.stderr
    assert "\nf2b: jail.d/test.conf:12: bad regex" in done.stderr
    assert done.stdout == ""
    assert daemon.process
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: "not reloaded, nothing has changed: " in daemon.log.read_text(), "a refusal"
    )
    assert "jail.d/test.conf:3" in daemon.log.read_text()
    after = asked(daemon, "status", "sshd")
    assert {**before, "bans": []} == {**after, "bans": []}
    assert _without_clocks(daemon.namespace.run(["nft", "list", "ruleset"])) == _without_clocks(
        ruleset
    )
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "a ban by the rules before")


def _without_clocks(ruleset: str) -> str:
    return re.sub(r"expires \S+", "", ruleset)


def test_a_reload_changes_the_daemons_settings(daemon: Daemon, journal: Journal) -> None:
    """All but those that need a restart, of which it warns."""
    daemon.start()
    ban(daemon, journal)
    with (daemon.config / "f2b.local").open("a") as settings:
        settings.write("onstop = lift\nloglevel = ERROR\ntable = other\n")
    assert daemon.cli("reload").stdout.splitlines() == [
        "warning: table takes effect at the next start",
        "Reloaded",
    ]
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "another ban")
    assert f"Ban {TWO}" not in daemon.log.read_text()
    assert daemon.stop() == 0
    assert daemon.namespace.run(["nft", "list", "ruleset"]) == ""


def test_reloads_that_read_the_past_again(daemon: Daemon, journal: Journal) -> None:
    """A changed filter looks at its past once more, while entries go on coming: none counts twice."""
    daemon.start()
    for number in range(100):
        fail(journal, f"198.18.1.{number}", 2)
        if number % 5 == 0:
            daemon.jails.write_text(f"{THREE}ignoreregex = nonsense {number}\n")
            hang_up(daemon)
    wait_until(
        lambda: asked(daemon, "status", "sshd")["catching_up"] is None, "the end of the past"
    )
    wait_until(
        lambda: len(query(daemon.database, "SELECT * FROM failures")) == 200, "all failures"
    )
    assert elements(daemon.namespace) == {}
    for number in range(100):
        fail(journal, f"198.18.1.{number}")
    wait_until(lambda: len(elements(daemon.namespace)) == 100, "all bans")
    assert query(daemon.database, "SELECT DISTINCT offence, failures FROM bans") == [(1, 3)]


def test_reloads_in_a_hurry(daemon: Daemon, journal: Journal) -> None:
    """Ten at once, while entries come: all are answered, nothing is lost or counted twice."""
    daemon.start()
    clients = [
        subprocess.Popen(
            daemon.namespace.command(daemon.cli_command("reload")),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(10)
    ]  # fmt: skip
    for number in range(100):
        fail(journal, f"198.18.1.{number}", 3)
        time.sleep(0.02)
    for client in clients:
        said, _ = client.communicate(timeout=20)
        assert client.returncode == 0, said
    wait_until(lambda: len(elements(daemon.namespace)) == 100, "all bans")
    assert len(query(daemon.database, "SELECT * FROM failures")) == 300
    assert query(
        daemon.database, "SELECT max(offence), min(failures), max(failures) FROM bans"
    ) == [(1, 3, 3)]


def test_a_jail_that_was_away_over_a_restart(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(THREE + MAIL)
    daemon.start()
    wait_until(
        lambda: len(query(daemon.database, "SELECT * FROM jails")) == 2, "the end of the past"
    )
    daemon.stop()
    daemon.jails.write_text(THREE)
    daemon.start()
    mail(journal, ONE, 2)
    ban(daemon, journal, TWO)
    daemon.stop()
    daemon.jails.write_text(THREE + MAIL)
    daemon.start()
    wait_until(lambda: banned(daemon, "addr-set-mail", ONE), "what was logged meanwhile")


def test_reloads_at_the_same_time_count_nothing_twice(daemon: Daemon, journal: Journal) -> None:
    eight = THREE + MAIL.replace("maxretry = 2", "maxretry = 8")
    daemon.jails.write_text(eight)
    daemon.start()
    mail(journal, ONE, 4)
    wait_until(lambda: asked(daemon, "status", "mail")["found"] == 4, "four failures")
    daemon.jails.write_text(THREE)
    daemon.cli("reload")
    daemon.jails.write_text(eight)
    clients = []
    for _ in range(6):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(daemon.folder / "f2b.sock"))
        client.sendall(b'{"version":1,"command":"reload"}\n')
        clients.append(client)
    for client in clients:
        with client, client.makefile("rb") as answers:
            assert json.loads(answers.readline())["ok"] is True
    mail(journal, ONE, 3)
    wait_until(
        lambda: len(query(daemon.database, "SELECT * FROM failures")) == 7, "seven failures"
    )
    time.sleep(0.3)
    assert asked(daemon)["mail"] == []
    mail(journal, ONE)
    wait_until(lambda: banned(daemon, "addr-set-mail", ONE), "the eighth")
