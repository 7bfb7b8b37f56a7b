"""Networks that are never counted, asked by hash."""

import pytest

from f2b.addresses import parse
from f2b.decide.ignore import IgnoreList

LIST = IgnoreList(map(parse, ("127.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1")))


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.255.0.0/16", "192.0.2.7", "2001:db8:1::1", "2001:db8::/64", "::1"],
)
def test_covered(text: str) -> None:
    assert LIST.covers(parse(text))


@pytest.mark.parametrize(
    "text",
    ["128.0.0.1", "192.0.2.8", "192.0.2.0/24", "126.0.0.0/7", "2001:db9::1", "2001::/16", "::2"],
)
def test_not_covered(text: str) -> None:
    assert not LIST.covers(parse(text))


def test_nothing_is_covered_by_an_empty_list() -> None:
    assert not IgnoreList().covers(parse("127.0.0.1"))


def test_everything_of_a_family_is_covered_by_its_widest_network() -> None:
    everything = IgnoreList([parse("0.0.0.0/0")])
    assert everything.covers(parse("203.0.113.1"))
    assert not everything.covers(parse("2001:db8::1"))


def test_an_ipv4_mapped_address_is_its_ipv4_address() -> None:
    assert LIST.covers(parse("::ffff:127.0.0.1"))
