"""A connection that is open when the ban comes stops too, also one to a container's published port."""

import socket
from collections.abc import Iterator

import pytest

from f2b.actions.nftables import Nftables
from tests.netns.conftest import SERVER, SERVER6, Lab
from tests.netns.values import NOW, ban, jail, put, remove
from tests.support.netns import Namespace, link
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

CONTAINER, CONTAINER6 = "172.30.0.2", "2001:db8:30::2"
# Docker's way of publishing, and a firewall that lets open connections go on.
OTHERS = f"""
table inet docker {{
    chain ports {{
        type nat hook prerouting priority -100;
        iifname eth0 meta nfproto ipv4 tcp dport 443 dnat ip to {CONTAINER}:8443
        iifname eth0 meta nfproto ipv6 tcp dport 443 dnat ip6 to [{CONTAINER6}]:8443
    }}
    chain through {{ type filter hook forward priority -10; ct state established accept; }}
    chain local {{ type filter hook input priority -10; ct state established accept; }}
}}
"""
ADDRESSES = pytest.mark.parametrize(
    ("offender", "target"), [("203.0.113.7", SERVER), ("2001:db8:2::7", SERVER6)]
)


@pytest.fixture(scope="module")
def published() -> Iterator[tuple[Lab, socket.socket]]:
    """The lab with a container behind the server, whose port 8443 is the server's 443."""
    with Namespace() as server, Namespace() as strangers, Namespace() as container:
        lab = Lab(server, strangers)
        link(
            server, ["172.30.0.1/24", "2001:db8:30::1/64"],
            container, [f"{CONTAINER}/24", f"{CONTAINER6}/64"], "eth1",
        )  # fmt: skip
        for route in ("default via 172.30.0.1", "default via 2001:db8:30::1"):
            container.run(["ip", "route", "add", *route.split()])
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            server.run(["sysctl", "-qw", f"{name}=1"])
        server.run(["nft", "-f", "-"], stdin=OTHERS)
        with container.listen(8443) as listener:
            wait_until(lambda: lab.gets_through("2001:db8:2::1", 443), "IPv6 and DNAT")
            wait_until(lambda: lab.gets_through("203.0.113.1", 443), "DNAT")
            yield lab, listener


def accepted(listener: socket.socket, client: socket.socket) -> socket.socket:
    """The other end of that connection; those of before are closed."""
    listener.settimeout(2)
    while True:
        served, peer = listener.accept()
        if peer[1] == client.getsockname()[1]:
            return served
        served.close()


@ADDRESSES
def test_published_port_is_closed_for_new_and_open_connections(
    published: tuple[Lab, socket.socket], offender: str, target: str
) -> None:
    lab, listener = published
    wall = lab.wall()
    wall.start([jail("web", 443, protocols=("tcp",))], [], [], NOW)
    with lab.strangers.inside():
        client = socket.create_connection((target, 443), 2, (offender, 0))
    served = accepted(listener, client)
    with client, served:
        served.settimeout(2)
        client.send(b"before")
        assert served.recv(10) == b"before"
        wall.apply([put(offender, jail="web")], NOW)
        assert not lab.gets_through(offender, 443)
        client.send(b"banned")
        served.settimeout(0.4)
        with pytest.raises(TimeoutError):
            served.recv(10)
        other = "2001:db8:2:1::8" if ":" in offender else "203.0.113.8"
        assert lab.gets_through(other, 443)
        wall.apply([remove(offender, jail="web")], NOW)
        served.settimeout(5)
        assert served.recv(10) == b"banned"
    wall.lift()
    wall.close()


@pytest.mark.parametrize("offender", ["203.0.113.7", "2001:db8:2::7"])
def test_the_port_inside_the_container_is_another_door(
    published: tuple[Lab, socket.socket], offender: str
) -> None:
    """What is closed is the port that clients dial."""
    lab, _ = published
    wall = lab.wall()
    wall.start([jail("web", 8443, protocols=("tcp",))], [], [ban(offender, jail="web")], NOW)
    assert lab.gets_through(offender, 443)
    wall.lift()
    wall.close()


@ADDRESSES
def test_open_tcp_connection_stops_though_others_accept_it(
    lab: Lab, wall: Nftables, offender: str, target: str
) -> None:
    lab.server.run(["nft", "-f", "-"], stdin=OTHERS)
    wall.start([jail()], [], [], NOW)
    with lab.server.listen(2222) as listener, lab.strangers.inside():
        client = socket.create_connection((target, 2222), 1, (offender, 0))
        served, _ = listener.accept()
    with client, served:
        wall.apply([put(offender)], NOW)
        client.send(b"banned")
        served.settimeout(0.4)
        with pytest.raises(TimeoutError):
            served.recv(10)


@ADDRESSES
def test_udp_that_was_answered_stops(lab: Lab, wall: Nftables, offender: str, target: str) -> None:
    lab.server.run(["nft", "-f", "-"], stdin=OTHERS)
    wall.start([jail("dns", 5353)], [], [], NOW)
    family = socket.AF_INET6 if ":" in offender else socket.AF_INET
    with lab.receiver(5353) as server, lab.strangers.inside():
        client = socket.socket(family, socket.SOCK_DGRAM)
        with client:
            client.bind((offender, 0))
            client.connect((target, 5353))
            server.settimeout(2)
            client.settimeout(2)
            client.send(b"question")
            question, asker = server.recvfrom(20)
            assert question == b"question"
            server.sendto(b"answer", asker)
            assert client.recv(20) == b"answer"
            wall.apply([put(offender, jail="dns")], NOW)
            client.send(b"again")
            server.settimeout(0.4)
            with pytest.raises(TimeoutError):
                server.recv(20)
