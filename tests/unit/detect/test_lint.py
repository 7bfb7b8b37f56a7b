"""What `f2b check` warns of in a filter: right, or silent."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.config.load import load_filter
from f2b.config.settings import FilterSettings, Located
from f2b.detect import lint as module
from f2b.detect.lint import lint
from f2b.errors import Origin
from tests.support.processes import CHECKOUT

HERE = Origin("filter.d/app.conf", 3)
GREEDY, LOOP, CLAIMED = "greedy catch-all", "cut the same text", "every local user"


def said(regex: str = "^<HOST>$", journalmatch: str = "_COMM=app") -> list[str]:
    settings = FilterSettings(
        name="app",
        failregex=(Located(regex, HERE),),
        journalmatch=(Located(journalmatch, HERE),),
    )
    return [str(problem) for problem in lint(settings)]


@pytest.mark.parametrize(
    "regex",
    [
        ".*<HOST>",
        "^.+ <ADDR>",
        "^.* <HOST>.*$",
        "^user <F-USER>.*</F-USER> from <HOST>",
        "^(?:.*|x) <HOST>",
        "^a(?:.*)+ (?:b|<HOST>) .+$",
        "^.* <HOST>(?: x|$)",
    ],
)
def test_catch_all_in_front_of_the_address(regex: str) -> None:
    (warning,) = [text for text in said(regex) if GREEDY in text]
    assert warning.startswith("filter.d/app.conf:3: ")


@pytest.mark.parametrize(
    "regex",
    [
        "^.+ <ADDR>$",
        "^.* <HOST>(?: port [0-9]+)?\\s*$",
        "^from <HOST> .*$",
        "^.*?from <HOST>",
        "^[^ ]* <HOST>",
        "^\\S+ <HOST>",
        "^.* <HOST>(?=;|$)",
        "^.{0,20} <HOST>",
        "^a <SKIPLINES> <HOST>",
        r".*(?: <HOST>|x)\s*\Z",
    ],
)
def test_an_address_that_nobody_can_move(regex: str) -> None:
    assert said(regex) == []


LOOPS = {
    "(a+)+$": "a",
    "(?:x|xx)*$": "x",
    r"(?:\s*\w+)*!": "a",
    "(a*b*)*c": "a",
    "(?:(?:a?|b?)c)*d": "c",
    r"([a-z]+\s?)+\d": "a",
    "(?:a|b|ab)*c": "ab",
    "(?:.*,)+x": ",",
    "(?i:ba?|A)*x": "bA",
    r"(?:\<\S+@\S+\> )*relay": "<a@@a> ",
    "(?:a+){20,40}b": "a",
}


@pytest.mark.parametrize("regex", LOOPS)
def test_loop_that_explodes(regex: str) -> None:
    assert [LOOP in text for text in said(f"^{regex} <HOST>$")] == [True]


@pytest.mark.parametrize("regex", [each for each in LOOPS if "{20" not in each])
def test_loop_that_explodes_does(regex: str) -> None:
    """The warnings are right: one more round costs twice as much, or worse."""
    pattern = re.compile(regex)

    def cost(rounds: int) -> float:
        start = time.perf_counter()
        pattern.match(LOOPS[regex] * rounds + "#")
        return time.perf_counter() - start

    rounds = 4
    while cost(rounds) < 0.002:
        rounds += 1
        assert rounds < 60
    assert min(cost(rounds + 4) for _ in range(3)) > 2.5 * min(cost(rounds) for _ in range(3))


@pytest.mark.parametrize(
    "regex",
    [
        r"^(?:\s+\w+)* <HOST>$",
        "^(?:[^,]*,)* <HOST>$",
        '^(?:"[^"]*"|[^"])* <HOST>$',
        r"^(?:\d{1,3}\.)+ <HOST>$",
        "^(?:(?!x).)* <HOST>$",
        "^(?i:a|B)* <HOST>$",
        "^(?:[0-9a-f]{32})* <HOST>$",
        "^<HOST>(a+)+",
        "^<HOST>(a+)+.*$",
        r"^(?:(\w)\1?)* <HOST>$",
        "^(?:a{1,200}b{1,200}c{1,200}){1,5} <HOST>$",
    ],
)
def test_loop_that_does_not_explode(regex: str) -> None:
    assert said(regex) == []


@pytest.mark.parametrize("match", ["SYSLOG_IDENTIFIER=app", "_COMM=a + SYSLOG_IDENTIFIER=app"])
def test_name_that_anybody_may_claim(match: str) -> None:
    (warning,) = said(journalmatch=match)
    assert warning.startswith(f"filter.d/app.conf:3: {CLAIMED} can log as SYSLOG_IDENTIFIER=app (")


def test_a_container_is_told_what_belongs_to_containers() -> None:
    (warning,) = said(journalmatch="CONTAINER_NAME=mailserver")
    assert "_SYSTEMD_UNIT=docker.service" in warning


def test_bans_are_not_in_the_log_of_fail2ban() -> None:
    (warning,) = said(journalmatch="_SYSTEMD_UNIT=fail2ban.service PRIORITY=5")
    assert warning == (
        "filter.d/app.conf:3: fail2ban's log does not have the bans of f2b"
        " (write source = bans into this jail: it then counts the bans of all others)"
    )


@pytest.mark.parametrize(
    "match",
    [
        "_COMM=app",
        "_SYSTEMD_UNIT=app.service",
        "_UID=0 SYSLOG_IDENTIFIER=app",
        "_COMM=app SYSLOG_IDENTIFIER=app",
        "_TRANSPORT=kernel SYSLOG_IDENTIFIER=kernel",
        "*",
    ],
)
def test_writer_that_journald_knows(match: str) -> None:
    assert said(journalmatch=match) == []


def test_nothing_is_said_of_our_own_filters() -> None:
    etc = CHECKOUT / "etc"
    modes = {"sshd": ("ddos", "extra", "aggressive"), "dovecot": ("aggressive",)}
    modes["postfix"] = (*modes["sshd"], "auth", "rbl", "errors", "more")
    for path in etc.glob("filter.d/*.conf"):
        for mode in ("normal", *modes.get(path.stem, ())):
            if path.stem != "common":
                spec = f"{path.stem}[mode={mode}]"
                assert [str(problem) for problem in lint(load_filter(etc, spec))] == []


def test_it_says_nothing_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_parser", None)
    assert said("(a+)+ .*<HOST>") == []


def test_a_regex_that_does_not_compile_is_told_by_the_compiler() -> None:
    assert said("(<HOST>", journalmatch="x") == []


@pytest.mark.parametrize(
    "body",
    [
        "[a-z]?" * 110,
        "|".join(f"a{number}b+" for number in range(300)),
        "|".join(f"{chr(code)}{chr(code + 40)}?" for code in range(65, 90)),
        "|".join(f"[a-y]{{{number}}}z" for number in range(1, 12)),
        "(?:" * 200 + "a" + ")" * 200,
        "(?:(?:(?:(?:a{1,1000}){1,1000}){1,1000}){1,1000}b)",
    ],
)
def test_no_loop_takes_long(body: str) -> None:
    start = time.thread_time()
    said(f"^(?:{body})* <HOST>$")
    assert time.thread_time() - start < 1


@given(st.text("ab.*+?{}(|)[]^$\\\\s\\\\w1,<HOST> ", max_size=60))
def test_junk_never_raises(regex: str) -> None:
    said(regex)
