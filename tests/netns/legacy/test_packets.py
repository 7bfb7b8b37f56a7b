"""What iptables-legacy does to real packets, with sets and without."""

import select
import socket
import time

import pytest

from f2b.addresses import parse
from f2b.config.settings import Blocktype
from tests.netns.conftest import ROUTER, ROUTER6, SERVER, SERVER6
from tests.netns.legacy.lab import LegacyLab, Wall
from tests.netns.values import NOW, ban, jail, put, remove
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

ADDRESSES = pytest.mark.parametrize(
    ("banned", "free"), [("203.0.113.7", "203.0.113.8"), ("2001:db8:2::7", "2001:db8:2::8")]
)
NETWORKS = pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("203.0.113.0/25", "203.0.113.7", "203.0.113.129"),
        ("2001:db8:2::/64", "2001:db8:2::7", "2001:db8:2:1::7"),
    ],
)


@ADDRESSES
def test_banned_is_dropped_and_others_are_not(
    lab: LegacyLab, wall: Wall, banned: str, free: str
) -> None:
    assert wall.start([jail()], [], [ban(banned)], NOW) == []
    assert not lab.gets_through(banned)
    assert lab.gets_through(free)
    packets, size = wall.counters("sshd")[parse(banned)]
    assert packets > 0
    assert size >= 40 * packets
    wall.apply([put(banned, 900)], NOW)
    assert wall.counters("sshd") == {parse(banned): (packets, size)}
    assert wall.counters("nobody") == {}
    wall.apply([remove(banned), put(free)], NOW)
    assert lab.gets_through(banned)
    assert not lab.gets_through(free)


def test_a_set_ends_a_ban_without_us(lab: LegacyLab) -> None:
    with lab.legacy(sets=True) as wall:
        wall.start([jail()], [], [ban("203.0.113.7", 1), ban("203.0.113.8", None)], NOW)
    assert not lab.gets_through("203.0.113.7", timeout=0.2)
    time.sleep(2.1)
    assert lab.gets_through("203.0.113.7")
    assert not lab.gets_through("203.0.113.8")


@ADDRESSES
def test_input_hook_drops_too(lab: LegacyLab, kind: str, banned: str, free: str) -> None:
    with lab.legacy("input", sets=kind == "sets") as wall:
        wall.start([jail("sshd", 22)], [], [ban(banned)], NOW)
        assert lab.rules("PREROUTING") == lab.rules("FORWARD") == []
        assert not lab.gets_through(banned)
        assert lab.gets_through(banned, 25)
        assert lab.gets_through(free)
    # With another hook the chains move, and nothing stays where they were.
    with lab.legacy("prerouting", sets=kind == "sets") as wall:
        wall.start([jail("sshd", 22)], [], [ban(banned)], NOW)
        assert lab.rules("INPUT") == []
        assert lab.rules("PREROUTING") == ["-j f2b-chain"]
        assert not lab.gets_through(banned)


@NETWORKS
def test_network_ban_ends_at_its_edge_and_spares_who_is_ignored(
    lab: LegacyLab, wall: Wall, network: str, inside: str, outside: str
) -> None:
    wall.start([jail()], [], [], NOW)
    wall.apply([put(network)], NOW)
    assert not lab.gets_through(inside)
    assert lab.gets_through(outside)
    wall.start([jail(ignored=(inside,))], [], [ban(network), ban(inside), ban(outside)], NOW)
    assert lab.gets_through(inside)
    assert not lab.gets_through(outside)


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_own_address_is_never_hit(lab: LegacyLab, wall: Wall, everything: str) -> None:
    wall.start([jail()], [parse(ROUTER), parse(ROUTER6)], [ban(everything)], NOW)
    mine, other = (ROUTER6, "2001:db8:2::7") if ":" in everything else (ROUTER, "203.0.113.7")
    assert lab.gets_through(mine)
    assert not lab.gets_through(other)
    wall.set_own([parse(other)])
    assert lab.gets_through(other)
    assert not lab.gets_through(mine)
    wall.apply([remove(everything)], NOW)
    assert lab.gets_through(mine)


