"""The language of failregex: what each <TAG> accepts and what it captures."""

import re

import pytest

from f2b.detect import failregex
from f2b.detect.failregex import compile_failregex, compile_regex, expand
from f2b.errors import FilterError
from tests.unit.decide.making import located


def captured(
    regex: str, text: str, *, names: bool = False, multiline: bool = False
) -> dict[str, str] | None:
    match = compile_regex(*located(regex), names=names, multiline=multiline).search(text)
    return None if match is None else failregex.captured(match)


@pytest.mark.parametrize("tag", ["<IP4>", "<F-IP4/>", "<ADDR>", "<F-ADDR/>", "<HOST>", "<SUBNET>"])
def test_ipv4(tag: str) -> None:
    assert captured(f"^from {tag}$", "from 192.0.2.7") == {"ip4": "192.0.2.7"}


@pytest.mark.parametrize("tag", ["<IP6>", "<F-IP6/>", "<ADDR>", "<F-ADDR/>", "<HOST>", "<SUBNET>"])
@pytest.mark.parametrize("text", ["2001:db8::1", "::1", "2001:db8:1:2:3:4:5:6", "2001:db8::"])
def test_ipv6(tag: str, text: str) -> None:
    assert captured(f"^from {tag}$", f"from {text}") == {"ip6": text}


@pytest.mark.parametrize("tag", ["<ADDR>", "<HOST>", "<SUBNET>"])
def test_brackets_around_an_address_are_no_part_of_it(tag: str) -> None:
    assert captured(f"^{tag}$", "[2001:db8::1]") == {"ip6": "2001:db8::1"}
    assert captured(f"^{tag}$", "[192.0.2.7]") == {"ip4": "192.0.2.7"}


def test_ipv4_within_ipv6_is_ipv4() -> None:
    assert captured("^<HOST>$", "::ffff:192.0.2.7") == {"ip4": "192.0.2.7"}


def test_a_host_is_an_address_and_no_name() -> None:
    assert captured("^from <HOST>$", "from example.com") is None


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("mail.example.com", {"dns": "mail.example.com"}),
        ("192.0.2.7", {"ip4": "192.0.2.7"}),
        ("[2001:db8::1]", {"ip6": "2001:db8::1"}),
    ],
)
def test_with_raw_names_a_host_is_either(text: str, groups: dict[str, str]) -> None:
    assert captured("^from <HOST>$", f"from {text}", names=True) == groups


def test_dns_is_a_name() -> None:
    assert captured("^from <DNS>$", "from mail-1.example.com") == {"dns": "mail-1.example.com"}


def test_subnet() -> None:
    assert captured("^<SUBNET>$", "192.0.2.0/24") == {"ip4": "192.0.2.0", "cidr": "24"}


def test_cidr() -> None:
    assert captured("^<IP4>/<CIDR>$", "192.0.2.0/24") == {"ip4": "192.0.2.0", "cidr": "24"}


def test_id_and_port() -> None:
    assert captured("^<F-ID/> <F-PORT/>$", "a-b.c ssh2") == {"fid": "a-b.c", "fport": "ssh2"}


@pytest.mark.parametrize(
    ("tag", "group"),
    [("USER", "user"), ("ID", "fid"), ("PORT", "fport"), ("IP4", "ip4"), ("ALT_", "alt_"),
     ("MLFID", "mlfid"), ("RHOST-NAME", "rhost_name")],
)  # fmt: skip
def test_a_pair_of_tags_captures_its_own_pattern(tag: str, group: str) -> None:
    assert captured(rf"^<F-{tag}>\S+</F-{tag}> x$", "root x") == {group: "root"}


def test_an_alternative_fills_what_is_missing() -> None:
    regex = r"^(?:<F-USER>[a-z]+</F-USER>|<F-ALT_USER>\d+</F-ALT_USER>)$"
    assert captured(regex, "root") == {"user": "root"}
    assert captured(regex, "7") == {"alt_user": "7", "user": "7"}


def test_an_alternative_fills_what_is_empty() -> None:
    regex = r"^u=<F-USER>\w*</F-USER> r=<F-ALT_USER>\w*</F-ALT_USER>$"
    assert captured(regex, "u= r=guest") == {"user": "guest", "alt_user": "guest"}
    assert captured(regex, "u=root r=guest") == {"user": "root", "alt_user": "guest"}


