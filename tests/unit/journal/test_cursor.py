"""Which of two entries is the later one, said by their cursors."""

import pytest

from f2b.journal.cursor import Cursor, reached
from f2b.model import Position


def cursor(
    *, source: str = "a", number: int = 1, boot: str = "b", mono: int = 1, real: int = 1
) -> str:
    return f"s={source * 32};i={number:x};b={boot * 32};m={mono:x};t={real:x};x=f"


HERE = cursor(number=16, mono=16, real=16)


@pytest.mark.parametrize(
    ("other", "beyond"),
    [
        (HERE, False),
        (cursor(number=17, mono=1, real=1), True),
        (cursor(number=15, mono=99, real=99), False),
        (cursor(source="c", number=1, mono=17, real=1), True),
        (cursor(source="c", number=99, mono=15, real=99), False),
        (cursor(source="c", boot="d", number=1, mono=1, real=17), True),
        (cursor(source="c", boot="d", number=99, mono=99, real=15), False),
    ],
)
def test_number_counts_more_than_uptime_and_uptime_more_than_the_clock(
    other: str,
    beyond: bool,  # noqa: FBT001
) -> None:
    assert reached(other, 0.0, Position(HERE, 0.0)) is beyond


def test_only_neighbours_succeed_one_another() -> None:
    one, two, three = (Cursor.parse(cursor(number=number)) for number in (1, 2, 3))
    assert one
    assert two
    assert three
    assert two.succeeds(one)
    assert not three.succeeds(one)
    assert not one.succeeds(two)


@pytest.mark.parametrize("text", ["", "s=1", HERE[:-2], HERE + ";", HERE.upper(), " " + HERE])
def test_not_a_cursor(text: str) -> None:
    assert Cursor.parse(text) is None
