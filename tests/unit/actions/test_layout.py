"""Names and plans of the wall; what the kernel makes of them is tests/netns's business."""

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.actions import layout
from f2b.actions.abilities import Form
from f2b.actions.base import JailWall
from f2b.actions.layout import Place, Standing
from f2b.actions.nft import Hook, Kind, Table
from f2b.addresses import Family, Offender, mask, parse
from f2b.config.settings import WallSettings
from f2b.errors import ActionError

FOUR = st.builds(
    lambda packed, prefix: Offender(Family.INET, mask(packed, prefix), prefix),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 32),
)


def jail(name: str, *ignored: str) -> JailWall:
    return JailWall(name, WallSettings(), tuple(map(parse, ignored)))


@pytest.mark.parametrize(
    ("family", "prefix", "name"),
    [
        (Family.INET, 32, "addr-set-sshd"),
        (Family.INET6, 128, "addr6-set-sshd"),
        (Family.INET, 24, "addr-set-sshd-24"),
        (Family.INET6, 64, "addr6-set-sshd-64"),
    ],
)
def test_sets_have_the_names_of_fail2ban(family: Family, prefix: int, name: str) -> None:
    assert Place("sshd", family, prefix).set_name == name
    assert layout.is_our_set(name)


def test_jails_whose_sets_would_be_one_are_refused() -> None:
    layout.check([jail("sshd"), jail("nginx-24"), jail("sshd-ddos")])
    with pytest.raises(ActionError, match="rename one"):
        layout.check([jail("sshd-64"), jail("sshd")])


@given(st.lists(FOUR))
def test_allowed_networks_cover_the_same_without_overlap(given_: list[Offender]) -> None:
    (own, _) = layout.allowed_own(given_)
    kept = [ipaddress.IPv4Network(str(each)) for each in own.networks]
    wanted = [ipaddress.IPv4Network(str(each)) for each in given_]
    assert list(ipaddress.collapse_addresses(kept)) == list(ipaddress.collapse_addresses(wanted))
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(kept))


def test_jail_without_ignored_networks_has_no_set_for_them() -> None:
    assert layout.allowed_in(jail("sshd")) == []
    (only,) = layout.allowed_in(jail("sshd", "2001:db8::/48", "2001:db8::1"))
    assert (only.set_name, only.networks) == ("ignore6-sshd", [parse("2001:db8::/48")])


def test_rules_go_before_what_they_name_and_sets_come_before_rules() -> None:
    hook = Hook(0, -300)
    places = layout.host_places("sshd")
    standing = Standing(
        Hook(1, -1),
        frozenset({"f2b-chain", "jail-gone"}),
        {"addr-set-gone": places[0].kind(Form()), "addr-set-sshd": places[1].kind(Form())},
    )
    messages = layout.structure(Table("t"), hook, [jail("sshd")], [], places, standing, Form())
    kinds = [message.kind for message in messages]
    order = [Kind.DELRULE, Kind.DELCHAIN, Kind.DELSET, Kind.NEWCHAIN, Kind.NEWSET, Kind.NEWRULE]
    firsts = [kinds.index(kind) for kind in order]
    assert firsts == sorted(firsts)
    assert [kinds.count(kind) for kind in order[:3]] == [2, 2, 2]