def test_the_first_alternative_by_name_comes_first() -> None:
    regex = r"^<F-ALT_USER_2>\w*</F-ALT_USER_2> <F-ALT_USER_1>\w*</F-ALT_USER_1>$"
    assert (captured(regex, "two one") or {})["user"] == "one"
    assert (captured(regex, "two ") or {})["user"] == "two"


def test_an_alternative_of_another_name_is_for_that_name() -> None:
    groups = captured(r"^<F-ALT_USER1>\w+</F-ALT_USER1>$", "root")
    assert groups == {"alt_user1": "root", "user1": "root"}


def test_an_alternative_may_be_the_id() -> None:
    assert (captured(r"^<F-ALT_ID>\w+</F-ALT_ID>$", "x") or {})["fid"] == "x"


def test_parts_of_a_tuple_are_joined() -> None:
    regex = r"^<F-ID>\w+</F-ID> <F-TUPLE_ID_1>\w+</F-TUPLE_ID_1>(?: <F-TUPLE_ID_2>\w+</F-TUPLE_ID_2>)?$"
    assert (captured(regex, "a b c") or {})["fid"] == "a, b, c"
    assert (captured(regex, "a b") or {})["fid"] == "a, b"


def test_skipped_lines_are_as_few_as_can_be() -> None:
    regex = "^one$<SKIPLINES>^two$<SKIPLINES>^three$"
    groups = captured(regex, "one\nx\ny\ntwo\nthree\nthree\n", multiline=True)
    assert groups == {"skiplines0": "x\ny\n", "skiplines1": ""}


def test_only_several_lines_have_boundaries_between_them() -> None:
    assert captured("^two$", "one\ntwo\n", multiline=True) == {}
    assert captured("^two$", "one\ntwo\n") is None


def test_pairs_may_overlap() -> None:
    assert expand("<F-A>a<F-B>b</F-A>c</F-B>") == "(?P<a>a(?P<b>b)c)"


def test_pairs_may_be_nested() -> None:
    regex = r"^<F-NOFAIL><F-USER>\w+</F-USER> ok</F-NOFAIL>$"
    assert captured(regex, "root ok") == {"nofail": "root ok", "user": "root"}


def test_an_empty_pair_marks_a_line() -> None:
    assert captured("^bye<F-MLFFORGET></F-MLFFORGET>$", "bye") == {"mlfforget": ""}


def test_named_groups_work_like_tags() -> None:
    assert captured(r"^(?P<user>\w+)$", "root") == {"user": "root"}


@pytest.mark.parametrize(
    "text",
    ["<HOST/>", "</HOST>", "<fid:x>", "<F-x>", "<host>", "<ID>", "<PORT>", "<UNKNOWN>", "</F-USER>",
     "<F-UNKNOWN/>", "<>", "<F->"],
)  # fmt: skip
def test_what_is_no_tag_stays_literal(text: str) -> None:
    assert expand(text) == text


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_regex_is_an_error(text: str) -> None:
    with pytest.raises(FilterError, match="the regex is empty"):
        compile_regex(*located(text))


@pytest.mark.parametrize("text", ["(", "<F-USER>", "<HOST> <HOST>", "a**", "(?P<1>x)"])
def test_a_bad_regex_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(FilterError, match=r"^filter.d/test.conf:1: bad regex: ") as error:
        compile_regex(*located(text))
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["<HOST>", "<ADDR>", "<SUBNET>", "<DNS>", "<F-ID/>", "<F-MLFID>x</F-MLFID>", "(?P<ip4>x)"],
)
def test_a_failregex_that_says_who_failed(text: str) -> None:
    compile_failregex(located(text)[0])


@pytest.mark.parametrize("text", ["failed", "<F-USER>x</F-USER>", "<CIDR>"])
def test_a_failregex_that_does_not(text: str) -> None:
    with pytest.raises(FilterError, match=r"captures no address.*write <HOST> or <ADDR>"):
        compile_failregex(located(text)[0])


def test_prefregex_may_say_it_instead() -> None:
    compile_failregex(located("failed")[0], known=("mlfid",))


def test_a_bracket_that_may_mean_something_one_day_is_no_error() -> None:
    """Python warns of it, and a warning would be an error here."""
    assert captured("[[a] <HOST>", "[ 192.0.2.7") == {"ip4": "192.0.2.7"}


def test_a_search_needs_no_anchor() -> None:
    assert captured("bad <HOST>", "x bad 192.0.2.7 y") == {"ip4": "192.0.2.7"}


def test_an_address_takes_linear_time() -> None:
    assert re.search(expand("^<HOST>$"), "1:" * 2000 + "x") is None
