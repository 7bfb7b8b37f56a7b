"""Entry in, failure or nothing out."""

from typing import Any

import pytest

from f2b.addresses import parse
from f2b.config.settings import FilterSettings, Located, UseDns
from f2b.detect.filter import Filter
from f2b.model import Failure, Suspect
from tests.unit.decide.making import HERE, entry, located


def made(
    *failregex: str,
    prefregex: str | None = None,
    ignore: tuple[str, ...] = (),
    maxlines: int = 1,
    raw_names: bool = False,
    usedns: UseDns = UseDns.NO,
) -> Filter:
    settings = FilterSettings(
        name="test",
        failregex=located(*failregex),
        ignoreregex=located(*ignore),
        prefregex=Located(prefregex, HERE) if prefregex else None,
        journalmatch=located("_COMM=a"),
        maxlines=maxlines,
        usedns=usedns,
    )
    return Filter(settings, raw_names=raw_names)


def find(filter_: Filter, message: str, time: float = 1000, **fields: Any) -> Failure | None:
    found = filter_.find(entry(message, time, **fields))
    return found if isinstance(found, Failure) else None


def who(filter_: Filter, message: str) -> str | None:
    failure = find(filter_, message)
    return str(failure.address) if failure else None


def test_a_failure_has_the_address_time_cursor_and_user_of_its_entry() -> None:
    failure = find(made("bad <F-USER>\\S+</F-USER> <HOST>$"), "bad root 192.0.2.7", 1234.5)
    assert failure
    assert str(failure.address) == "192.0.2.7"
    assert (failure.time, failure.cursor) == (1234.5, "bad root 192.0.2.7@1234.5")
    assert (failure.user, failure.session) == ("root", None)


def test_an_entry_that_nothing_matches_is_no_failure() -> None:
    assert find(made("bad <HOST>$"), "good 192.0.2.7") is None


def test_a_regex_sees_the_whole_line() -> None:
    filter_ = made(r"^host a\[7\]: bad <HOST>$")
    assert find(filter_, "bad 192.0.2.7", _HOSTNAME=b"host", _PID=b"7")


def test_the_first_match_counts() -> None:
    filter_ = made("bad <HOST> and", "<HOST>$")
    assert who(filter_, "bad 192.0.2.7 and 192.0.2.8") == "192.0.2.7"


# --- prefregex ---


def test_without_the_prefix_nothing_is_tried() -> None:
    assert find(made("bad <HOST>", prefregex="^b: "), "bad 192.0.2.7") is None


def test_after_the_prefix_regexes_see_its_content_alone() -> None:
    filter_ = made("^bad <HOST>$", prefregex=r"^a: <F-CONTENT>.+</F-CONTENT>$")
    assert who(filter_, "bad 192.0.2.7") == "192.0.2.7"


def test_a_prefix_without_content_leaves_the_line() -> None:
    assert who(made("^a: bad <HOST>$", prefregex="^a: "), "bad 192.0.2.7") == "192.0.2.7"


def test_the_prefix_may_bring_the_address() -> None:
    filter_ = made("bad$", prefregex="from <HOST> ")
    assert who(filter_, "from 192.0.2.7 bad") == "192.0.2.7"


def test_groups_of_failregex_come_before_those_of_prefregex() -> None:
    filter_ = made(r"user=<F-USER>\S+</F-USER> <HOST>$", prefregex=r"<F-USER>\w+</F-USER>")
    failure = find(filter_, "user=root 192.0.2.7")
    assert failure
    assert failure.user == "root"


# --- ignoreregex ---


@pytest.mark.parametrize("ignore", ["^a: bad", "^bad", "7$"])
def test_ignoreregex_is_asked_about_the_line_and_the_content(ignore: str) -> None:
    content = r"^a: <F-CONTENT>.+</F-CONTENT>$"
    assert find(made("bad <HOST>$", prefregex=content, ignore=(ignore,)), "bad 192.0.2.7") is None


def test_ignoreregex_that_does_not_match_ignores_nothing() -> None:
    assert find(made("bad <HOST>$", ignore=("8$",)), "bad 192.0.2.7")


# --- addresses ---


@pytest.mark.parametrize(
    "text",
    ["999.1.1.1", "256.0.2.7", "192.0.02.7", "192.0.2.007", "0300.0.2.7", "192.0.2", "4",
     "1:2:3", "2001:db8::1::2", "12:34:56", "example.com"],
)  # fmt: skip
def test_what_is_no_address_is_dropped(text: str) -> None:
    assert find(made("bad <HOST>$"), f"bad {text}") is None


