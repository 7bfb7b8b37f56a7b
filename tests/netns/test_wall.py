"""What start() builds, keeps and removes; read with nft, not with our own code."""

import ctypes
import socket
import time
from pathlib import Path

import pytest

from f2b.actions import takedown
from f2b.actions.nftables import Nftables
from f2b.actions.standing import flush_wall
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from f2b.errors import ActionError, ForeignWallError
from tests.netns.conftest import TABLE, Lab
from tests.netns.values import NOW, ban, jail, put
from tests.support.netns import Namespace

pytestmark = pytest.mark.root

IPT_SO_GET_INFO = 64  # asking for a table makes the kernel load it
MAIL = (110, 143, 465, 587, 993, 995, 4190)


def jails_of(lab: Lab) -> set[str]:
    return {c["name"] for c in lab.listed("chain", "chains", "inet")} - {"f2b-chain"}


def test_golden(lab: Lab, wall: Nftables) -> None:
    jails = [
        jail("sshd", ignored=("203.0.113.128/25", "203.0.113.200", "2001:db8:2:f::/64")),
        jail("dovecot", *MAIL, protocols=("tcp",)),
        jail("proxy", 80, 3128, (8000, 8010), (65000, 65535), blocktype=Blocktype.REJECT),
        jail("dns", 53, protocols=("udp",)),
        jail("vpn", protocols=("udp",)),
    ]
    own = [parse("127.0.0.0/8"), parse("198.51.100.1"), parse("::1")]
    wall.start(jails, own, [ban("2001:db8:2::/64", None), ban("203.0.113.0/24", None)], NOW)
    golden = Path(__file__).with_name("golden.nft").read_text()
    assert lab.nft("list", "table", "inet", TABLE) == golden


def test_nft_reads_back_what_it_lists(lab: Lab, wall: Nftables) -> None:
    wall.start([jail("sshd", 22, (8000, 8010))], [], [ban("2001:db8:2::/64", None)], NOW)
    listing = lab.nft("list", "ruleset")
    lab.nft("flush", "ruleset")
    lab.server.run(["nft", "-f", "-"], stdin=listing)
    assert lab.nft("list", "ruleset") == listing
    assert not lab.gets_through("2001:db8:2::7")


def test_repeat_changes_nothing(lab: Lab, wall: Nftables) -> None:
    jails = [jail(ignored=("203.0.113.9",)), jail("mail", 25, (100, 200))]
    bans = [ban("203.0.113.7", None), ban("2001:db8:2::/64", None), ban("203.0.113.8", None)]
    wall.start(jails, [parse("198.51.100.1")], bans, NOW)
    before = lab.nft("list", "ruleset")
    wall.start(jails, [parse("198.51.100.1")], bans, NOW)
    assert lab.nft("list", "ruleset") == before


def test_another_daemon_of_the_same_instance_takes_over(lab: Lab, wall: Nftables) -> None:
    """As after a restart: what is right is left alone, so the counters go on."""
    wall.start([jail()], [], [ban("203.0.113.7"), ban("203.0.113.8"), ban("203.0.113.9")], NOW)
    assert not lab.gets_through("203.0.113.7")
    wall.close()
    wall = lab.wall()
    wall.start([jail()], [], [ban("203.0.113.7", 599), ban("203.0.113.8", 900)], NOW)
    wall.close()
    held = lab.elements("addr-set-sshd")
    assert held.keys() == {"203.0.113.7", "203.0.113.8"}
    assert held["203.0.113.7"]["counter"]["packets"] > 0
    assert held["203.0.113.7"]["timeout"] == 600
    assert held["203.0.113.8"]["timeout"] == 900


def test_never_and_timed_turn_into_each_other(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [ban("203.0.113.7", None), ban("203.0.113.8")], NOW)
    wall.start([jail()], [], [ban("203.0.113.7"), ban("203.0.113.8", None)], NOW)
    held = lab.elements("addr-set-sshd")
    assert held["203.0.113.7"]["timeout"] == 600
    assert "timeout" not in held["203.0.113.8"]


