"""Which reading a filter has: its own, its jail's, or the one that its regexes are written for."""

from pathlib import Path

import pytest

from f2b.config.settings import Reading
from tests.unit.config.tree import problems, sshd, write

COMMON = "[DEFAULT]\n_daemon = \\S+\n__prefix_line = ^\\S+ %(_daemon)s: \n"
HEAD = "[INCLUDES]\nbefore = common.conf\n[Definition]\njournalmatch = _UID=0\n"


def reading(directory: Path, definition: str, options: str = "") -> Reading:
    write(directory, {"filter.d/common.conf": COMMON})
    return sshd(directory, options, {"filter.d/sshd.conf": HEAD + definition}).filter.reading


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("failregex = %(__prefix_line)sbad <HOST>$", Reading.BUILT),
        ("failregex = ^bad <HOST>$\nprefregex = <__prefix_line><F-CONTENT>.+", Reading.BUILT),
        ("failregex = ^bad <HOST>$\nunused = %(__prefix_line)s", Reading.MESSAGE),
        (r"failregex = ^\S+ app\[\d+\]: bad <HOST>$", Reading.BUILT),
        (r"failregex = ^\S+ app(?:\[\d+\])?: bad <HOST>$", Reading.BUILT),
        (r"failregex = app\[[0-9]+\]: bad <HOST>$", Reading.BUILT),
        (r"failregex = ^ app\[\d+\]: bad <HOST>$", Reading.MESSAGE),
        (r"failregex = ^\[error\] \[pid \d+\] bad <HOST>$", Reading.MESSAGE),
        ('failregex = ^<HOST> - .* "GET /admin', Reading.MESSAGE),
    ],
)
def test_what_is_not_set_follows_from_the_regexes(
    tmp_path: Path, definition: str, expected: Reading
) -> None:
    assert reading(tmp_path, definition) is expected


def test_a_prefix_that_is_undefined_and_not_used_is_no_error(tmp_path: Path) -> None:
    definition = "failregex = ^bad <HOST>$\n__prefix_line = %(missing)s"
    assert reading(tmp_path, definition) is Reading.MESSAGE


@pytest.mark.parametrize(
    ("definition", "options", "expected"),
    [
        ("reading = both", "", Reading.BOTH),
        ("reading = both", "reading = message", Reading.MESSAGE),
        ("", "reading = Built", Reading.BUILT),
        ("", "filter = sshd[reading=both]\nreading = message", Reading.BOTH),
        ("[Init]\nreading = both", "reading = message", Reading.BOTH),
    ],
)
def test_where_it_is_set(tmp_path: Path, definition: str, options: str, expected: Reading) -> None:
    assert reading(tmp_path, f"failregex = ^bad <HOST>$\n{definition}", options) is expected


def test_any_other_word_is_an_error(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "reading = raw")
    assert problem == "error: jail.conf:3: reading needs built or message or both, got 'raw'"
