"""Routes that lead nowhere, as `ip` lists them and as packets find them."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from f2b.actions.base import JailWall, Put, Refused, Remove
from f2b.actions.blackhole import Blackhole, flush_routes
from f2b.addresses import parse
from f2b.config.settings import Blocktype, WallSettings
from f2b.model import Ban
from tests.netns.conftest import ROUTER, ROUTER6, Lab
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

NOW = 1000.0
FOUR, SIX = "203.0.113.7", "2001:db8:2::7"


def jail(name: str = "sshd", blocktype: Blocktype = Blocktype.DROP, *ignored: str) -> JailWall:
    settings = WallSettings(backend="blackhole", blocktype=blocktype)
    return JailWall(name, settings, tuple(map(parse, ignored)))


def ban(address: str, name: str = "sshd") -> Ban:
    return Ban(name, parse(address), NOW, NOW + 600)


def put(*addresses: str, name: str = "sshd") -> list[Put]:
    return [Put(ban(address, name)) for address in addresses]


def remove(address: str, name: str = "sshd") -> Remove:
    return Remove(name, parse(address))


class Server:
    """The backend, and what `ip` says of the routes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        with lab.server.inside():
            self.wall = Blackhole()

    def start(self, *jails: JailWall, bans: list[Ban] | None = None) -> list[Refused]:
        return self.wall.start(jails or [jail()], [], bans or [], NOW)

    def apply(self, *operations: Put | Remove) -> list[Refused]:
        return self.wall.apply(operations, NOW)

    def ours(self) -> dict[str, str]:
        """The kinds of our routes, by network."""
        found: dict[str, str] = {}
        for family in ("-4", "-6"):
            listed = self._lab.server.run(["ip", "-j", family, "route", "show", "proto", "242"])
            found |= {each["dst"]: each["type"] for each in json.loads(listed)}
        return found

    def theirs(self) -> list[Any]:
        routes = [
            json.loads(self._lab.server.run(["ip", "-j", family, "route"]))
            for family in ("-4", "-6")
        ]
        return [each for found in routes for each in found if each.get("protocol") != "242"]


@pytest.fixture
def server(lab: Lab) -> Iterator[Server]:
    made = Server(lab)
    made.start()
    before = made.theirs()
    yield made
    assert made.theirs() == before
    made.wall.lift()
    assert made.ours() == {}
    assert made.theirs() == before
    made.wall.close()


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_no_answer_leaves(lab: Lab, server: Server, address: str) -> None:
    assert lab.gets_through(address)
    assert server.apply(*put(address)) == []
    assert server.ours() == {address: "blackhole"}
    assert not lab.gets_through(address)
    server.apply(remove(address))
    assert server.ours() == {}
    assert lab.gets_through(address)


@pytest.mark.parametrize(
    ("blocktype", "kind"),
    [
        (Blocktype.DROP, "blackhole"),
        (Blocktype.HOST, "unreachable"),
        (Blocktype.PROHIBITED, "prohibit"),
    ],
)
def test_kinds(lab: Lab, server: Server, blocktype: Blocktype, kind: str) -> None:
    server.start(jail("sshd", blocktype), bans=[ban(FOUR), ban(SIX)])
    assert server.ours() == {FOUR: kind, SIX: kind}
    assert not lab.gets_through(FOUR)
    assert not lab.gets_through(SIX)


def test_networks_and_hosts_within_are_lifted_exactly(lab: Lab, server: Server) -> None:
    networks = ["203.0.113.0/28", "203.0.113.0/25", "2001:db8:2::/64"]
    server.apply(*put(*networks, FOUR))
    assert set(server.ours()) == {*networks, FOUR}
    server.apply(remove("203.0.113.0/28"), remove(FOUR))
    assert set(server.ours()) == {"203.0.113.0/25", "2001:db8:2::/64"}
    assert not lab.gets_through(FOUR)
    assert not lab.gets_through(SIX)
    assert lab.gets_through("203.0.113.200")


def test_two_jails_share_a_route(server: Server) -> None:
    server.start(jail(), jail("mail", Blocktype.HOST))
    server.apply(*put(FOUR), *put(FOUR, name="mail"))
    assert server.ours() == {FOUR: "blackhole"}
    server.apply(remove(FOUR))
    assert server.ours() == {FOUR: "unreachable"}
    server.apply(remove(FOUR, "mail"))
    assert server.ours() == {}


@pytest.mark.parametrize(
    ("network", "friend", "enemy"),
    [("203.0.113.0/25", FOUR, "203.0.113.8"), ("2001:db8:2::/64", SIX, "2001:db8:2::8")],
)
def test_what_is_ignored_is_cut_out_of_a_network(
    lab: Lab, server: Server, network: str, friend: str, enemy: str
) -> None:
    server.start(jail("sshd", Blocktype.DROP, friend), jail("mail"))
    server.apply(*put(network))
    assert friend not in server.ours()
    assert lab.gets_through(friend)
    assert not lab.gets_through(enemy)
    # Another jail does not ignore it.
    server.apply(*put(network, name="mail"))
    assert set(server.ours()) == {network}
    assert not lab.gets_through(friend)
    server.apply(remove(network, "mail"))
    assert lab.gets_through(friend)
    server.apply(remove(network))
    assert server.ours() == {}


