"""What the wall does to real packets."""

import socket
import time

import pytest

from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from tests.netns.conftest import ROUTER, ROUTER6, SERVER, SERVER6, Lab
from tests.netns.values import NOW, ban, jail, put, remove
from tests.support.netns import Namespace

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
    lab: Lab, wall: Nftables, banned: str, free: str
) -> None:
    wall.start([jail()], [], [ban(banned)], NOW)
    assert not lab.gets_through(banned)
    assert lab.gets_through(free)


@ADDRESSES
def test_input_hook_drops_too(lab: Lab, banned: str, free: str) -> None:
    wall = lab.wall(hook="input")
    wall.start([jail()], [], [ban(banned)], NOW)
    assert not lab.gets_through(banned)
    assert lab.gets_through(free)
    wall.close()


@NETWORKS
def test_network_ban_ends_at_its_edge(
    lab: Lab, wall: Nftables, network: str, inside: str, outside: str
) -> None:
    wall.start([jail()], [], [], NOW)
    wall.apply([put(network)], NOW)
    assert not lab.gets_through(inside)
    assert lab.gets_through(outside)


@pytest.mark.parametrize(
    ("nested", "inside"),
    [
        # Each with an address that it is the narrowest to cover.
        (
            ("203.0.113.0/24", "203.0.113.0/25", "203.0.113.7"),
            ("203.0.113.200", "203.0.113.9", "203.0.113.7"),
        ),
        (
            ("2001:db8:2::/48", "2001:db8:2::/64", "2001:db8:2::7"),
            ("2001:db8:2:1::7", "2001:db8:2::9", "2001:db8:2::7"),
        ),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_overlapping_networks_are_lifted_exactly(
    lab: Lab,
    wall: Nftables,
    nested: tuple[str, ...],
    inside: tuple[str, ...],
    order: tuple[int, ...],
) -> None:
    wall.start([jail()], [], [], NOW)
    wall.apply([put(network, None) for network in nested], NOW)
    left = {0, 1, 2}
    for lifted in order:
        wall.apply([remove(nested[lifted])], NOW)
        left.discard(lifted)
        for number, address in enumerate(inside):
            stopped = any(wider <= number for wider in left)
            assert lab.gets_through(address, timeout=0.2) is not stopped


@NETWORKS
def test_ignored_address_inside_a_banned_network_gets_through(
    lab: Lab, wall: Nftables, network: str, inside: str, outside: str
) -> None:
    wall.start([jail(ignored=(inside,))], [], [ban(network), ban(inside), ban(outside)], NOW)
    assert lab.gets_through(inside)
    assert not lab.gets_through(outside)


def test_ignored_network_of_one_jail_is_not_that_of_another(lab: Lab, wall: Nftables) -> None:
    jails = [jail("sshd", 22, ignored=("203.0.113.0/24",)), jail("mail", 25)]
    wall.start(jails, [], [ban("203.0.113.7"), ban("203.0.113.7", jail="mail")], NOW)
    assert lab.gets_through("203.0.113.7", 22)
    assert not lab.gets_through("203.0.113.7", 25)


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_own_address_is_never_hit(lab: Lab, wall: Nftables, everything: str) -> None:
    own = [parse(ROUTER), parse(ROUTER6)]
    wall.start([jail()], own, [ban(everything)], NOW)
    mine, other = (ROUTER6, "2001:db8:2::7") if ":" in everything else (ROUTER, "203.0.113.7")
    assert lab.gets_through(mine)
    assert not lab.gets_through(other)
    wall.set_own([parse(other), parse(other).masked(parse(other).family.bits - 2)])
    assert lab.gets_through(other)
    assert not lab.gets_through(mine)


@ADDRESSES
def test_ban_of_another_jail_survives_an_unban(
    lab: Lab, wall: Nftables, banned: str, free: str
) -> None:
    wall.start([jail(), jail("recidive")], [], [ban(banned), ban(banned, jail="recidive")], NOW)
    wall.apply([remove(banned)], NOW)
    assert not lab.gets_through(banned)
    wall.apply([remove(banned, jail="recidive"), put(free)], NOW)
    assert lab.gets_through(banned)


@ADDRESSES
def test_timeout_ends_the_ban_without_us(lab: Lab, wall: Nftables, banned: str, free: str) -> None:
    wall.start([jail()], [], [ban(free, None)], NOW)
    wall.apply([put(banned, 1)], NOW)
    assert not lab.gets_through(banned, timeout=0.2)
    time.sleep(1.1)
    assert lab.gets_through(banned)
    assert not lab.gets_through(free)


@ADDRESSES
def test_ports_restrict_the_ban(lab: Lab, wall: Nftables, banned: str, free: str) -> None:
    wall.start([jail("sshd", 22, (8000, 8010), protocols=("tcp",))], [], [ban(banned)], NOW)
    assert not lab.gets_through(banned, 22)
    assert lab.gets_through(banned, 25)
    assert lab.gets_through(free, 22)


def test_top_of_a_port_range_counts(lab: Lab, wall: Nftables) -> None:
    with lab.server.listen(65535):
        wall.start([jail("sshd", (65000, 65535))], [], [ban("203.0.113.7")], NOW)
        assert not lab.gets_through("203.0.113.7", 65535)
        assert lab.gets_through("203.0.113.7", 22)


def test_protocol_restricts_the_ban(lab: Lab, wall: Nftables) -> None:
    wall.start([jail(protocols=("udp",))], [], [ban("203.0.113.7")], NOW)
    assert lab.gets_through("203.0.113.7")
    wall.start([jail(protocols=("tcp",))], [], [ban("203.0.113.7")], NOW)
    assert not lab.gets_through("203.0.113.7")


@ADDRESSES
def test_reject_answers(lab: Lab, wall: Nftables, banned: str, free: str) -> None:
    wall.start([jail(blocktype=Blocktype.REJECT)], [], [ban(banned)], NOW)
    target = SERVER6 if ":" in banned else SERVER
    with lab.strangers.inside(), pytest.raises(ConnectionRefusedError):
        socket.create_connection((target, 22), 4, (banned, 0))
    assert lab.gets_through(free)


def test_established_connection_stops_and_goes_on(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [], NOW)
    with lab.server.listen(2222) as listener, lab.strangers.inside():
        client = socket.create_connection(("198.51.100.1", 2222), 1, ("203.0.113.7", 0))
        served, _ = listener.accept()
    with client, served:
        served.settimeout(0.3)
        wall.apply([put("203.0.113.7")], NOW)
        client.send(b"banned")
        with pytest.raises(TimeoutError):
            served.recv(10)
        wall.apply([remove("203.0.113.7")], NOW)
        served.settimeout(5)
        assert served.recv(10) == b"banned"


def test_without_ipv6() -> None:
    with Namespace() as server, Namespace() as strangers:
        lab = Lab(server, strangers)
        for namespace in (server, strangers):
            namespace.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
        wall = lab.wall()
        with server.inside():
            listener = socket.create_server(("", 22))
        with listener:
            wall.start([jail()], [], [ban("203.0.113.7"), ban("2001:db8:2::/64")], NOW)
            assert not lab.gets_through("203.0.113.7")
            assert lab.gets_through("203.0.113.8")
        wall.close()
