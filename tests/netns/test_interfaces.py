"""The host's addresses and gateways, and the news of them."""

import asyncio
import select
import sys
from collections.abc import Iterator

import pytest

from f2b.actions import interfaces
from f2b.addresses import Offender
from tests.support.netns import Namespace

pytestmark = pytest.mark.root


@pytest.fixture
def host() -> Iterator[Namespace]:
    with Namespace() as namespace:
        namespace.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
        for address in ("198.51.100.1/24", "198.51.100.9/24", "2001:db8:1::1/64"):
            namespace.run(["ip", "address", "add", address, "dev", "eth0"])
        for device in ("eth0", "eth1"):
            namespace.run(["ip", "link", "set", device, "up"])
        yield namespace


def texts(found: tuple[Offender, ...]) -> set[str]:
    return {str(offender) for offender in found}


def test_own_addresses(host: Namespace) -> None:
    with host.inside():
        own = texts(interfaces.own_addresses())
    assert {"127.0.0.0/8", "::1", "198.51.100.1", "198.51.100.9", "2001:db8:1::1"} <= own
    assert not {address for address in own if "/" in address} - {"127.0.0.0/8"}


def test_own_end_of_a_tunnel(host: Namespace) -> None:
    host.run(["ip", "addr", "add", "203.0.113.1", "peer", "203.0.113.2", "dev", "eth1"])
    with host.inside():
        own = texts(interfaces.own_addresses())
    assert "203.0.113.1" in own
    assert "203.0.113.2" not in own


ANOTHER = """
from pyroute2 import IPRoute
with IPRoute() as netlink:
    for each in netlink.get_addr():
        found = dict(each["attrs"])
        print(found.get("IFA_LOCAL") or found["IFA_ADDRESS"])
"""


def test_another_library_reads_the_same(host: Namespace) -> None:
    host.run(["ip", "addr", "add", "203.0.113.1", "peer", "203.0.113.2", "dev", "eth1"])
    theirs = set(host.run([sys.executable, "-c", ANOTHER]).split())
    with host.inside():
        own = texts(interfaces.own_addresses())
    assert own - {"127.0.0.0/8"} == theirs - {"127.0.0.1"}
    assert len(theirs) > 6


def test_gateways(host: Namespace) -> None:
    with host.inside():
        assert interfaces.gateways() == ()
    host.run(["ip", "route", "add", "default", "via", "198.51.100.2"])
    host.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:1::2"])
    hops = [word for hop in (3, 4) for word in ("nexthop", "via", f"198.51.100.{hop}")]
    host.run(["ip", "route", "add", "default", "metric", "9", *hops])
    host.run(
        ["ip", "route", "add", "default", "metric", "10", "via", "inet6", "fe80::5", "dev", "eth0"]
    )
    host.run(["ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.7"])
    with host.inside():
        found = texts(interfaces.gateways())
    assert found == {"198.51.100.2", "198.51.100.3", "198.51.100.4", "2001:db8:1::2", "fe80::5"}


def test_inside_a_running_loop(host: Namespace) -> None:
    async def ask() -> tuple[Offender, ...]:
        return interfaces.own_addresses()

    with host.inside():
        assert "198.51.100.1" in texts(asyncio.run(ask()))


def test_watch_tells_of_changes(host: Namespace) -> None:
    with host.inside():
        watch = interfaces.Watch()
    watch.drain()
    assert not watch.drain()
    for address in ("203.0.113.9/24", "2001:db8:9::9/64"):
        for change in ("add", "del"):
            host.run(["ip", "address", change, address, "dev", "eth0"])
            assert select.select([watch], [], [], 5)[0]
            assert watch.drain()
            assert not select.select([watch], [], [], 0.2)[0] or "2001" in address
            watch.drain()
    watch.close()


def test_watch_that_slept_through_a_storm_says_changed(host: Namespace) -> None:
    with host.inside():
        watch = interfaces.Watch()
    many = "".join(
        f"address {change} 203.0.{n >> 8}.{n & 255}/32 dev eth0\n"
        for n in range(2000)
        for change in ("add", "del")
    )
    host.run(["ip", "-batch", "-"], stdin=many)
    assert watch.drain()
    assert not watch.drain()
    watch.close()
