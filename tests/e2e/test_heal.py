"""Whatever others do to the firewall, the wall is whole again; the log says who it was."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, elements
from tests.e2e.scenes import MAIL, ONE, SET, THREE, TWO, ban
from tests.netns.conftest import Lab
from tests.netns.test_no_gap import leaked
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
ANOTHER = f"""
flush chain {TABLE} jail-sshd
delete set {TABLE} addr-set-sshd
add set {TABLE} addr-set-sshd {{ type ipv6_addr; flags interval; }}
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
        ANOTHER,
        f"flush set {TABLE} addr-set-sshd",
        f"delete element {TABLE} addr-set-sshd {{ {ONE} }}",
    ],
    ids=["flush", "reload", "table", "chain", "set", "another set", "elements", "element"],
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


def test_a_loop_that_flushes_costs_little_and_is_named(
    daemon: Daemon, journal: Journal, tmp_path: Path
) -> None:
    """The wall is back after each flush: the loop itself looks, 100 ms after it."""
    daemon.start()
    ban(daemon, journal)
    assert daemon.process
    back = tmp_path / "back"
    loop = f"""
        while nft flush ruleset; do
            sleep 0.1
            nft get element {TABLE} {SET} '{{ {ONE} }}' >/dev/null 2>&1 && echo yes || echo no
        done >{back}"""
    flushing = subprocess.Popen(mortal(daemon.namespace.command(["sh", "-c", loop])))
    try:
        before, began = cpu(daemon.process.pid), time.monotonic()
        time.sleep(8)
        share = (cpu(daemon.process.pid) - before) / (time.monotonic() - began)
        assert share < 0.2
        (degraded,) = asked(daemon, "status")["degraded"]
        assert re.fullmatch(
            r"nftables: nft \(process \d+\) changes the wall again and again; it is put right each time",
            degraded,
        )
    finally:
        end(flushing)
    seen = back.read_text().split()
    print(
        f"\nsomebody flushes every 100 ms: CPU {share:.1%}, back {seen.count('yes')}/{len(seen)}"
    )
    assert seen.count("yes") > 0.8 * len(seen), "the machine has other things to do, too"
    daemon.namespace.run(["nft", "flush", "ruleset"])
    wait_until(lambda: banned(daemon, SET, ONE), "the wall", 1)
    said = daemon.log.read_text()
    assert said.count("changes the wall again and again") == 1
    assert len(said.splitlines()) < 50


def test_what_is_too_much_to_hear_is_a_reason_to_look(daemon: Daemon, journal: Journal) -> None:
    """A daemon that was held up while the socket for notifications overflowed."""
    daemon.start()
    ban(daemon, journal)
    before = rules(daemon)
    elements_ = ", ".join(f"10.0.{n // 250}.{n % 250}" for n in range(20_000))
    storm = f"""
        add table inet others
        add set inet others s {{ type ipv4_addr; }}
        add element inet others s {{ {elements_} }}
        delete table inet others"""
    assert daemon.process
    daemon.process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        daemon.namespace.run(["nft", "-f", "-"], stdin=storm)
    daemon.namespace.run(["nft", "flush", "ruleset"])
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: banned(daemon, SET, ONE), "the wall", 2)
    assert rules(daemon) == before
    assert "somebody changed the wall" in daemon.log.read_text()


def test_mending_one_jail_opens_no_other(tmp_path: Path, journal: Journal) -> None:
    """Nothing that one jail keeps out comes through while another is broken and mended."""
    source, port = "203.0.113.7", 5353
    with Namespace() as server, Namespace() as strangers:
        lab = Lab(server, strangers)
        with Daemon(tmp_path / "f2b", journal.folder, server, jails=THREE + MAIL) as daemon:
            daemon.cli("ban", "mail", source)
            daemon.cli("ban", "sshd", ONE)
            with lab.receiver(port) as receiver, lab.flood(source, port):
                for change in (
                    f"flush set {TABLE} {SET}",
                    f"flush chain {TABLE} jail-sshd",
                    f"flush chain {TABLE} jail-sshd\ndelete set {TABLE} {SET}",
                    f"insert rule {TABLE} jail-sshd return",
                ) * 5:
                    before = daemon.log.read_text().count("\n")
                    server.run(["nft", "-f", "-"], stdin=change)
                    wait_until(
                        lambda n=before: (
                            daemon.log.read_text().count("\n") > n  # type: ignore[misc]
                            or banned(daemon, SET, ONE)
                        ),
                        "the mending",
                    )
                    time.sleep(0.1)
                assert leaked(receiver) == 0
                server.run(["nft", "flush", "ruleset"])
                wait_until(lambda: banned(daemon, "addr-set-mail", source), "the wall", 1)
                assert leaked(receiver) > 0, "what the flush itself lets in"
                time.sleep(0.3)
                assert leaked(receiver) == 0
            row = {each["offender"]: each for each in asked(daemon, "status", "mail")["bans"]}
            assert row[source]["packets"] > 1000


def test_interfaces_come_and_go(daemon: Daemon, journal: Journal) -> None:
    """The host's own addresses are let through as long as they are its own; the bans stay."""
    daemon.start()
    ban(daemon, journal)

    def own() -> str:
        return daemon.namespace.run(["nft", "list", "set", *TABLE.split(), "own-addr"])

    for _ in range(3):
        daemon.namespace.run(["ip", "link", "add", "wan0", "type", "veth"])
        daemon.namespace.run(["ip", "address", "add", "192.0.2.77/24", "dev", "wan0"])
        daemon.namespace.run(["ip", "link", "set", "wan0", "up"])
        wait_until(lambda: "192.0.2.77" in own(), "the address", 3)
        daemon.namespace.run(["ip", "link", "delete", "wan0"])
        wait_until(lambda: "192.0.2.77" not in own(), "its end", 3)
        assert banned(daemon, SET, ONE)
    assert asked(daemon, "status")["degraded"] == []


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


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
