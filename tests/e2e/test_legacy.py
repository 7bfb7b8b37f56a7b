"""The daemon on a kernel that can do nothing but iptables-legacy."""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.e2e.scenes import MAIL, ONE, SIX, THREE, TWO, mail
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


def rules(server: Namespace) -> str:
    return server.run(["iptables-legacy-save"]) + server.run(["ip6tables-legacy-save"])


def status(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(daemon.cli("status", "--json").stdout)
    return found


@pytest.fixture
def confined(tmp_path: Path, server: Namespace, journal: Journal) -> Iterator[Daemon]:
    """A daemon that can do nothing but iptables-legacy."""
    if not shutil.which("iptables-legacy-save"):
        pytest.skip("iptables-legacy is not here")
    jails = THREE.replace("bantime = 1h", "bantime = 3s")
    module = "tests.support.seccomp"
    with Daemon(tmp_path / "f2b", journal.folder, server, jails=jails, module=module) as daemon:
        yield daemon


def test_a_lock_that_another_keeps_is_told_and_outlived(
    confined: Daemon, server: Namespace, tmp_path: Path
) -> None:
    confined.stop()
    confined.start(environment={"XTABLES_LOCKFILE": str(tmp_path / "lock")})
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        confined.cli("ban", TWO, check=False)
        wait_until(
            lambda: "holding the xtables lock" in str(status(confined)["degraded"]), "trouble"
        )
        (row,) = json.loads(confined.cli("status", "custom", "--json").stdout)["bans"]
        assert row["enforced"] is False
        assert "holding the xtables lock" in row["why"]
        assert TWO not in rules(server)
    wait_until(lambda: f"-s {TWO}/32 -j DROP" in rules(server), "the ban", 20)
    wait_until(lambda: not status(confined)["degraded"], "works again")
    assert "works again, every ban is enforced" in confined.log.read_text()


@pytest.mark.slow
def test_half_a_minute_without_the_lock_delays_nothing_else(
    confined: Daemon, server: Namespace, journal: Journal, tmp_path: Path
) -> None:
    confined.stop()
    note = tmp_path / "note"
    (confined.config / "action.d").mkdir(exist_ok=True)
    (confined.config / "action.d/note.conf").write_text(
        "[Definition]\nactionban = echo <ip> >> <file>\n"
    )
    noting = f"{MAIL}action = %(action_)s\n  note[file={note}]\n"
    confined.jails.write_text(THREE + noting)
    confined.start(environment={"XTABLES_LOCKFILE": str(tmp_path / "lock")})
    times, degraded = [], ""
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        until = time.monotonic() + 30
        fail(journal, ONE, 3)
        mail(journal, TWO, 2)
        wait_until(lambda: note.exists() and note.read_text() == f"{TWO}\n", "the command", 5)
        while time.monotonic() < until:
            began = time.monotonic()
            degraded = str(status(confined)["degraded"])
            times.append(time.monotonic() - began)
            time.sleep(0.5)
        assert "holding the xtables lock" in degraded
        fail(journal, SIX, 3)
        (row,) = json.loads(confined.cli("status", "mail", "--json").stdout)["bans"]
        assert "holding the xtables lock" in row["why"]
        assert f"-s {ONE}/32" not in rules(server)
    assert max(times) < 5, "who waits for the tool waits five seconds"
    assert median(times) < 1
    for address in (f"{ONE}/32", f"{TWO}/32", "2001:db8:7::/64"):
        wait_until(lambda a=address: f"-s {a} -j DROP" in rules(server), "the bans", 35)  # type: ignore[misc]
    wait_until(lambda: not status(confined)["degraded"], "works again")


def test_what_others_changed_is_told(confined: Daemon, server: Namespace) -> None:
    confined.cli("ban", "custom", TWO)
    lost = "*raw\n-F f2b-jail-custom\n-D PREROUTING -j f2b-chain\nCOMMIT\n"
    server.run(["iptables-legacy-restore", "--noflush"], stdin=lost)
    confined.cli("reload")
    wait_until(lambda: f"-s {TWO}/32 -j DROP" in rules(server), "the ban")
    wait_until(
        lambda: (
            "somebody changed the wall, it was put right: chain f2b-jail-custom in raw (IPv4), "
            "the jump from PREROUTING in raw (IPv4)" in confined.log.read_text()
        ),
        "the word",
    )


def test_no_ipv6_in_the_kernel_is_noticed(
    confined: Daemon, server: Namespace, journal: Journal
) -> None:
    confined.stop()
    server.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
    confined.module = "tests.support.without_ipv6"
    confined.start()
    assert status(confined)["backend"] == "iptables-legacy, and the kernel has no IPv6"
    fail(journal, ONE, 3)
    fail(journal, SIX, 3)
    wait_until(lambda: f"-s {ONE}/32 -j DROP" in rules(server), "a ban")
    confined.cli("ban", SIX)
    assert status(confined)["degraded"] == []
    assert "2001:db8:7:" not in rules(server)


def test_ipv6_that_is_only_switched_off_is_guarded_too(
    confined: Daemon, server: Namespace
) -> None:
    """It can be switched on at any time."""
    server.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
    for module in ("tests.support.seccomp", "f2b"):
        confined.stop()
        confined.module = module
        confined.start()
        confined.cli("ban", "custom", SIX)
        assert status(confined)["degraded"] == []
        ruleset = rules(server) + server.run(["nft", "list", "ruleset"])
        assert "2001:db8:7:" in ruleset


def test_bans_end_where_the_kernel_knows_no_time(
    confined: Daemon, server: Namespace, journal: Journal
) -> None:
    daemon = confined
    fail(journal, ONE, 3)
    fail(journal, SIX, 3)
    wait_until(lambda: f"-s {ONE}/32 -j DROP" in rules(server), "a ban")
    wait_until(lambda: "-s 2001:db8:7::/64 -j DROP" in rules(server), "a ban of a network")
    wait_until(lambda: "-j DROP" not in rules(server), "the end of the bans")
    told = status(daemon)
    assert told["backend"] == "iptables-legacy"
    assert told["backend_why"].startswith("nftables: this kernel has no nf_tables")
    assert "the wall is iptables-legacy, because of nftables: this" in daemon.log.read_text()
    assert "not a better backend because of nftables" in daemon.cli("status").stdout
    daemon.cli("ban", TWO)
    assert f"-s {TWO}/32 -j DROP" in rules(server)
    assert daemon.stop() == 0
    assert f"-s {TWO}/32 -j DROP" in rules(server)

    # On a better kernel the bans move, and nothing stays behind.
    daemon.module = "f2b"
    daemon.start()
    assert "backend_why" not in status(daemon)
    assert "f2b" not in rules(server)
    assert TWO in server.run(["nft", "list", "table", "inet", "f2b-table"])
    assert daemon.stop() == 0
    daemon.module = "tests.support.seccomp"
    daemon.start()
    assert f"-s {TWO}/32 -j DROP" in rules(server)
    assert daemon.stop() == 0
    assert daemon.cli("flush").stdout.count("Removed") == 2
    assert "f2b" not in rules(server)
