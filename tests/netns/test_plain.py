"""nft_plain: sets and rules letter by letter as scripts written for fail2ban compare them."""

import random
from collections.abc import Iterator

import pytest

from f2b.actions.base import Operation
from f2b.actions.plain import PlainNftables
from f2b.addresses import Offender, parse
from f2b.errors import ActionError
from tests.netns.conftest import TABLE, Lab
from tests.netns.values import NOW, ban, jail, put, remove

pytestmark = pytest.mark.root

MAIL = (25, 110, 143, 465, 587, 993, 995, 4190)


@pytest.fixture
def plain(lab: Lab) -> Iterator[PlainNftables]:
    with lab.server.inside():
        backend = PlainNftables(TABLE, "prerouting", "1a2b3c4d")
    yield backend
    backend.close()


def shown(lab: Lab, name: str = "addr-set-custom") -> str:
    """What is between the braces after `elements =`, in one line."""
    _, _, elements = lab.nft("list", "set", "inet", TABLE, name).partition("elements = {")
    return " ".join(elements.partition("}")[0].split())


def test_scripts_for_fail2ban_find_what_they_look_for(lab: Lab, plain: PlainNftables) -> None:
    custom = jail("custom", *MAIL, protocols=("tcp",))
    plain.start([custom, jail("dovecot", *MAIL[1:], protocols=("tcp",))], [], [], NOW)
    plain.apply([put("192.0.66.7", jail="custom")], NOW)
    listing = lab.nft("list", "set", "inet", TABLE, "addr-set-custom")
    assert "elements = { 192.0.66.7 }" in listing
    assert "timeout" not in listing
    assert "counter" not in listing
    plain.apply([remove("192.0.66.7", jail="custom"), put("192.0.66.0/24", jail="custom")], NOW)
    listing = lab.nft("list", "set", "inet", TABLE, "addr-set-custom")
    assert "elements = { 192.0.66.0/24 }" in listing
    rules = lab.nft("list", "table", "inet", TABLE)
    for name, ports in (("custom", MAIL), ("dovecot", MAIL[1:])):
        among = ", ".join(map(str, ports))
        assert f"tcp dport {{ {among} }} ip saddr @addr-set-{name} drop\n" in rules
    plain.apply([remove("192.0.66.0/24", jail="custom")], NOW)
    assert "elements" not in lab.nft("list", "set", "inet", TABLE, "addr-set-custom")


@pytest.mark.parametrize(
    ("wide", "narrow", "inside", "outside"),
    [
        ("203.0.113.0/24", "203.0.113.7", "203.0.113.9", "203.0.112.9"),
        ("2001:db8:2::/48", "2001:db8:2::/64", "2001:db8:2:1::9", "2001:db8:3::9"),
    ],
)
def test_overlapping_networks_are_lifted_one_by_one(
    lab: Lab, plain: PlainNftables, wide: str, narrow: str, inside: str, outside: str
) -> None:
    host = str(parse(narrow)).partition("/")[0] + ("7" if ":" in narrow else "")
    plain.start([jail()], [], [ban(narrow)], NOW)
    plain.apply([put(wide)], NOW)
    assert not lab.gets_through(host)
    assert not lab.gets_through(inside)
    plain.apply([remove(wide)], NOW)
    assert not lab.gets_through(host)
    assert lab.gets_through(inside)
    plain.apply([remove(narrow)], NOW)
    assert lab.gets_through(host)
    assert set(plain.elements("sshd")) == set()
    assert outside not in shown(lab, "addr-set-sshd")


def test_start_makes_right_what_is_there(lab: Lab, plain: PlainNftables) -> None:
    bans = [ban("203.0.113.0/24"), ban("203.0.113.7"), ban("198.51.0.0/16"), ban("0.0.0.0/5")]
    plain.start([jail()], [], bans, NOW)
    plain.apply([put("255.255.255.255"), put("255.255.255.0/31")], NOW)
    before = shown(lab, "addr-set-sshd")
    bans += [ban("255.255.255.255"), ban("255.255.255.0/31")]
    plain.start([jail()], [], bans, NOW)
    assert shown(lab, "addr-set-sshd") == before
    lab.nft("flush", "set", "inet", TABLE, "addr-set-sshd")
    plain.start([jail()], [], bans, NOW)
    assert shown(lab, "addr-set-sshd") == before
    plain.start([jail()], [], [ban("203.0.113.7")], NOW)
    assert shown(lab, "addr-set-sshd") == "203.0.113.7"


def test_from_and_to_the_other_form(lab: Lab, plain: PlainNftables) -> None:
    bans = [ban("203.0.113.0/25"), ban("203.0.113.7"), ban("2001:db8:2::/64")]
    wall = lab.wall()
    for each in (wall, plain, wall):
        each.start([jail()], [], bans, NOW)
        assert not lab.gets_through("203.0.113.9")
        assert not lab.gets_through("2001:db8:2::9")
        assert lab.gets_through("203.0.113.129")
    wall.close()


def test_wall_taken_down_behind_our_back(lab: Lab, plain: PlainNftables) -> None:
    plain.start([jail()], [], [ban("203.0.113.7")], NOW)
    lab.nft("flush", "ruleset")
    with pytest.raises(ActionError, match="somebody changed the table") as error:
        plain.apply([put("203.0.113.8")], NOW)
    assert error.value.retry
    plain.start([jail()], [], [ban("203.0.113.7"), ban("203.0.113.8")], NOW)
    assert shown(lab, "addr-set-sshd") == "203.0.113.7, 203.0.113.8"


def test_bans_that_are_over_and_strangers_are_left_out(lab: Lab, plain: PlainNftables) -> None:
    stray = plain.start([jail()], [], [ban("203.0.113.7", -1), ban("203.0.113.8", jail="x")], NOW)
    stray += plain.apply([put("203.0.113.9", jail="x"), remove("203.0.113.9", jail="x")], NOW)
    assert [each.why for each in stray] == ["the wall has no jail x"] * 2
    assert shown(lab, "addr-set-sshd") == ""


def test_a_single_element_taken_out_is_told_as_the_ban_it_was(
    lab: Lab, plain: PlainNftables
) -> None:
    plain.start([jail()], [], [ban("203.0.113.0/24"), ban("198.51.100.9")], NOW)
    lab.nft("delete", "element", "inet", TABLE, "addr-set-sshd", "{ 203.0.113.0/24 }")
    disturbance = plain.disturbed()
    assert disturbance is not None
    assert disturbance.removed == (("sshd", parse("203.0.113.0/24")),)


def test_random_networks_against_a_model(plain: PlainNftables) -> None:
    """Whatever overlaps, the kernel keeps out exactly the union of the bans."""
    chance = random.Random(20261122)
    model: set[Offender] = set()
    plain.start([jail()], [], [], NOW)
    for _ in range(60):
        operations: list[Operation] = []
        for _ in range(chance.randint(1, 6)):
            prefix = chance.choice((26, 28, 30, 32))
            offender = parse(f"203.0.113.{chance.randrange(64)}/{prefix}")
            if chance.random() < 0.4 and model:
                offender = chance.choice(sorted(model))
                operations.append(remove(str(offender)))
                model.discard(offender)
            else:
                operations.append(put(str(offender)))
                model.add(offender)
        if chance.random() < 0.2:
            plain.start([jail()], [], [ban(str(each)) for each in model], NOW)
        else:
            plain.apply(operations, NOW)
        held = plain.elements("sshd")
        for number in range(64):
            address = parse(f"203.0.113.{number}")
            wanted = any(each.covers(address) for each in model)
            assert any(each.covers(address) for each in held) is wanted
