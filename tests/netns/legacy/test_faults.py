"""What others do to the old tables, and what their tools cannot do."""

import subprocess
import sys
from pathlib import Path

import pytest

from f2b.actions import xtables
from f2b.actions.ipset import Sets
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from f2b.errors import ActionError, ForeignWallError
from tests.netns.conftest import SERVER6
from tests.netns.legacy.lab import LegacyLab, Wall
from tests.netns.values import NOW, ban, jail, put, remove
from tests.support.processes import end, mortal

pytestmark = pytest.mark.root

_HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_what_others_break_is_mended(lab: LegacyLab, wall: Wall, kind: str) -> None:
    jails, bans = [jail()], [ban("203.0.113.7", None), ban("203.0.113.8", None)]
    wall.start(jails, [], bans, NOW)
    before = lab.ours()
    lab.restore("*raw\n-F f2b-jail-sshd\n-A PREROUTING -s 192.0.2.1 -j DROP\nCOMMIT\n")
    lab.restore("*raw\n-D PREROUTING -j f2b-chain\n-A PREROUTING -j f2b-chain\nCOMMIT\n")
    if kind == "plain":
        # What we believe to be there is not: the enforcer starts the wall again.
        with pytest.raises(ActionError, match="-D f2b-jail-sshd"):
            wall.apply([remove("203.0.113.7")], NOW)
    assert wall.disturbed() is None
    wall.start(jails, [], bans, NOW)
    what = wall.disturbed().what
    assert what == "chain f2b-jail-sshd in raw (IPv4), the jump from PREROUTING in raw (IPv4)"
    wall.start(jails, [], bans, NOW)
    assert wall.disturbed() is None
    assert sorted(lab.ours()) == sorted(before)
    assert lab.rules("PREROUTING") == ["-j f2b-chain", "-s 192.0.2.1/32 -j DROP"]


def test_a_destroyed_set_is_made_anew(lab: LegacyLab) -> None:
    with lab.legacy(sets=True) as wall:
        wall.start([jail()], [], [ban("203.0.113.7")], NOW)
        lab.restore("*raw\n-F f2b-jail-sshd\nCOMMIT\n")
        lab.server.run(["ipset", "destroy", "f2b4-sshd"])
        with pytest.raises(ActionError) as gone:
            wall.apply([put("203.0.113.8")], NOW)
        assert gone.value.retry
        earlier = ban("203.0.113.7", start=NOW - 9)
        wall.start([jail()], [], [earlier, ban("203.0.113.8")], NOW + 5)
        assert not lab.gets_through("203.0.113.8")
        what = "chain f2b-jail-sshd in raw (IPv4), 1 missing in set f2b4-sshd"
        assert wall.disturbed().what == what
        lab.server.run(["ipset", "flush", "f2b4-sshd"])
        wall.start([jail()], [], [earlier, ban("203.0.113.8")], NOW + 9)
        assert wall.disturbed().what == "2 missing in set f2b4-sshd"


def test_a_set_of_another_kind_is_told_and_outlived(lab: LegacyLab) -> None:
    lab.server.run(["ipset", "create", "f2b4-sshd", "hash:ip"])
    with lab.legacy(sets=True) as wall:
        with pytest.raises(ActionError, match=r"f2b4-sshd is there.*ipset destroy") as refused:
            wall.start([jail()], [], [ban("203.0.113.7")], NOW)
        assert refused.value.retry
        lab.server.run(["ipset", "destroy", "f2b4-sshd"])
        wall.start([jail()], [], [ban("203.0.113.7")], NOW)
        assert not lab.gets_through("203.0.113.7")


def test_foreign_chains_are_not_touched(lab: LegacyLab, wall: Wall, kind: str) -> None:
    lab.restore("*raw\n:f2b-chain - [0:0]\n-A f2b-chain -s 192.0.2.1 -j DROP\nCOMMIT\n")
    before = lab.ours()
    with pytest.raises(ForeignWallError, match="--takeover"):
        wall.start([jail()], [], [], NOW)
    assert lab.ours() == before
    with lab.legacy(sets=kind == "sets", takeover=True) as other:
        other.start([jail()], [], [ban("203.0.113.7")], NOW)
    assert not [line for line in lab.ours() if "192.0.2.1" in line]
    with lab.legacy(sets=kind == "sets", instance="99999999") as third:
        with pytest.raises(ForeignWallError, match="1a2b3c4d"):
            third.start([jail()], [], [], NOW)
        third.lift()
    assert not lab.gets_through("203.0.113.7")