def test_bans_that_are_over_are_not_put(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [ban("203.0.113.7", -1), ban("203.0.113.8", 0)], NOW)
    assert lab.elements("addr-set-sshd") == {}


def test_jails_come_and_go(lab: Lab, wall: Nftables) -> None:
    bans = [ban("203.0.113.7"), ban("2001:db8:2::/64", jail="mail")]
    wall.start([jail(), jail("mail", 25, ignored=("203.0.113.9",))], [], bans, NOW)
    assert jails_of(lab) == {"jail-sshd", "jail-mail"}
    wall.start([jail()], [], bans[:1], NOW)
    assert jails_of(lab) == {"jail-sshd"}
    assert not [name for name in lab.sets() if "mail" in name]
    assert not lab.gets_through("203.0.113.7")
    wall.start([jail("mail", 25)], [], bans[1:], NOW)
    assert jails_of(lab) == {"jail-mail"}
    assert lab.gets_through("203.0.113.7")


def test_network_sets_come_and_go(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [], NOW)
    assert lab.sets() == {"own-addr", "own-addr6", "addr-set-sshd", "addr6-set-sshd"}
    wall.apply([put("203.0.113.0/24"), put("2001:db8:2::/64")], NOW)
    wall.apply([put("203.0.113.0/28"), put("203.0.112.0/24")], NOW)
    assert {"addr-set-sshd-24", "addr-set-sshd-28", "addr6-set-sshd-64"} < lab.sets()
    assert lab.elements("addr-set-sshd-24").keys() == {"203.0.113.0", "203.0.112.0"}
    rules = lab.nft("list", "chain", "inet", TABLE, "jail-sshd")
    assert rules.count("addr-set-sshd-24") == 1
    wall.start([jail()], [], [ban("203.0.113.0/28")], NOW)
    assert not lab.sets() & {"addr-set-sshd-24", "addr6-set-sshd-64"}
    assert lab.elements("addr-set-sshd-28").keys() == {"203.0.113.0"}


def test_what_an_admin_added_stays(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [], NOW)
    lab.nft("add", "set", "inet", TABLE, "mine", "{ type ipv4_addr; elements = { 203.0.113.1 }; }")
    lab.nft("add", "chain", "inet", TABLE, "my-chain")
    lab.nft("add", "rule", "inet", TABLE, "my-chain", "ip", "saddr", "@mine", "accept")
    wall.start([jail()], [], [], NOW)
    assert lab.elements("mine").keys() == {"203.0.113.1"}
    assert "@mine accept" in lab.nft("list", "chain", "inet", TABLE, "my-chain")


def test_hook_changes(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [ban("203.0.113.7")], NOW)
    wall.close()
    wall = lab.wall(hook="input")
    wall.start([jail()], [], [ban("203.0.113.7")], NOW)
    wall.close()
    assert "hook input priority filter - 1;" in lab.nft("list", "ruleset")
    assert not lab.gets_through("203.0.113.7")


@pytest.mark.parametrize("comment", ["", 'comment "mine";', 'comment "f2b 99999999";'])
def test_foreign_table_is_not_touched(lab: Lab, wall: Nftables, comment: str) -> None:
    lab.nft("add", "table", "inet", TABLE, f"{{ {comment} }}")
    lab.nft("add", "set", "inet", TABLE, "addr-set-sshd", "{ type ipv4_addr; }")
    before = lab.nft("list", "ruleset")
    with pytest.raises(ForeignWallError, match="--takeover") as refused:
        wall.start([jail()], [], [ban("203.0.113.7")], NOW)
    assert ("99999999" if "f2b" in comment else "fail2ban") in str(refused.value)
    assert lab.nft("list", "ruleset") == before


