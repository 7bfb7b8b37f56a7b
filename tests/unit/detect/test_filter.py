"""Entry in, failure or nothing out."""

from typing import Any

import pytest

from f2b.config.settings import FilterSettings, Located
from f2b.detect.filter import Filter
from f2b.model import Failure
from tests.unit.decide.making import HERE, entry, located


def made(*failregex: str, prefregex: str | None = None, ignore: tuple[str, ...] = ()) -> Filter:
    return Filter(
        FilterSettings(
            name="test",
            failregex=located(*failregex),
            ignoreregex=located(*ignore),
            prefregex=Located(prefregex, HERE) if prefregex else None,
            journalmatch=located("_COMM=a"),
        )
    )


def find(filter_: Filter, message: str, time: float = 1000, **fields: Any) -> Failure | None:
    return filter_.find(entry(message, time, **fields))


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