@pytest.mark.parametrize("text", ["999.1.1.1", "192.0.02.7", "12:34:56"])
def test_what_looks_like_an_address_and_is_none_is_counted(text: str) -> None:
    filter_ = made("bad <HOST>$")
    find(filter_, f"bad {text}")
    assert filter_.invalid == 1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_addresses_have_one_spelling(text: str, address: str) -> None:
    assert who(made("bad <HOST>$"), f"bad {text}") == address


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:db8::1/48", "2001:db8::/48"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.7/33", None),
        ("2001:db8::/129", None),
        ("198.51.100.7/8", "198.0.0.0/8"),
        ("192.0.2.7/7", None),
        ("192.0.2.7/0", None),
        ("2001:db8::1/16", "2001::/16"),
        ("2001:db8::1/15", None),
        ("::1/0", None),
    ],
)
def test_subnets(text: str, network: str | None) -> None:
    assert who(made("bad <SUBNET>$"), f"bad {text}") == network


def test_an_id_that_is_an_address_is_one() -> None:
    assert who(made("bad <F-ID/>$"), "bad 192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize(
    ("id_", "who_"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("198.51.100.9/24", "198.51.100.0/24"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("0.0.0.0/0", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("fellow", "192.0.2.7"),
        ("4", "192.0.2.7"),
    ],
)
def test_an_id_beside_an_address_counts_where_it_is_one(id_: str, who_: str) -> None:
    filter_ = made("bad <HOST> <F-ID/>$")
    failure = find(filter_, f"bad 192.0.2.7 {id_}")
    assert failure
    assert str(failure.address) == who_
    assert dict(failure.groups) == {"ip4": "192.0.2.7", "fid": id_}


@pytest.mark.parametrize("network", ["10.0.0.0/7", "2001::/15", "192.0.2.0/33"])
def test_no_line_bans_half_the_world(network: str) -> None:
    assert who(made("bad <F-ID/>$"), f"bad {network}") is None
    assert who(made("bad <SUBNET>$"), f"bad {network}") is None


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.7", "192.0.2.7"), ("4", None), ("1.2", None), ("1.2.3.999", None), ("a.b", None)],
)
def test_a_name_that_is_an_address_is_one(text: str, address: str | None) -> None:
    assert who(made("bad <DNS>$"), f"bad {text}") == address


def test_raw_names_are_told_and_no_failures() -> None:
    filter_ = made("bad <HOST>$", raw_names=True)
    hit = filter_.hit(entry("bad mail.example.com"))
    assert hit
    assert (hit.groups, hit.failed) == ({"dns": "mail.example.com"}, True)
    assert find(filter_, "bad mail.example.com") is None
    assert who(filter_, "bad 192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("usedns", [UseDns.YES, UseDns.WARN])
def test_with_usedns_a_name_is_a_suspect(usedns: UseDns) -> None:
    filter_ = made("bad <F-USER>\\S+</F-USER> <HOST>$", usedns=usedns)
    suspect = filter_.find(entry("bad root Mail.Example.com", 1000))
    assert isinstance(suspect, Suspect)
    assert (suspect.name, suspect.time, suspect.user) == ("mail.example.com", 1000, "root")
    failure = suspect.at(parse("192.0.2.7"))
    assert (failure.cursor, failure.user) == (suspect.cursor, "root")
    assert dict(failure.groups) == {"user": "root", "dns": "Mail.Example.com"}
    assert who(filter_, "bad root 192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("text", ["4", "1.2", "0x7f.1", "999.1.1.1", "a^b"])
def test_a_number_is_never_looked_up(text: str) -> None:
    filter_ = made("bad <HOST>$", usedns=UseDns.YES)
    assert filter_.find(entry(f"bad {text}")) is None
    assert filter_.invalid == 1


def test_an_address_counts_more_than_a_name() -> None:
    filter_ = made("<DNS> <F-ID/>$", usedns=UseDns.YES)
    assert who(filter_, "mail.example.com 192.0.2.7") == "192.0.2.7"
    filter_ = made("(?:<IP4>|-) <DNS>$", usedns=UseDns.YES)
    assert who(filter_, "192.0.2.7 mail.example.com") == "192.0.2.7"
    assert filter_.find(entry("999.0.2.7 mail.example.com")) is None


@pytest.mark.parametrize(
    ("filter_", "message", "told"),
    [
        (made("bad <F-ID/>$"), "bad alice", "alice"),
        (made("bad <HOST>$", usedns=UseDns.RAW), "bad mail.example.com", "mail.example.com"),
        (made("bad <HOST>$"), "bad 999.1.1.1", None),
    ],
)
def test_who_cannot_be_banned_is_told(filter_: Filter, message: str, told: str | None) -> None:
    assert filter_.find(entry(message)) is None
    assert (filter_.nobody, filter_.invalid) == (told, 1)


def test_a_failure_tells_all_that_was_captured() -> None:
    filter_ = made("bad <F-ALT_USER>\\S+</F-ALT_USER> <HOST> <F-PORT/>$")
    failure = find(filter_, "bad root 192.0.2.7 22")
    assert failure
    assert dict(failure.groups) == {
        "user": "root", "alt_user": "root", "ip4": "192.0.2.7", "fport": "22",
    }  # fmt: skip
    assert (failure.user, failure.users) == ("root", ("root",))


def test_a_hit_tells_which_regex_it_was() -> None:
    hit = made("one <HOST>$", "two <HOST>$").hit(entry("two 192.0.2.7"))
    assert hit
    assert hit.regex == 1


# --- several lines ---

TWO_LINES = "^a: bad <F-USER>\\w+</F-USER>$<SKIPLINES>^a: from <HOST>$"


def test_a_failure_may_take_two_lines() -> None:
    filter_ = made(TWO_LINES, maxlines=3)
    assert [who(filter_, text) for text in ("bad root", "x", "from 192.0.2.7")] == [
        None, None, "192.0.2.7",
    ]  # fmt: skip


def test_lines_further_apart_than_maxlines_are_no_failure() -> None:
    filter_ = made(TWO_LINES, maxlines=3)
    texts = ("bad root", "x", "y", "from 192.0.2.7")
    assert [who(filter_, text) for text in texts] == [None] * 4


def test_lines_count_once() -> None:
    filter_ = made(TWO_LINES, maxlines=9)
    texts = ("bad root", "from 192.0.2.7", "x", "from 192.0.2.7")
    assert [who(filter_, text) for text in texts] == [None, "192.0.2.7", None, None]


def test_a_failure_of_several_lines_has_the_time_and_cursor_of_the_last() -> None:
    filter_ = made(TWO_LINES, maxlines=2)
    find(filter_, "bad root", 1000)
    failure = find(filter_, "from 192.0.2.7", 1001)
    assert failure
    assert (failure.time, failure.cursor, failure.user) == (1001, "from 192.0.2.7@1001", "root")


def test_with_one_line_there_are_no_lines_to_skip() -> None:
    filter_ = made(TWO_LINES)
    assert [who(filter_, text) for text in ("bad root", "from 192.0.2.7")] == [None, None]


def test_ignoreregex_sees_the_lines_that_matched_alone() -> None:
    filter_ = made(TWO_LINES, maxlines=9, ignore=("guest|other",))
    texts = ("other", "bad root", "from 192.0.2.7", "bad guest", "from 192.0.2.7")
    assert [who(filter_, text) for text in texts] == [None, None, "192.0.2.7", None, None]


def test_a_prefix_may_span_lines_too() -> None:
    prefix = r"(?s)^a: <F-CONTENT>bad.+</F-CONTENT>$"
    filter_ = made("^bad$<SKIPLINES>^a: from <HOST>$", prefregex=prefix, maxlines=9)
    texts = ("bad", "x", "from 192.0.2.7", "from 192.0.2.7")
    assert [who(filter_, text) for text in texts] == [None, None, "192.0.2.7", None]


def test_a_filter_knows_since_when_it_must_be_told_again() -> None:
    filter_ = made(TWO_LINES, maxlines=9)
    assert filter_.oldest() is None
    find(filter_, "bad root", 1000)
    find(filter_, "x", 1001)
    assert filter_.oldest() == 1000
    find(filter_, "from 192.0.2.7", 1002)
    assert filter_.oldest() == 1001


def test_an_id_that_is_none_is_dropped() -> None:
    assert who(made("bad <F-ID/>$"), "bad fellow") is None


def test_a_newline_in_a_message_forges_no_line() -> None:
    filter_ = made("^a: bad <HOST>$")
    assert find(filter_, "hello\na: bad 192.0.2.7") is None


def test_padding_hides_no_address() -> None:
    filter_ = made("^a: bad .* from <HOST>$")
    assert who(filter_, f"bad {'x' * 100_000} from 192.0.2.7") == "192.0.2.7"


def test_without_a_session_nofail_has_no_effect() -> None:
    assert who(made("<F-NOFAIL>bad</F-NOFAIL> <HOST>$"), "bad 192.0.2.7") == "192.0.2.7"