@ADDRESSES
def test_ports_and_protocols_restrict_the_ban(
    lab: LegacyLab, wall: Wall, banned: str, free: str
) -> None:
    many = tuple(range(1000, 1040))
    wall.start([jail("sshd", 22, *many, protocols=("tcp",))], [], [ban(banned)], NOW)
    assert not lab.gets_through(banned, 22)
    assert lab.gets_through(banned, 25)
    assert lab.gets_through(free, 22)
    wall.start([jail(protocols=("udp",))], [], [ban(banned)], NOW)
    assert lab.gets_through(banned)


@ADDRESSES
def test_reject_answers(lab: LegacyLab, wall: Wall, banned: str, free: str) -> None:
    wall.start([jail("sshd", (20, 22), blocktype=Blocktype.REJECT)], [], [ban(banned)], NOW)
    target = SERVER6 if ":" in banned else SERVER
    with lab.strangers.inside(), pytest.raises(ConnectionRefusedError):
        socket.create_connection((target, 22), 4, (banned, 0))
    assert lab.gets_through(banned, 25)
    assert lab.gets_through(free)


@pytest.mark.parametrize("blocktype", list(Blocktype))
@ADDRESSES
def test_the_port_is_the_one_that_the_client_sees(
    lab: LegacyLab, wall: Wall, blocktype: Blocktype, banned: str, free: str
) -> None:
    """As with ports that containers publish: 443 leads to 8443."""
    nat = "*nat\n-A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports 8443\nCOMMIT\n"
    for family in (4, 6):
        lab.restore(nat, family)
    with lab.server.listen(8443):
        wall.start([jail("web", 443, blocktype=blocktype)], [], [ban(banned, jail="web")], NOW)
        assert not lab.gets_through(banned, 443)
        assert lab.gets_through(banned, 8443)
        assert lab.gets_through(free, 443)


@pytest.mark.parametrize("source", ["203.0.113.7", "2001:db8:2::7"])
def test_no_packet_slips_through_while_the_wall_is_made_anew(
    lab: LegacyLab, wall: Wall, source: str
) -> None:
    kept = ban(source, None)
    wall.start([jail()], [], [kept], NOW)
    with lab.receiver(9000) as receiver, lab.flood(source, 9000):
        for turn in range(40):
            others = [ban(f"203.0.113.{100 + turn % 3}"), ban(f"2001:db8:3:{turn % 3}::/64")]
            jails = [jail(), *[jail("mail", 25)] * (turn % 2)]
            wall.start(jails, [parse(SERVER)] * (turn % 2), [kept, *others], NOW)
            wall.apply([put(f"203.0.113.{turn}"), put(source, None)], NOW)
        with pytest.raises(BlockingIOError):
            receiver.recv(10)
        wall.lift()
        wait_until(lambda: select.select([receiver], [], [], 0)[0], "the flood")


@pytest.mark.parametrize("blocktype", list(Blocktype))
def test_established_connection_stops(lab: LegacyLab, wall: Wall, blocktype: Blocktype) -> None:
    accept = "*filter\n-I INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"
    lab.restore(accept)
    wall.start([jail("sshd", 2222, blocktype=blocktype)], [], [], NOW)
    with lab.server.listen(2222) as listener, lab.strangers.inside():
        client = socket.create_connection((SERVER, 2222), 1, ("203.0.113.7", 0))
        served, _ = listener.accept()
    with client, served:
        served.settimeout(0.3)
        wall.apply([put("203.0.113.7")], NOW)
        client.send(b"banned")
        with pytest.raises(TimeoutError):
            served.recv(10)
        if blocktype is Blocktype.RESET:
            with pytest.raises(ConnectionResetError):
                client.recv(10)
            return
        wall.apply([remove("203.0.113.7")], NOW)
        served.settimeout(5)
        assert served.recv(10) == b"banned"
