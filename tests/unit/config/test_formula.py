"""Formulas: what fail2ban documents is understood, and nothing else is."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.config.formula import DOUBLING, Case, formula, number, numbers
from f2b.errors import ConfigError, F2bError


def after(text: str, *bans: int, bantime: float = 600, factor: float = 1) -> list[float]:
    found = formula(text)
    return [found.value(Case(bantime, count, factor, 0.25)) for count in bans]


def test_the_default_doubles_up_to_the_twentieth_ban() -> None:
    assert after(DOUBLING.text, 1, 2, 3, bantime=600) == [1200, 2400, 4800]
    assert after(DOUBLING.text, 20, 21, 1000, bantime=1) == [2**20] * 3


def test_the_formula_of_fail2bans_manual_with_math_exp() -> None:
    text = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"
    assert after(text, 1, 3, factor=2 / 2.885385) == pytest.approx([1200, 4800], rel=1e-5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("7 // 2 + 7 % 4", 6),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("(1 << 4) + (9 >> 1)", 20),
        ("1e3 + .5 + 1_000", 2000.5),
        ("5 if ban.Count > 1 else 6", 6),
        ("5 if ban.Count >= 1 and not ban.Count != 1 else 6", 5),
        ("0 or 3 and 4", 4),
        ("(ban.Count == 1) * 9", 9),
        ("int(7.9) + round(7.9) + abs(-1) + float(1)", 17),
        ("min(3, 1, 2) + max(3, 1)", 4),
        ("math.log(8, 2) + math.sqrt(9) + math.floor(1.5) + math.ceil(1.5)", 9),
        ("ban.Time * random.random()", 150),
        ("(1\n+ 1)", 2),
    ],
)
def test_arithmetic_is_pythons(text: str, value: float) -> None:
    assert after(text, 1) == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ban.Time *", "invalid syntax"),
        ("(ban.Time", r"'\(' was never closed, column 1 of"),
        (
            "ban.Time * ban.Tries",
            r"'ban.Tries' is not understood, column 12 of .* \(it may use ban.Time,",
        ),
        ("ban.Time * foo", "'foo' is not understood, column 12 of"),
        ("ban.Time + math.gamma(3)", r"'math.gamma\(3\)' is not understood, column 12"),
        ("min(3)", "is not understood, column 1 "),
        ("__import__('os').system('true')", "is not understood, column 1 "),
        ("ban.__class__", "is not understood, column 1 "),
        ("[x for x in (1, 2)]", "is not understood, column 1 "),
        ("(lambda: 1)()", "is not understood, column 1 "),
        ("'a' * 9", "is not understood, column 1 "),
        ("float(x=1)", "is not understood, column 1 "),
        ("1j", "is not understood"),
        ("~1", "is not understood"),
        ("9**9**9", "is without bounds"),
        ("1 << 9999", "is without bounds"),
        ("ban.Time / (ban.Count - 3)", "has no value for ban.Count = 3"),
        ("math.log(0 - ban.Count)", "has no value for ban.Count = 1"),
        ("1 << -1", "has no value for ban.Count = 1"),
        ("1" * 201, "needs at most 200 characters"),
        ("1\0", "needs a formula"),
        ("1\ud800", "needs a formula"),
        ("(" * 99 + ")" * 99, "needs a formula"),
    ],
)
def test_what_is_no_formula_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        formula(text)


def test_what_grows_without_bounds_later_is_infinite_and_what_has_no_value_is_no_number() -> None:
    assert after("ban.Time * math.exp(ban.Count)", 10_000) == [math.inf]
    (value,) = after("ban.Time / (ban.Count - 100)", 100)
    assert math.isnan(value)


def test_two_formulas_of_the_same_text_are_the_same() -> None:
    assert formula("ban.Time") == formula("ban.Time") != formula("ban.Count")


def test_numbers() -> None:
    assert number("2.0 / 2.885385") == pytest.approx(0.693, rel=1e-3)
    assert numbers("1 5,30  2.5,\n7") == (1, 5, 30, 2.5, 7)
    assert numbers("") == ()


@pytest.mark.parametrize("text", ["0", "-1", "ban.Time", "random.random()", "x", "1/0", "9**9**9"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ConfigError):
        number(text)


WORDS = """ban.Time ban.Count banFactor 1 2 9 1e308 0 -1 ( ) + - * / // % ** << >> < == if else and or not
min( max( int( float( math.exp( math.log( math.pow( random.random() , . [ ' lambda :"""
words = st.sampled_from(WORDS.split())


@given(st.one_of(st.lists(words, max_size=40).map(" ".join), st.text(max_size=250)))
def test_junk_is_refused_or_has_a_value_at_once(text: str) -> None:
    start = time.thread_time()
    try:
        found = formula(text)
        for bans in (0, 1, 50, 10**6):
            assert isinstance(found.value(Case(1e10, bans, 1e300, 0.999)), float)
    except F2bError:
        pass
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("deep", ["-" * 199 + "1", "not " * 49 + "1", "(" * 99 + "1" + ")" * 99])
def test_a_formula_as_deep_as_it_may_be_has_a_value(deep: str) -> None:
    assert isinstance(formula(deep).value(Case(600, 1, 1, 0)), float)
