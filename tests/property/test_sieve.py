"""Whatever a regex matches, its factor is in the message: regexes and lines made up of few characters."""

import re
import warnings
from functools import partial
from typing import NamedTuple

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from f2b.detect import line
from f2b.detect.automaton import written
from f2b.detect.budget import Guard, Regex
from f2b.detect.factor import in_message, trimmed
from f2b.detect.net import scanned
from f2b.detect.search import Searcher
from f2b.detect.shape import Row, shape
from f2b.detect.symbols import encoded
from f2b.detect.words import Words, clauses

# Among them: what is a blank to Python only, and all relatives of k, s and i.
FRAGMENTS = (
    "a", "b", "k", "S", "i", "1", ":", " ", "[", "]", "\u212a", "\u017f", "\u0130", "\u0131", "\xe9", "\xa0", "\x1c",
    "\n", "ab", " ab ", "KA", " si1:", "\u212aa", "s\u0131",
)  # fmt: skip
ATOMS = (
    "a", "b", "k", "S", "i", "1", ":", " ", "\\[", "\\]", ".", "\\s", "\\S", "\\w", "\\W", "\\d", "\\D", "[^a]", "[^ ]",
    "[ab]", "[a-s]", "[^\\W1]", "[\\s:]", "\\n", "[^k]", "\u212a", "[\u0100-\u2200]", "[^\u0131]", "K",
    "ab", " ab ", "ab", " ka ", " si1:", "[Aa]b", "\\bab\\b", " (?:ab|ka) ",
    "\\b", "\\B", "^", "$", "\\Z", "\\A", "(?=a)", "(?!b)", "(?<=:)", "(?<! )", "",
)  # fmt: skip
REPEATS = ("*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{2,}", "{1,60}")
FLAGS = ("", "", "(?i)", "(?s)", "(?m)", "(?a)", "(?ia)", "(?is)", "(?x)")
HEADS = st.tuples(
    st.sampled_from(["", "a", "k1", "b:", "S", "Ka"]),
    st.sampled_from(["a", "ab", "1:", "[a]", "KA"]),
    st.sampled_from(["", "1", "x"]),
)


class Line(NamedTuple):
    head: tuple[str, str, str]
    message: str

    @property
    def small(self) -> bool:
        return self.head[0] == self.head[0].lower()

    @property
    def fields(self) -> dict[str, bytes]:
        named = zip(("_HOSTNAME", "SYSLOG_IDENTIFIER", "SYSLOG_PID"), self.head, strict=True)
        values = {name: value for name, value in (*named, ("MESSAGE", self.message)) if value}
        return {name: value.encode() for name, value in values.items()}


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
        st.tuples(inner, st.sampled_from(REPEATS)).map(lambda each: f"(?:{each[0]}){each[1]}"),
        inner.map(lambda each: f"({each})"),
        inner.map(lambda each: f"(?>{each})"),
        inner.map(lambda each: f"(?i:{each})"),
        inner.map(lambda each: f"(?s-i:{each})"),
        inner.map(lambda each: f"(?P<g>{each}).?(?P=g)" if "?P<g>" not in each else each),
        inner.map(lambda each: f"(?P<h>{each})?(?(h)a|b)" if "?P<h>" not in each else each),
    )


bodies = st.recursive(st.sampled_from(ATOMS), wrapped, max_leaves=8)
regexes = st.tuples(st.sampled_from(FLAGS), st.sampled_from(["", "^"]), bodies).map("".join)
lines = st.builds(Line, HEADS, st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join))


def compiled(text: str) -> Regex:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Regex(re.compile(text))
        except re.error:
            assume(False)  # noqa: FBT003
            raise


def holds(factor: Row, text: bytes) -> bool:
    """Whether either engine would find it; what none would be asked about holds."""
    needed = trimmed(factor)
    if re.search(written(needed).encode("latin-1"), text, re.DOTALL) is None:
        return False
    needs = clauses(factor)
    return not needs or scanned(Words([needs]), text) == (0,)