def test_fail2bans_own_chains_stay(lab: LegacyLab, wall: Wall) -> None:
    theirs = "*filter\n:f2b-sshd - [0:0]\n-A INPUT -p tcp -j f2b-sshd\n-A f2b-sshd -j RETURN\n"
    lab.restore(theirs + "COMMIT\n")
    before = lab.ours()
    wall.start([jail(blocktype=Blocktype.REJECT)], [], [ban("203.0.113.7")], NOW)
    wall.lift()
    assert lab.ours() == before


def test_a_lock_that_another_holds(
    lab: LegacyLab, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall.start([jail()], [], [], NOW)
    monkeypatch.setattr(xtables, "LOCK", 1)
    monkeypatch.setenv("XTABLES_LOCKFILE", str(tmp_path / "lock"))
    held = [sys.executable, "-c", _HOLD, str(tmp_path / "lock")]
    holder = subprocess.Popen(mortal(held), stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        assert holder.stdout.readline()
        with pytest.raises(ActionError, match="holding the xtables lock") as busy:
            wall.start([jail("other")], [], [ban("203.0.113.7", jail="other")], NOW)
        assert busy.value.retry
    finally:
        end(holder)
    wall.start([jail("other")], [], [ban("203.0.113.7", jail="other")], NOW)
    assert not lab.gets_through("203.0.113.7")


def test_a_missing_program_is_told(lab: LegacyLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(xtables, "_PATH", "/nowhere")
    missing = r"iptables-legacy-save is not installed.*package"
    with pytest.raises(ActionError, match=missing), lab.legacy(sets=False):
        pass


def test_a_program_that_never_ends(
    lab: LegacyLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for family in ("iptables", "ip6tables"):
        for tool in ("save", "restore"):
            made = tmp_path / f"{family}-legacy-{tool}"
            made.write_text("#!/bin/sh\nexec sleep 60\n")
            made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(xtables, "TIMEOUT", 0.3)
    with lab.legacy(sets=False) as stuck, pytest.raises(ActionError, match="did not end") as late:
        stuck.start([jail()], [], [], NOW)
    assert late.value.retry


def test_without_ipv6(
    lab: LegacyLab, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xtables, "_INET6", tmp_path / "if_inet6")
    with lab.legacy(sets=kind == "sets") as wall:
        assert wall.name.endswith(", and the kernel has no IPv6")
        bans = [ban("203.0.113.7"), ban("2001:db8:2::7")]
        assert wall.start([jail()], [parse(SERVER6)], bans, NOW) == []
        assert wall.apply([put("2001:db8:2::8")], NOW) == []
        assert not lab.gets_through("203.0.113.7")
        assert lab.gets_through("2001:db8:2::7")


def test_a_full_set_is_told_and_the_others_are_banned(lab: LegacyLab) -> None:
    with lab.server.inside():
        sets = Sets()
    lab.server.run(
        ["ipset", *["create", "f2b4-small", "hash:net", "timeout", "0", "maxelem", "1500"]]
    )
    many = [(parse(f"10.0.{n >> 8}.{n & 255}"), 600.0) for n in range(1600)]
    refused = sets.put("f2b4-small", many)
    assert set(refused) == set(range(1500, 1600))
    assert set(refused.values()) == {"the set is full"}
    # One that is there takes its new end all the same, and what is not there is gone already.
    assert sets.put("f2b4-small", [many[1599], (many[3][0], 900.0)]).keys() == {0}
    assert lab.members("f2b4-small")["10.0.0.3"] > "timeout 890"
    assert sets.remove("f2b4-small", [offender for offender, _ in reversed(many)]) == {}
    assert lab.members("f2b4-small") == {}
    sets.close()
