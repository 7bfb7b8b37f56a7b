"""Addresses and networks: one spelling in, one value out, and nothing that only looks like one."""

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.addresses import Family, is_name, mask, parse, parse_host


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
    ],
)
def test_spelling(text: str, spelled: str) -> None:
    assert str(parse(text)) == spelled


@pytest.mark.parametrize(
    "text",
    ["", " ", "4", "3221225991", "999.1.1.1", "192.0.2", "192.0.02.7", "192.0.2.7 ", " 192.0.2.7",
     "192.0.2.7\n", "192.0.2.7/33", "192.0.2.7/", "192.0.2.7/-1", "192.0.2.7/24/24", "0x7f.1",
     "2001:db8::1/129", "fe80::1%eth0", "[fe80::1%eth0]", "1::2::3", "example.com", "[192.0.2.7",
     "\u0661.2.3.4", "\ud800", "192.0.2.7\x00"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


SIGNS = "0123456789abcdefABCDEF:.x -\0\u0663"


@st.composite
def nearly_addresses(draw: st.DrawFn) -> str:
    text = str(
        draw(st.ip_addresses() | st.from_regex(r"::ffff:(\d{1,3}\.){3}\d{1,3}", fullmatch=True))
    )
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.text(SIGNS, max_size=2)) + text[at + draw(st.integers(0, 2)) :]


@given(nearly_addresses() | st.text(SIGNS, max_size=20))
def test_hosts_are_those_of_the_standard_library(text: str) -> None:
    try:
        ip = ip_address(text)
    except ValueError:
        assert parse_host(text) is None
        return
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    assert parse(text).packed == (mapped or ip).packed


@pytest.mark.parametrize("text", ["192.0.2.7/32", "192.0.2.0/24", "2001:db8::/64", "4", "x", ""])
def test_a_line_names_hosts_only(text: str) -> None:
    assert parse_host(text) is None


@pytest.mark.parametrize("text", ["192.0.2.7", "2001:db8::1"])
def test_a_host(text: str) -> None:
    host = parse_host(text)
    assert host
    assert host.is_host
    assert str(host) == text


def test_families_have_their_lengths() -> None:
    assert (Family.INET.bits, Family.INET6.bits) == (32, 128)
    assert (parse("192.0.2.7").prefix, parse("2001:db8::1").prefix) == (32, 128)


def test_masked_is_the_network_around() -> None:
    assert parse("192.0.2.7").masked(24) == parse("192.0.2.0/24")
    assert parse("2001:db8::1").masked(64) == parse("2001:db8::/64")


def test_masked_never_narrows() -> None:
    assert parse("192.0.2.0/24").masked(32) == parse("192.0.2.0/24")


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.2.0/24", True),
        ("192.0.2.0/24", "192.0.2.128/25", True),
        ("192.0.2.0/24", "192.0.0.0/16", False),
        ("192.0.2.0/24", "192.0.3.7", False),
        ("0.0.0.0/0", "192.0.2.7", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:1::/48", True),
    ],
)
def test_covers(wide: str, narrow: str, covers: bool) -> None:  # noqa: FBT001
    assert parse(wide).covers(parse(narrow)) is covers


@pytest.mark.parametrize(
    ("prefix", "left"), [(0, "00000000"), (1, "80000000"), (20, "fffff000"), (32, "ffffffff")]
)
def test_mask(prefix: int, left: str) -> None:
    assert mask(b"\xff" * 4, prefix).hex() == left


def test_offenders_are_equal_by_value() -> None:
    assert len({parse("2001:db8::1"), parse("[2001:0db8::1]"), parse("2001:db8::1/128")}) == 1


def test_an_ipv4_address_is_not_the_ipv6_network_of_the_same_bytes() -> None:
    assert parse("192.0.2.7") != parse("c000:207::")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", True), ("localhost", True), ("a_b-c.example", True), ("4chan.org", True),
        ("1.2.3.4.in-addr.arpa", True), ("a" * 63, True), ("xn--bcher-kva.example", True),
        ("4", False), ("1.2", False), ("127.1", False), ("0x7f.1", False), ("a.0x7f", False),
        ("example.4", False), ("1.2.3.999", False), ("", False), (".", False), ("a..b", False),
        ("-a.example", False), ("a" * 64, False), ("a." * 127 + "b", False), ("b\u00fccher", False),
        ("a b", False), ("a^b", False), ("a\n", False), ("\u0661", False), ("a.\u0661", False),
    ],
)  # fmt: skip
def test_a_number_is_no_name(text: str, name: bool) -> None:  # noqa: FBT001
    assert is_name(text) is name