def assert_has(entry: Line, factors: tuple[Row, Row]) -> None:
    """The first factor is any host's, the second that of hosts without capital letters."""
    text = encoded(line.built("", entry.fields, line.CAP)[:-1])
    for factor in factors if entry.small else factors[:1]:
        assert holds(factor, text), entry


@settings(max_examples=400)
@given(regexes, st.lists(lines, min_size=20, max_size=40))
def test_a_factor_is_in_every_message_that_its_regex_matches(text: str, some: list[Line]) -> None:
    regex = compiled(text)
    searcher = Searcher([regex], [], None, several=False)
    whole = shape(regex.pattern)
    factors = in_message(whole), in_message(whole, small=True)
    event(f"needs something: {bool(trimmed(factors[0]).items)}, {bool(trimmed(factors[1]).items)}")
    for each in some:
        if searcher.ask(line.build(each.fields), Guard()) is not None:
            assert_has(each, factors)
        if searcher.ask(line.message("", each.fields, line.CAP), Guard()) is not None:
            assert holds(whole, encoded(line.message("", each.fields, line.CAP)[:-1])), each


@settings(max_examples=400)
@given(
    regexes,
    st.tuples(bodies, st.sampled_from([".+", ".*", "a.+", "(?:.+)?", "\\S+"]), bodies),
    st.lists(lines, min_size=20, max_size=40),
)
def test_so_it_is_behind_prefregex(
    text: str, around: tuple[str, str, str], some: list[Line]
) -> None:
    before, content, after = around
    regex, prefix = compiled(text), compiled(f"{before}(?P<content>{content}){after}")
    searcher = Searcher([regex], [], prefix, several=False)
    whole = shape(regex.pattern, prefix.pattern)
    factors = in_message(whole), in_message(whole, small=True)
    for each in some:
        if searcher.ask(line.build(each.fields), Guard()) is not None:
            assert_has(each, factors)
        if searcher.ask(line.message("", each.fields, line.CAP), Guard()) is not None:
            assert holds(whole, encoded(line.message("", each.fields, line.CAP)[:-1])), each


# Regexes of words, which the ones above seldom have.
WORDY = (
    "ab", "ka", "wxyz", " ", ":", "\\s+", "\\s", "(?i:ks)", "[Aa]b", "\\S+", " wxyz ", "x ", " (?:ab|ka)", "\\W", "",
    "^", "$", "\\[", "a?", "ab \\S+", "(?:wxyz .|x)", "\\d",
    " ka ", ":ab ", " wxyz:", "wxyz .", "ka\\s\\S+", " (?:ka|wxyz ab) ",
)  # fmt: skip
wordy = st.tuples(
    st.sampled_from(["", "", "(?i)"]),
    st.sampled_from(["", "^"]),
    st.recursive(st.sampled_from(WORDY), wrapped, max_leaves=8),
).map("".join)
WORDS = (
    "ab",
    "AB",
    "ka",
    "ks",
    "\u212as",
    "k\u017f",
    "wxyz",
    " ",
    ":",
    "[",
    " wxyz ",
    "x ",
    "  ",
    "\n",
    "\xe9",
    "1",
)
messages = st.lists(st.sampled_from(WORDS), max_size=9).map("".join)


@settings(max_examples=600)
@given(wordy, st.lists(messages, min_size=40, max_size=60))
def test_of_each_clause_a_line_that_matches_has_a_word(text: str, some: list[str]) -> None:
    regex = compiled(text)
    factor = shape(regex.pattern)
    needs = clauses(factor)
    event(f"has clauses: {bool(needs)}")
    if not needs:
        return
    scan = partial(scanned, Words([needs]))
    for message in some:
        if regex.search(line.message("", {"MESSAGE": message.encode()}, line.CAP)) is not None:
            assert scan(encoded(message.replace("\n", "\\n"))) == (0,), message
