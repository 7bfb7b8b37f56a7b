"""What stands in the old tables and in sets; read with their own tools."""

import time
from collections.abc import Sequence

import pytest

from f2b.actions import takedown, xtables
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from tests.netns.conftest import SERVER, TABLE
from tests.netns.legacy.lab import LegacyLab, Wall
from tests.netns.values import NOW, ban, jail, put, remove

pytestmark = pytest.mark.root


def test_what_stands_in_the_tables(lab: LegacyLab) -> None:
    jails = [
        jail("sshd", ignored=("203.0.113.200", "2001:db8:2:f::/64")),
        jail("web", 80, 443, (8000, 8010), protocols=("tcp",)),
        jail("dns", 53, blocktype=Blocktype.REJECT),
    ]
    with lab.legacy(sets=False) as wall:
        wall.start(jails, [parse(SERVER)], [ban("203.0.113.7"), ban("203.0.113.0/28")], NOW)
    assert lab.rules("PREROUTING") == ["-j f2b-chain"]
    assert lab.rules("INPUT") == lab.rules("FORWARD") == ["-j f2b-chain"]
    assert lab.rules("f2b-chain") == [
        f"-s {SERVER}/32 -j RETURN",
        "-p tcp -m conntrack --ctorigdstport 53 --ctdir ORIGINAL -j f2b-jail-dns",
        "-p udp -m conntrack --ctorigdstport 53 --ctdir ORIGINAL -j f2b-jail-dns",
        f"-s {SERVER}/32 -j RETURN",
        "-j f2b-jail-sshd",
        "-p tcp -m multiport --dports 80,443,8000:8010 -j f2b-jail-web",
    ]
    sshd = lab.rules("f2b-jail-sshd")
    assert sshd[0] == "-s 203.0.113.200/32 -j RETURN"
    assert set(sshd[1:]) == {"-s 203.0.113.7/32 -j DROP", "-s 203.0.113.0/28 -j DROP"}
    assert lab.rules("f2b-jail-sshd", 6) == ["-s 2001:db8:2:f::/64 -j RETURN"]


def test_a_jail_with_a_set_has_one_rule(lab: LegacyLab) -> None:
    with lab.legacy(sets=True) as wall:
        wall.start([jail()], [], [ban("203.0.113.7"), ban("2001:db8:2::/64", None)], NOW)
        wall.apply([put("203.0.113.8", 3 * 10**6), put("203.0.113.0/28", 60)], NOW)
        wall.apply([put("203.0.113.0/28", 7200), put("0.0.0.0/0")], NOW)
    assert lab.rules("f2b-jail-sshd") == ["-m set --match-set f2b4-sshd src -j DROP"]
    members = lab.members("f2b4-sshd")
    assert members.keys() == {
        "203.0.113.7", "203.0.113.8", "203.0.113.0/28", "0.0.0.0/1", "128.0.0.0/1",
    }  # fmt: skip
    left = {address: int(text.split()[1]) for address, text in members.items()}
    assert 590 <= left["203.0.113.7"] <= 600
    assert left["203.0.113.8"] > 2_147_000
    assert left["203.0.113.0/28"] > 7190
    assert lab.members("f2b6-sshd") == {"2001:db8:2::/64": "timeout 0 packets 0 bytes 0"}
    wait = time.monotonic()
    with lab.legacy(sets=True) as wall:
        wall.start([jail()], [], [ban("203.0.113.8", 3 * 10**6)], NOW)
    assert lab.members("f2b4-sshd").keys() == {"203.0.113.8"}
    assert lab.members("f2b6-sshd") == {}
    assert time.monotonic() - wait < 5


def test_repeat_writes_nothing(lab: LegacyLab, wall: Wall) -> None:
    jails = [jail(ignored=("203.0.113.9",)), jail("mail", 25, blocktype=Blocktype.REJECT)]
    bans = [ban("203.0.113.7", None), ban("2001:db8:2::/64", None), ban("203.0.113.8", None)]
    wall.start(jails, [parse(SERVER)], bans, NOW)
    assert not lab.gets_through("203.0.113.7")

    def counted() -> list[str]:
        saved = lab.server.run(["iptables-legacy-save", "-c"])
        return [line for line in saved.splitlines() if "DROP" in line]

    before = counted()
    assert any(not line.startswith("[0:0]") for line in before)
    wall.start(jails, [parse(SERVER)], list(reversed(bans)), NOW)
    assert counted() == before


def test_jails_come_and_go(lab: LegacyLab, wall: Wall, kind: str) -> None:
    bans = [ban("203.0.113.7"), ban("2001:db8:2::/64", jail="mail")]
    wall.start([jail(), jail("mail", 25, blocktype=Blocktype.REJECT)], [], bans, NOW)
    wall.start([jail()], [], bans[:1], NOW)
    assert not [line for line in lab.ours() if "mail" in line]
    assert lab.rules("INPUT") == []
    assert lab.sets() == ({"f2b4-sshd", "f2b6-sshd"} if kind == "sets" else set())
    assert not lab.gets_through("203.0.113.7")
    wall.lift()
    assert lab.ours() == []
    assert lab.sets() == set()
    wall.lift()


def test_another_way_of_keeping_bans_takes_over(lab: LegacyLab) -> None:
    for sets in (True, False, True):
        with lab.legacy(sets=sets) as wall:
            wall.start([jail()], [], [ban("203.0.113.7")], NOW)
            assert not lab.gets_through("203.0.113.7")
            assert wall.dump(["sshd"])[0][:2] == ("sshd", parse("203.0.113.7"))
            assert bool(lab.rules("f2b-jail-sshd")[0].startswith("-m set")) is sets


def test_flush_without_a_daemon(lab: LegacyLab, wall: Wall) -> None:
    wall.start([jail(), jail("web", 80, blocktype=Blocktype.REJECT)], [], [], NOW)
    with lab.server.inside():
        assert takedown.flush_rules(TABLE)
        assert not takedown.flush_rules(TABLE)
    assert lab.ours() == []
    assert lab.sets() == set()


def test_long_names_stay_apart(lab: LegacyLab, wall: Wall) -> None:
    names = ["a-jail-with-quite-a-long-name-one", "a-jail-with-quite-a-long-name-two"]
    wall.start([jail(name) for name in names], [], [ban("203.0.113.7", jail=names[1])], NOW)
    assert not lab.gets_through("203.0.113.7")
    wall.apply([remove("203.0.113.7", jail=names[0])], NOW)
    assert not lab.gets_through("203.0.113.7")


def test_thousands_of_bans(lab: LegacyLab, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """In three calls a family at most."""
    calls: list[Sequence[str]] = []
    real = xtables._run

    def counted(argv: Sequence[str], stdin: str = "") -> str:
        calls.append(argv)
        return real(argv, stdin)

    monkeypatch.setattr(xtables, "_run", counted)
    bans = [ban(f"10.1.{n >> 8}.{n & 255}") for n in range(2500)]
    bans += [ban(f"2001:db8:3:{n:x}::/64") for n in range(2500)]
    began = time.monotonic()
    assert wall.start([jail()], [], [*bans, ban("203.0.113.7")], NOW) == []
    print(f"restored 5,000 bans in {time.monotonic() - began:.2f} s, {len(calls)} calls")
    assert len(calls) <= 6
    assert not lab.gets_through("203.0.113.7")
    assert len(wall.dump(["sshd"])) == 5001
    calls.clear()
    wall.apply([remove(str(each.offender)) for each in bans], NOW)
    assert len(calls) <= 6
    assert wall.dump(["sshd"])[0][1] == parse("203.0.113.7")
