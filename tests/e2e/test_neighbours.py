"""The wall beside others who change the firewall of the same server: fail2ban, firewalld, a second f2b."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.outcome import TABLE, asked, banned, elements
from tests.e2e.scenes import MAIL, ONE, SET, THREE, TWO, ban
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.neighbours import Fail2ban, Firewalld
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

OTHER = "other-table"
THEIRS = f"table inet {TABLE}"


def told(daemon: Daemon) -> int:
    """How often the daemon has seen somebody at its wall."""
    return len(re.findall(r"changed the wall|removed .* from the wall", daemon.log.read_text()))


def wall(server: Namespace, table: str = TABLE) -> str:
    """All that stands there, without the bans and what is left of them."""
    listed = server.run(["nft", "--stateless", "list", "table", "inet", table])
    return re.sub(r"elements = \{[^}]*\}", "", listed)


def lines(server: Namespace) -> set[str]:
    """What stands in the whole ruleset. On a slow machine fail2ban starts its action twice, with the same rule."""
    return set(server.run(["nft", "list", "ruleset"]).splitlines())


@pytest.fixture
def fail2ban(tmp_path: Path, server: Namespace) -> Iterator[Fail2ban]:
    with closing(Fail2ban(tmp_path, server)) as neighbour:
        yield neighbour


@pytest.fixture
def elsewhere(tmp_path: Path, server: Namespace, journal: Journal) -> Iterator[Daemon]:
    """f2b with another table; not started."""
    settings = {"table": OTHER}
    made = Daemon(tmp_path / "g2b", journal.folder, server, jails=THREE, settings=settings)
    with closing(made):
        yield made


def test_the_table_of_a_running_fail2ban_is_not_touched(
    daemon: Daemon, fail2ban: Fail2ban, server: Namespace
) -> None:
    theirs = {TWO, "reject"}
    fail2ban.start()
    fail2ban.client("set", "sshd", "banip", TWO)
    wait_until(lambda: theirs <= set(" ".join(lines(server)).split()), "fail2ban's ban")
    before = lines(server)
    daemon.start(ready=False)
    assert daemon.process
    assert daemon.process.wait(15) == 78
    said = daemon.log.read_text()
    assert f"the nftables table inet {TABLE} is not f2b's; fail2ban uses the same name" in said
    assert "--takeover" in said
    assert "`table =`" in said
    assert lines(server) == before
    fail2ban.stop()
    daemon.start()


def test_beside_fail2ban_with_tables_of_their_own(
    elsewhere: Daemon, fail2ban: Fail2ban, server: Namespace, journal: Journal
) -> None:
    def theirs() -> str:
        return server.run(["nft", "list", "table", "inet", TABLE], check=False)

    elsewhere.start()
    ban(elsewhere, journal, table=OTHER)
    ours = wall(server, OTHER)
    fail2ban.start()
    for turn in ("first", "second"):
        fail2ban.client("set", "sshd", "banip", TWO)
        wait_until(lambda: TWO in theirs(), f"fail2ban's ban, {turn} time")
        assert (SET, ONE) in elements(server, OTHER)
        server.run(["nft", "flush", "set", "inet", OTHER, SET])
        wait_until(lambda: (SET, ONE) in elements(server, OTHER), "our ban again", 1)
        assert TWO in theirs(), "our mending does not touch fail2ban's"
        elsewhere.cli("reload")
        fail2ban.client("unban", "--all")
        wait_until(lambda: TWO not in theirs(), "fail2ban's flush")
        fail2ban.client("reload", "--restart", "--all")
    fail2ban.stop()
    wait_until(lambda: not theirs(), "fail2ban's end")
    assert wall(server, OTHER) == ours
    assert told(elsewhere) == 2, "it was only the test"
    fail2ban.start()
    elsewhere.cli("unban", ONE)
    assert elsewhere.stop() == 0
    assert fail2ban.client("set", "sshd", "banip", TWO)
    wait_until(lambda: TWO in theirs(), "fail2ban without us")


def test_a_fail2ban_that_comes_to_our_table_gets_nowhere(
    daemon: Daemon, fail2ban: Fail2ban, journal: Journal
) -> None:
    """Its bans are not ours: each is taken out again, and the log says who it was."""
    daemon.start()
    ban(daemon, journal)
    held, ours = elements(daemon.namespace).keys(), wall(daemon.namespace)
    fail2ban.start()
    fail2ban.client("set", "sshd", "banip", TWO)
    fail2ban.client("set", "sshd", "unbanip", ONE)
    fail2ban.stop()
    time.sleep(1)
    assert elements(daemon.namespace).keys() == held
    assert wall(daemon.namespace) == ours
    assert re.search(r"nft \(process \d+\) changed the wall", daemon.log.read_text())


def test_a_table_that_is_taken_over_is_told_until_it_is_free(
    daemon: Daemon, journal: Journal, server: Namespace
) -> None:
    daemon.start()
    ban(daemon, journal)
    server.run(
        ["nft", "-f", "-"], stdin=f"delete {THEIRS}\n{THEIRS} {{\nchain theirs {{\n}}\n}}\n"
    )

    def degraded() -> str:
        return str(asked(daemon, "status")["degraded"])

    wait_until(lambda: "is not f2b's; fail2ban uses the same name" in degraded(), "the word")
    wait_until(lambda: not asked(daemon)["sshd"][0]["enforced"], "the ban as not enforced")
    time.sleep(2)
    assert "theirs" in server.run(["nft", "list", "ruleset"])
    assert SET not in server.run(["nft", "list", "ruleset"])
    assert daemon.cli("ban", "sshd", TWO, check=False).returncode != 0
    server.run(["nft", "delete", *THEIRS.split()])
    wait_until(lambda: banned(daemon, SET, ONE) and banned(daemon, SET, TWO), "the wall", 1)
    wait_until(lambda: degraded() == "[]", "all well")
    assert "works again, every ban is enforced" in daemon.log.read_text()


def test_a_second_f2b_is_told_whose_table_it_is(
    tmp_path: Path, daemon: Daemon, server: Namespace, journal: Journal
) -> None:
    daemon.start()
    ban(daemon, journal)
    mark = re.search(r'comment "f2b (.*)"', server.run(["nft", "list", "ruleset"]))
    assert mark
    with closing(Daemon(tmp_path / "b", journal.folder, server, jails=MAIL)) as second:
        second.start(ready=False)
        assert second.process
        assert second.process.wait(15) == 78
        said = second.log.read_text()
        assert f"belongs to another f2b (instance {mark[1]!r})" in said
        assert "`table =`" in said
    assert banned(daemon, SET, ONE)
    assert told(daemon) == 0


def test_firewalld_reloads_beside_us(
    tmp_path: Path, daemon: Daemon, journal: Journal, server: Namespace
) -> None:
    daemon.start()
    ban(daemon, journal)
    ours = wall(server)
    with closing(Firewalld(tmp_path, server)) as firewalld:
        firewalld.start()
        wait_until(lambda: "firewalld" in server.run(["nft", "list", "tables"]), "its table")
        for command in ("--reload", "--complete-reload", "--panic-on", "--panic-off"):
            firewalld.client(command)
            assert wall(server) == ours
            assert banned(daemon, SET, ONE)
        server.run(["nft", "flush", "chain", "inet", TABLE, "jail-sshd"])
        wait_until(lambda: told(daemon), "the mending", 1)
        wait_until(lambda: wall(server) == ours, "the wall", 1)
        assert "filter_INPUT_ZONES" in server.run(["nft", "list", "table", "inet", "firewalld"])
        firewalld.stop()
        wait_until(lambda: "firewalld" not in server.run(["nft", "list", "tables"]), "its end")
    assert banned(daemon, SET, ONE)
    assert told(daemon) == 1, "it was only the test"
