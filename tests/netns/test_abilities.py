"""What a kernel may lack, what is done without it, and what is lost: the rows of f2b-actions(7)."""

import errno
import platform
import socket
from collections.abc import Sequence

import pytest

from f2b.actions.abilities import Form, probe
from f2b.actions.layout import HOOKS
from f2b.actions.netlink import KernelError, Message, Netfilter, attribute, attributes
from f2b.actions.nft import Kind
from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from f2b.errors import ActionError
from tests.netns.conftest import SERVER, SERVER6, TABLE, Lab
from tests.netns.values import NOW, ban, jail, put, remove

pytestmark = pytest.mark.root

ONE, SIX = "203.0.113.7", "2001:db8:2::7"
# Since Linux 6.12 a new timeout for an element means something.
UPDATES = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (6, 12)
BOTH = [ban(ONE), ban(SIX), ban("203.0.113.128/25"), ban("2001:db8:2:1::/64")]


def listed(lab: Lab) -> str:
    return lab.nft("list", "table", "inet", TABLE)


def stops(lab: Lab) -> None:
    for address in (ONE, SIX, "203.0.113.200", "2001:db8:2:1::9"):
        assert not lab.gets_through(address, timeout=0.2)
    for address in ("203.0.113.8", "2001:db8:2::8"):
        assert lab.gets_through(address)


def test_this_kernel_is_asked_and_nothing_stays(lab: Lab, wall: Nftables) -> None:
    assert wall.losses == []
    wall.start([jail()], [], [], NOW)
    lost = [] if UPDATES else ["no new timeouts for elements"]
    assert [loss.partition(":")[0] for loss in wall.losses] == lost
    assert lab.nft("list", "tables") == f"table inet {TABLE}\n"


class Forgetful(Netfilter):
    """A kernel that knows no comments of tables overlooks them."""

    def commit(self, messages: Sequence[Message]) -> None:
        without = [
            each._replace(body=attribute(1, dict(attributes(each.body))[1]))
            if each.kind == Kind.NEWTABLE
            else each
            for each in messages
        ]
        super().commit(without)


def test_a_kernel_that_forgets_whose_a_table_is_gets_none(lab: Lab) -> None:
    with lab.server.inside():
        kernel = Forgetful()
    with pytest.raises(ActionError, match="forgets whose a table is") as refused:
        probe(kernel, HOOKS["prerouting"])
    assert not refused.value.retry
    assert lab.nft("list", "tables") == ""
    kernel.close()


class Countless(Netfilter):
    """A kernel built without nft_counter."""

    def commit(self, messages: Sequence[Message]) -> None:
        for at, each in enumerate(messages):
            if each.kind == Kind.NEWSET and 17 in dict(attributes(each.body)):
                raise KernelError({at: errno.ENOENT})
        super().commit(messages)


def test_a_kernel_that_cannot_count_still_has_nftables(lab: Lab) -> None:
    with lab.server.inside():
        kernel = Countless()
    assert probe(kernel, HOOKS["prerouting"]) == Form(counters=False, update=UPDATES)
    assert lab.nft("list", "tables") == ""
    kernel.close()


def test_without_timeouts_what_is_over_is_lifted_by_the_daemon(lab: Lab) -> None:
    wall = lab.wall(form=Form(timeouts=False, update=False))
    wall.start([jail()], [], BOTH, NOW)
    stops(lab)
    assert "timeout" not in listed(lab)
    assert any("without the daemon no ban ends" in loss for loss in wall.losses)
    wall.apply([put(ONE, 900), remove(SIX)], NOW)
    assert lab.gets_through(SIX)
    packets, _ = wall.counters("sshd")[parse(ONE)]
    assert packets > 0
    wall.start([jail()], [], [ban(ONE, -1)], NOW)
    assert lab.gets_through(ONE)
    wall.close()


def test_without_counters_nothing_is_counted(lab: Lab) -> None:
    wall = lab.wall(form=Form(counters=False))
    wall.start([jail()], [], BOTH, NOW)
    stops(lab)
    assert "counter" not in listed(lab)
    assert lab.elements("addr-set-sshd")[ONE]["timeout"] == 600
    assert wall.counters("sshd") == {}
    assert wall.losses == ["no counters in sets: what bans stop is not counted"]
    wall.close()


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize("offender", [ONE, SIX, "203.0.113.0/24", "2001:db8:2::/64"])
def test_prolonging_goes_on_counting(lab: Lab, offender: str, update: bool) -> None:  # noqa: FBT001
    if update and not UPDATES:
        pytest.skip("not on this kernel")
    wall = lab.wall(form=Form(update=update))
    wall.start([jail()], [], [ban(offender)], NOW)
    assert not lab.gets_through(SIX if ":" in offender else ONE, timeout=0.2)
    before = wall.counters("sshd")[parse(offender)]
    assert before[0] > 0
    assert before[1] >= 40 * before[0]
    for seconds in (900, 60, None, 700):
        wall.apply([put(offender, seconds), put("198.51.100.99")], NOW)
        assert wall.counters("sshd")[parse(offender)] >= before
        left = wall.elements("sshd")[parse(offender)].left
        assert left is None if seconds is None else left == pytest.approx(seconds, abs=3)
    wall.start([jail()], [], [ban(offender, 800), ban("203.0.112.9")], NOW)
    assert wall.counters("sshd")[parse(offender)] >= before
    assert wall.elements("sshd")[parse(offender)].left == pytest.approx(800, abs=3)
    wall.close()


