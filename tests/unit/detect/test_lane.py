"""What goes over to the slow lane's child is the same filter."""

import json

import pytest

from f2b.config.settings import FilterSettings, Located
from f2b.detect.budget import Guard
from f2b.detect.filter import Filter
from f2b.detect.lane import built, described
from f2b.detect.search import Searcher, Take
from tests.unit.decide.making import HERE, entry, located

FILTERS = (
    FilterSettings(
        name="prefix",
        prefregex=Located(r"^\S+ <F-CONTENT>.+</F-CONTENT>$", HERE),
        failregex=located("^nothing <HOST>$", "(?i)^BAD <F-USER>.+</F-USER> from <HOST>$"),
        ignoreregex=located("good", r"\u00fcber\s"),
    ),
    FilterSettings(
        name="lines", failregex=located("^a .*$<SKIPLINES>^bad .* <HOST>$"), maxlines=5
    ),
)
TEXTS = (
    "a bad J\u00f6rg from 192.0.2.7\n",
    "a bad \ufffd\x1c\x00 from 2001:db8::1\n",
    "a bad good from 192.0.2.7\n",
    "a bad \u00fcber from 192.0.2.7\n",
    "a b\nbetween\nbad c 192.0.2.7\nd\n",
    "\n",
)


@pytest.mark.parametrize("settings", FILTERS)
@pytest.mark.parametrize("text", TEXTS)
def test_it_answers_alike_on_the_other_side(settings: FilterSettings, text: str) -> None:
    here = Searcher.compiled(settings, raw_names=False)
    there = built(json.loads(json.dumps(described(here))))
    assert there.ask(text, Guard()) == here.ask(text, Guard())


def test_these_texts_are_taken_ignored_and_left() -> None:
    prefix, lines = (Searcher.compiled(each, raw_names=False) for each in FILTERS)
    taken = [prefix.ask(text, Guard()) for text in TEXTS]
    assert [isinstance(each, Take) and each.ignored for each in taken[:4]] == [
        False,
        False,
        True,
        True,
    ]
    assert taken[5] is None
    found = lines.ask(TEXTS[4], Guard())
    assert isinstance(found, Take)
    assert found.lines == (0, 2)


def test_of_a_long_message_the_head_and_the_tail_are_seen() -> None:
    texts = located("^a: bad 9+x+z+ <HOST>$")
    message = f"bad {'9' * 3000}{'x' * 9000}{'z' * 2000} 192.0.2.7"
    for length, found in ((4096, True), (2048, False), (65536, True)):
        filter_ = Filter(FilterSettings(name="x", failregex=texts, maxlength=length))
        assert (filter_.find(entry(message)) is not None) is found