def test_a_start_keeps_what_is_right_and_mends_what_is_not(lab: Lab, server: Server) -> None:
    server.apply(*put(FOUR, SIX, "203.0.113.9"))
    lab.server.run(["ip", "route", "add", "prohibit", "203.0.113.10", "proto", "242"])
    monitor = lab.server.command(["timeout", "1", "ip", "monitor", "route"])
    with lab.server.inside():
        again = Blackhole()
    try:
        again.start([jail()], [], [ban(FOUR), ban(SIX), ban("203.0.113.10")], NOW)
        assert server.ours() == dict.fromkeys([FOUR, SIX, "203.0.113.10"], "blackhole")
        # Nothing left to do: nothing is done.
        with subprocess.Popen(monitor, stdout=subprocess.PIPE, text=True) as heard:
            again.start([jail()], [], [ban(FOUR), ban(SIX), ban("203.0.113.10")], NOW)
            assert heard.communicate()[0] == ""
    finally:
        again.close()


def test_a_route_of_another_is_not_touched(lab: Lab, server: Server) -> None:
    lab.server.run(["ip", "route", "add", FOUR, "via", ROUTER])
    lab.server.run(["ip", "route", "add", "blackhole", "203.0.113.9"])
    try:
        (refused,) = server.apply(*put(FOUR, "203.0.113.8"))
        assert (refused.operation, refused.why) == (*put(FOUR), "somebody else has a route to it")
        assert server.ours() == {"203.0.113.8": "blackhole"}
        server.apply(remove(FOUR), remove("203.0.113.9"))
        assert lab.gets_through(FOUR)
        routes = lab.server.run(["ip", "route"])
        assert f"{FOUR} via {ROUTER}" in routes
        assert "blackhole 203.0.113.9" in routes
    finally:
        lab.server.run(["ip", "route", "del", FOUR])
        lab.server.run(["ip", "route", "del", "blackhole", "203.0.113.9"])


def test_the_networks_at_our_cables_stay(lab: Lab, server: Server) -> None:
    """The kernel has routes of its own to them; our own addresses come before all routes anyway."""
    # As NetworkManager has them: another route to the same network would be possible.
    lab.server.run(["ip", "route", "add", "192.0.2.0/24", "dev", "eth0", "metric", "100"])
    try:
        networks = ["198.51.100.0/24", "2001:db8:1::/64", "192.0.2.0/24"]
        refused = server.apply(*put(*networks))
    finally:
        lab.server.run(["ip", "route", "del", "192.0.2.0/24"])
    assert {
        str(each.operation.ban.offender) for each in refused if isinstance(each.operation, Put)
    } == {*networks}
    assert {each.why for each in refused} == {"this network is on a link of this machine"}
    assert server.ours() == {}
    assert lab.gets_through(ROUTER)
    assert lab.gets_through(ROUTER6)
    # A wider one leaves them alone, since the longer prefix wins.
    assert server.apply(*put("198.51.0.0/16", "2001:db8::/32", "198.51.100.1")) == []
    assert lab.gets_through(ROUTER)
    assert lab.gets_through(ROUTER6)


def test_removal_by_hand_is_heard_and_our_own_is_not(lab: Lab, server: Server) -> None:
    server.apply(*put(FOUR, SIX))
    server.apply(remove(SIX))
    assert server.wall.disturbed() is None
    lab.server.run(["ip", "route", "add", "203.0.113.64/26", "via", ROUTER])
    lab.server.run(["ip", "route", "del", "203.0.113.64/26"])
    assert server.wall.disturbed() is None
    lab.server.run(["ip", "route", "flush", "proto", "242"])
    wait_until(lambda: server.wall.disturbed() is not None, "the news")
    server.start(bans=[ban(FOUR)])
    assert server.ours() == {FOUR: "blackhole"}


def test_ipv6_off(lab: Lab, server: Server) -> None:
    """Some kernels take such a route then, and others deny it: neither is worth a complaint."""
    lab.server.run(["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=1"])
    try:
        assert server.apply(*put(FOUR, SIX)) == []
        assert server.ours()[FOUR] == "blackhole"
        assert (SIX in server.ours()) != (
            "IPv6 is off: nothing is done for it" in server.wall.losses
        )
        assert server.apply(remove(SIX)) == []
    finally:
        lab.server.run(["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0"])


def test_ten_thousand_and_flush(lab: Lab, server: Server) -> None:
    bans = [ban(f"192.{168 + at // 65536}.{at // 256 % 256}.{at % 256}") for at in range(10_000)]
    bans += [ban(f"2001:db8:9:{at:x}::/64") for at in range(1000)]
    assert server.start(bans=bans) == []
    assert len(server.ours()) == 11_000
    with lab.server.inside():
        assert flush_routes()
        assert not flush_routes()
    assert server.ours() == {}


def test_a_jail_that_is_not_there(server: Server) -> None:
    (refused,) = server.apply(*put(FOUR, name="other"), remove(FOUR, "other"))
    assert refused.why == "there is no jail other at this wall"
