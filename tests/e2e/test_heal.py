"""Whatever others do to the firewall, the wall is whole again; the log says who it was."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, elements
from tests.e2e.scenes import ONE, SET, THREE, TWO, ban
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import end, mortal, wait_until

pytestmark = pytest.mark.root

TABLE = "inet f2b-table"
# What nftables.service loads at a reload: everything goes, in the transaction that brings its own.
RULESET = """flush ruleset
table inet filter {
    chain input { type filter hook input priority 0; ct state established accept; tcp dport 22 accept; }
}
"""
_TICKS = os.sysconf("SC_CLK_TCK")


def rules(daemon: Daemon) -> list[str]:
    text = daemon.namespace.run(["nft", "--stateless", "list", "table", *TABLE.split()])
    return re.findall(r"^\t\t.*(?:drop|return|jump .*)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "change",
    [
        "flush ruleset",
        RULESET,
        f"delete table {TABLE}",
        f"flush chain {TABLE} f2b-chain",
        f"flush chain {TABLE} jail-sshd\ndelete set {TABLE} addr-set-sshd",
        f"flush set {TABLE} addr-set-sshd",
        f"delete element {TABLE} addr-set-sshd {{ {ONE} }}",
    ],
    ids=["flush", "reload", "table", "chain", "set", "elements", "element"],
)
def test_the_wall_is_whole_within_a_second(daemon: Daemon, journal: Journal, change: str) -> None:
    daemon.start()
    ban(daemon, journal)
    for address in (TWO, "203.0.113.0/24", "2001:db8:99::/48"):
        daemon.cli("ban", "sshd", address, "--force")
    before, held = rules(daemon), elements(daemon.namespace).keys()
    daemon.namespace.run(["nft", "-f", "-"], stdin=change)
    time.sleep(1)
    assert elements(daemon.namespace).keys() == held
    assert len(held) == 4
    assert sorted(rules(daemon)) == sorted(before)
    said = daemon.log.read_text()
    assert re.search(r"nftables: nft \(process \d+\) (changed the wall|removed )", said)
    if "element " in change:
        assert (
            f"removed {ONE} of jail sshd from the wall, and it is put back: use f2b unban {ONE}"
            in said
        )
    if change is RULESET:
        assert "ct state established" in daemon.namespace.run(["nft", "list", "ruleset"])


def test_heal_structure_leaves_a_single_element_out(
    tmp_path: Path, server: Namespace, journal: Journal
) -> None:
    settings = {"heal": "structure"}
    with Daemon(
        tmp_path / "f2b", journal.folder, server, jails=THREE, settings=settings
    ) as daemon:
        ban(daemon, journal)
        daemon.cli("ban", "sshd", TWO)
        server.run(["nft", "delete", "element", *TABLE.split(), SET, f"{{ {ONE} }}"])
        wait_until(lambda: "leaves it out" in daemon.log.read_text(), "the hint")
        time.sleep(0.5)
        assert not banned(daemon, SET, ONE)
        rows = {row["offender"]: row for row in asked(daemon, "status", "sshd")["bans"]}
        assert rows[TWO]["enforced"]
        assert not rows[ONE]["enforced"]
        assert re.fullmatch(r"nft \(process \d+\) removed it from the wall", rows[ONE]["why"])
        server.run(["nft", "flush", "ruleset"])
        wait_until(lambda: banned(daemon, SET, ONE) and banned(daemon, SET, TWO), "the wall", 1)
        rows = {row["offender"]: row for row in asked(daemon, "status", "sshd")["bans"]}
        assert rows[ONE]["enforced"]


def test_a_loop_that_flushes_costs_little_and_is_named(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    assert daemon.process
    loop = "while :; do nft flush ruleset; sleep 0.1; done"
    flushing = subprocess.Popen(mortal(daemon.namespace.command(["sh", "-c", loop])))
    try:
        before, began = _cpu(daemon.process.pid), time.monotonic()
        time.sleep(8)
        share = (_cpu(daemon.process.pid) - before) / (time.monotonic() - began)
        print(f"\nCPU while somebody flushes every 100 ms: {share:.1%}")
        assert share < 0.2
        (degraded,) = asked(daemon, "status")["degraded"]
        assert re.fullmatch(
            r"nftables: nft \(process \d+\) changes the wall again and again; "
            "it is put right once a minute",
            degraded,
        )
    finally:
        end(flushing)


def test_two_daemons_in_one_namespace_leave_each_other_alone(
    tmp_path: Path, daemon: Daemon, journal: Journal, server: Namespace
) -> None:
    daemon.start()
    settings = {"table": "other-table"}
    with Daemon(tmp_path / "b", journal.folder, server, jails=THREE, settings=settings) as other:
        ban(daemon, journal)
        wait_until(lambda: ONE in server.run(["nft", "list", "table", "inet", "other-table"]), "b")
        other.cli("unban", ONE)
        assert banned(daemon, SET, ONE)
        server.run(["nft", "flush", "ruleset"])
        wait_until(lambda: banned(daemon, SET, ONE), "the first wall", 1)
        wait_until(lambda: "other-table" in server.run(["nft", "list", "tables"]), "the other", 1)
        time.sleep(0.5)
        for each in (daemon, other):
            assert each.log.read_text().count("changed the wall") == 1
        assert ONE not in server.run(["nft", "list", "table", "inet", "other-table"])


def test_what_bans_stop_is_counted_over_a_restart(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    row = {each["offender"]: each for each in asked(daemon, "status", "sshd")["bans"]}[ONE]
    assert (row["packets"], row["bytes"]) == (0, 0)
    element = f"{{ {ONE} counter packets 12 bytes 720 timeout 1h }}"
    daemon.stop()
    daemon.namespace.run(
        ["nft", "-f", "-"],
        stdin=f"delete element {TABLE} {SET} {{ {ONE} }}\nadd element {TABLE} {SET} {element}",
    )
    daemon.start()
    daemon.cli("ban", "sshd", ONE, "--time", "2d", "--force")
    row = {each["offender"]: each for each in asked(daemon, "status", "sshd")["bans"]}[ONE]
    assert (row["packets"], row["bytes"]) == (12, 720)
    assert re.search(
        rf"{re.escape(ONE)} .* 12 +720  enforced", daemon.cli("status", "sshd").stdout
    )


def test_a_plain_wall_is_lifted_by_the_daemon(
    tmp_path: Path, server: Namespace, journal: Journal
) -> None:
    settings = {"nft_plain": "yes"}
    with Daemon(
        tmp_path / "f2b", journal.folder, server, jails=THREE, settings=settings
    ) as daemon:
        daemon.cli("ban", "sshd", ONE, "--time", "3")
        daemon.cli("ban", "sshd", TWO, "--time", "1h")
        shown = server.run(["nft", "list", "set", *TABLE.split(), SET])
        assert f"elements = {{ {ONE}, {TWO} }}" in " ".join(shown.split())
        assert elements(server)
        wait_until(lambda: not banned(daemon, SET, ONE), "the end of a ban", 6)
        daemon.cli("ban", "sshd", ONE, "--time", "1")
        daemon.kill()
        time.sleep(1.2)
        assert banned(daemon, SET, ONE), "no daemon, no end"
        daemon.start()
        assert not banned(daemon, SET, ONE)
        assert banned(daemon, SET, TWO)


def test_what_the_kernel_refuses_is_in_plain_sight(daemon: Daemon) -> None:
    daemon.start()
    daemon.stop()
    small = "{ type ipv4_addr; flags timeout; counter; size 1; }"
    change = (
        f"flush chain {TABLE} jail-sshd\ndelete set {TABLE} {SET}\nadd set {TABLE} {SET} {small}"
    )
    daemon.namespace.run(["nft", "-f", "-"], stdin=change)
    daemon.start()
    daemon.cli("ban", "sshd", TWO)
    daemon.cli("ban", "sshd", ONE, check=False)
    rows = {row["offender"]: row for row in asked(daemon, "status", "sshd")["bans"]}
    assert rows[TWO]["enforced"]
    assert not rows[ONE]["enforced"]
    (degraded,) = asked(daemon, "status")["degraded"]
    assert degraded.startswith(f"nftables: 1 not enforced, as {ONE} of jail sshd: Too many")
    assert daemon.log.read_text().count(f"nftables refused {ONE} of jail sshd: ") == 1
    daemon.cli("unban", ONE)
    assert asked(daemon, "status")["degraded"] == []


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