def test_takeover_replaces_a_foreign_table_once(lab: Lab) -> None:
    lab.nft("add", "table", "inet", TABLE)
    lab.nft("add", "set", "inet", TABLE, "addr-set-sshd", "{ type ipv4_addr; }")
    lab.nft("add", "chain", "inet", TABLE, "f2b-chain", "{ type filter hook input priority -1; }")
    wall = lab.wall(takeover=True)
    wall.start([jail()], [], [ban("203.0.113.7")], NOW)
    assert 'comment "f2b 1a2b3c4d"' in lab.nft("list", "ruleset")
    assert not lab.gets_through("203.0.113.7")
    lab.nft("delete", "table", "inet", TABLE)
    lab.nft("add", "table", "inet", TABLE)
    with pytest.raises(ForeignWallError):
        wall.start([jail()], [], [], NOW)
    wall.close()


def test_lift_removes_everything(lab: Lab, wall: Nftables) -> None:
    wall.lift()
    wall.start([jail()], [], [ban("203.0.113.7")], NOW)
    wall.lift()
    assert lab.nft("list", "ruleset") == ""
    wall.lift()


def test_flush_without_a_daemon(lab: Lab, wall: Nftables) -> None:
    with lab.server.inside():
        assert not flush_wall(TABLE)
        wall.start([jail()], [], [], NOW)
        assert flush_wall(TABLE)
        assert lab.nft("list", "ruleset") == ""
        lab.nft("add", "table", "inet", TABLE)
        assert not flush_wall(TABLE)
        assert TABLE in lab.nft("list", "ruleset")


def test_flush_where_others_have_iptables_legacy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tools may not be installed: that is no reason to leave our table."""
    with Namespace() as server, server.inside():
        wall = Nftables(TABLE, "prerouting", "i")
        wall.start([jail()], [], [], NOW)
        wall.close()
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as asking:
            asked, size = ctypes.create_string_buffer(b"filter", 84), ctypes.c_uint(84)
            libc = ctypes.CDLL(None)
            if libc.getsockopt(
                asking.fileno(), socket.SOL_IP, IPT_SO_GET_INFO, asked, ctypes.byref(size)
            ):
                pytest.skip("this kernel has no ip_tables")
        with monkeypatch.context() as bare:
            bare.setenv("PATH", "/nowhere")
            assert takedown.flush(TABLE) == [f"table inet {TABLE}"]
        assert server.run(["nft", "list", "ruleset"]) == ""


def test_jails_that_would_share_a_set_are_refused(wall: Nftables) -> None:
    with pytest.raises(ActionError, match="would share the set addr-set-sshd-24"):
        wall.start([jail("sshd"), jail("sshd-24")], [], [], NOW)


def test_many_ignored_networks(lab: Lab, wall: Nftables) -> None:
    ignored = tuple(f"2001:db8:{number:x}::/48" for number in range(0x10, 3000, 2))
    wall.start([jail(ignored=ignored)], [], [], NOW)
    assert (
        len(lab.nft("list", "set", "inet", TABLE, "ignore6-sshd").split("/48")) == len(ignored) + 1
    )


def test_restore_of_100_000_bans(lab: Lab, wall: Nftables) -> None:
    bans = [ban(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 600 + n % 1000) for n in range(50_000)]
    bans += [ban(f"2001:db8:3:{n:x}::/64", None) for n in range(50_000)]
    began = time.monotonic()
    assert wall.start([jail()], [], bans, NOW) == []
    print(f"restored 100,000 bans in {time.monotonic() - began:.2f} s")
    assert len(lab.elements("addr-set-sshd")) == 50_000
    assert len(lab.elements("addr6-set-sshd-64")) == 50_000
    assert lab.elements("addr-set-sshd")["10.0.0.1"]["timeout"] == 601
    began = time.monotonic()
    wall.start([jail()], [], bans[1:], NOW)
    print(f"compared 100,000 bans in {time.monotonic() - began:.2f} s")
    assert len(lab.elements("addr-set-sshd")) == 49_999
