"""The daemon on a kernel that can do nothing but iptables-legacy."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scenes import ONE, SIX, THREE, TWO
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
