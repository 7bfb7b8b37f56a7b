"""IgnoreList and Offender against the standard library's ipaddress."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from f2b.addresses import parse
from f2b.decide.ignore import IgnoreList

Network = IPv4Network | IPv6Network


def near(version: int, bits: int) -> st.SearchStrategy[Network]:
    """Networks that often lie within each other: few distinct bits, all lengths."""
    base = 0xC0000200 if version == 4 else 0x20010DB8 << 96
    wobble = st.integers(0, bits - 1).map(lambda bit: 1 << bit)
    address = st.lists(wobble, max_size=3).map(lambda flips: base ^ sum(flips) % (1 << bits))
    kind = IPv4Network if version == 4 else IPv6Network
    return st.tuples(address, st.integers(0, bits)).map(lambda pair: kind(pair, strict=False))


networks = st.one_of(near(4, 32), near(6, 128)).filter(
    lambda network: network.version == 4 or network.network_address.ipv4_mapped is None
)


def inside(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


@given(st.lists(networks, max_size=8), networks)
def test_covered_is_what_lies_in_one_of_the_networks(
    ignored: list[Network], asked: Network
) -> None:
    ours = IgnoreList(parse(str(network)) for network in ignored)
    assert ours.covers(parse(str(asked))) == any(inside(asked, each) for each in ignored)


@given(networks, networks)
def test_covers_is_subnet(one: Network, other: Network) -> None:
    assert parse(str(other)).covers(parse(str(one))) == inside(one, other)


@given(networks)
def test_text_and_value_are_one(network: Network) -> None:
    offender = parse(str(network))
    assert parse(str(offender)) == offender
    assert ip_network(str(offender)) == network


@given(networks, st.integers(0, 128))
def test_masked_is_supernet(network: Network, prefix: int) -> None:
    wanted = min(prefix, network.prefixlen)
    assert ip_network(str(parse(str(network)).masked(prefix))) == network.supernet(
        new_prefix=wanted
    )


@given(st.text(max_size=50))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        offender = parse(text)
    except ValueError:
        return
    assert parse(str(offender)) == offender