def test_thousands_are_prolonged_at_once_and_go_on_counting(lab: Lab) -> None:
    wall = lab.wall(form=Form(update=False))
    many = [f"10.1.{n >> 8}.{n & 255}" for n in range(2500)]
    many += [f"2001:db8:3:{n:x}::/64" for n in range(2500)]
    wall.start([jail()], [], [*BOTH, *map(ban, many)], NOW)
    assert not lab.gets_through(SIX, timeout=0.2)
    before = wall.counters("sshd")[parse(SIX)]
    assert wall.apply([put(each, 900) for each in (*many, SIX)], NOW) == []
    assert wall.start([jail()], [], [ban(each, 1200) for each in (*many, SIX)], NOW) == []
    held = wall.elements("sshd")
    assert held.keys() == {parse(each) for each in (*many, SIX)}
    assert all(each.left and 1190 < each.left <= 1200 for each in held.values())
    assert wall.counters("sshd")[parse(SIX)] >= before
    assert before[0] > 0
    wall.close()


def test_without_reject_packets_are_dropped(lab: Lab) -> None:
    for blocktype in (Blocktype.REJECT, Blocktype.RESET):
        wall = lab.wall(form=Form(reject=False))
        wall.start([jail(blocktype=blocktype)], [], BOTH, NOW)
        assert "reject" not in listed(lab)
        stops(lab)
        assert wall.losses == ["no reject at this hook: packets are dropped"]
        wall.close()


def test_without_sets_of_networks_each_ignored_one_is_a_rule(lab: Lab) -> None:
    wall = lab.wall(form=Form(intervals=False))
    ignored = ("203.0.113.192/26", "2001:db8:2:1:f::/80", "203.0.113.130")
    everyone = [*BOTH, ban("0.0.0.0/0"), ban("::/0")]
    wall.start([jail(ignored=ignored)], [parse("203.0.113.9")], everyone, NOW)
    assert "interval" not in listed(lab)
    assert "ip saddr 203.0.113.192/26 return" in listed(lab)
    for address in ("203.0.113.200", "2001:db8:2:1:f::1", "203.0.113.130", "203.0.113.9"):
        assert lab.gets_through(address)
    for address in ("203.0.113.131", "2001:db8:2:1:e::1", "203.0.113.10"):
        assert not lab.gets_through(address, timeout=0.2)
    wall.set_own([parse("203.0.113.10"), parse("2001:db8:2:1:e::/80")])
    assert lab.gets_through("203.0.113.10")
    assert lab.gets_through("2001:db8:2:1:e::1")
    assert not lab.gets_through("203.0.113.9", timeout=0.2)
    wall.close()


def test_after_an_update_of_the_kernel_the_wall_has_its_full_form(lab: Lab) -> None:
    bare = Form(timeouts=False, counters=False, update=False, reject=False, intervals=False)
    for form in (bare, Form(), bare, None):
        wall = lab.wall(form=form)
        wall.start([jail(ignored=("203.0.113.192/26",))], [], BOTH, NOW)
        stops_one = not lab.gets_through(ONE, timeout=0.2)
        assert stops_one
        wall.close()
    assert "counter" in listed(lab)


@pytest.mark.parametrize(
    ("blocktype", "shown"),
    [
        (Blocktype.REJECT, "reject"),
        (Blocktype.RESET, "reject with tcp reset"),
        (Blocktype.NO_ROUTE, "reject with icmpx no-route"),
        (Blocktype.HOST, "reject with icmpx host-unreachable"),
        (Blocktype.PROHIBITED, "reject with icmpx admin-prohibited"),
    ],
)
@pytest.mark.parametrize("hook", ["prerouting", "input"])
@pytest.mark.parametrize(("offender", "target"), [(ONE, SERVER), (SIX, SERVER6)])
def test_reasons_to_reject(
    lab: Lab, blocktype: Blocktype, shown: str, hook: str, offender: str, target: str
) -> None:
    wall = lab.wall(hook=hook)
    wall.start([jail(blocktype=blocktype)], [], BOTH, NOW)
    assert f"{shown}\n" in listed(lab).replace("icmpx type", "icmpx")
    with lab.strangers.inside(), pytest.raises(OSError, match=r"\[Errno") as error:
        socket.create_connection((target, 22), 4, (offender, 0))
    assert not isinstance(error.value, TimeoutError)
    wall.close()


def test_reset_is_for_tcp_and_the_rest_is_told_too(lab: Lab, wall: Nftables) -> None:
    wall.start([jail(blocktype=Blocktype.RESET)], [], [ban(ONE)], NOW)
    with lab.strangers.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((ONE, 0))
        client.connect((SERVER, 9))
        client.settimeout(2)
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(1)
