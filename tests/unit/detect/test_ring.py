"""The last lines that a filter saw."""

import re

from f2b.detect.ring import CEILING, Ring, covered
from f2b.detect.session import LIFETIME

ONE_TWO = re.compile(r"^one\n(?P<skiplines0>(?:.*\n)*?)^two$", re.MULTILINE)


def filled(size: int, *lines: str) -> tuple[Ring, str]:
    ring, text = Ring(size), ""
    for number, line in enumerate(lines):
        text = ring.add(f"{line}\n", 1000.0 + number)
    return ring, text


def test_it_holds_the_last_lines() -> None:
    assert filled(3, "a", "b", "c", "d")[1] == "b\nc\nd\n"


def test_old_lines_are_forgotten() -> None:
    ring, _ = filled(3, "a", "b")
    assert ring.add("c\n", 1000.5 + LIFETIME) == "b\nc\n"


def test_what_a_match_covers_is_taken() -> None:
    ring, text = filled(9, "zero", "one", "between", "two", "three")
    match = ONE_TWO.search(text)
    assert match
    lines, taken = covered(text, match, 0)
    assert taken == "one\ntwo\n"
    ring.take({ring.numbers()[place] for place in lines})
    assert ring.add("four\n", 1010) == "zero\nbetween\nthree\nfour\n"


def test_the_match_may_be_within_a_part() -> None:
    _, text = filled(9, "zero", "one", "two", "three")
    content = text[5:-1]
    match = ONE_TWO.search(content)
    assert match
    assert covered(text, match, 5) == ((1, 2), "one\ntwo\n")


def test_lines_that_are_gone_can_be_taken_again() -> None:
    ring, _ = filled(2, "a", "b")
    before = ring.numbers()
    ring.add("c\n", 1002)
    ring.take(before)
    assert ring.add("d\n", 1003) == "c\nd\n"


def test_its_text_has_a_ceiling() -> None:
    ring, text = filled(100, *(str(number) * 1000 for number in range(100)))
    assert CEILING - 2000 < len(text) <= CEILING
    assert len(text.splitlines()) == len(ring.numbers())


def test_it_knows_when_its_oldest_line_came() -> None:
    ring, _ = filled(2, "a", "b", "c")
    assert ring.oldest() == 1001
    ring.add("late\n", 900)
    assert ring.oldest() == 900
    assert Ring(2).oldest() is None
