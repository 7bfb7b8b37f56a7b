"""Flags within a group become flags of that group alone."""

import re

import pytest

from f2b.detect.flags import localized


@pytest.mark.parametrize(
    ("regex", "meant"),
    [
        ("a((?i)b|c)d", "a((?i:b|c))d"),
        ("(?:(?i)b)", "(?:(?i:b))"),
        ("(?P<x>a(?i)b)c", "(?P<x>a(?i:b))c"),
        ("(a(?i)b(c)d)", "(a(?i:b(c)d))"),
        ("(a(?i)b(?s).)", "(a(?i:b(?s:.)))"),
        ("(?i)a(b)", "(?i)a(b)"),
        ("(?i:a)", "(?i:a)"),
        (r"\((?i)", r"\((?i)"),
        (r"([()\]](?i)a)", r"([()\]](?i:a))"),
        ("([])(](?i)a)", "([])(](?i:a))"),
        ("([^])(](?i)a)", "([^])(](?i:a))"),
        ("a)(?i)", "a)(?i)"),
    ],
)
def test_where_a_flag_holds(regex: str, meant: str) -> None:
    assert localized(regex) == meant


def test_only_its_group_is_changed() -> None:
    regex = re.compile(localized("^a ((?i)login|plain) b$"))
    assert regex.search("a LOGIN b")
    assert regex.search("a Plain b")
    assert not regex.search("A login b")
