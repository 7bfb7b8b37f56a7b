"""The matcher against the plainest one imaginable."""

import string

from hypothesis import given
from hypothesis import strategies as st

from f2b.errors import FilterError
from f2b.journal.match import parse_text

NAMES = st.sampled_from(["A", "B", "_PID", "_X9"])
VALUES = st.text(string.ascii_lowercase + " +='\"\\é", max_size=3)
TERMS = st.tuples(NAMES, VALUES)
GROUPS = st.lists(st.lists(TERMS, min_size=1, max_size=5), min_size=1, max_size=4)
FIELDS = st.dictionaries(NAMES, VALUES | st.lists(VALUES, min_size=2, max_size=3))


def quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text_of(groups: list[list[tuple[str, str]]]) -> str:
    return " + ".join(
        " ".join(f"{name}={quoted(value)}" for name, value in group) for group in groups
    )


def naive(groups: list[list[tuple[str, str]]], fields: dict[str, str | list[str]]) -> bool:
    def has(name: str, value: str) -> bool:
        found = fields.get(name, [])
        return value in (found if isinstance(found, list) else [found])

    return any(
        all(any(has(name, value) for other, value in group if other == name) for name, _ in group)
        for group in groups
    )


def raw(fields: dict[str, str | list[str]]) -> dict[str, bytes | list[bytes]]:
    return {
        name: [each.encode() for each in value] if isinstance(value, list) else value.encode()
        for name, value in fields.items()
    }


@given(GROUPS, FIELDS)
def test_fits_as_the_naive_matcher(
    groups: list[list[tuple[str, str]]], fields: dict[str, str | list[str]]
) -> None:
    assert parse_text(text_of(groups)).fits(raw(fields)) is naive(groups, fields)


@given(GROUPS)
def test_text_of_a_match_is_the_match(groups: list[list[tuple[str, str]]]) -> None:
    match = parse_text(text_of(groups))
    assert parse_text(str(match)) == match


@given(st.text())
def test_junk_is_a_match_or_a_filter_error(text: str) -> None:
    try:
        match = parse_text(text)
    except FilterError:
        return
    assert match.everything or match.groups
