"""The position waits for the first entry that waits."""

from f2b.decide.holds import Holds
from f2b.model import Position

FIRST, SECOND = Position("a", 1.0), Position("b", 2.0, 0.5)


def test_the_first_that_waits_holds_the_position() -> None:
    holds = Holds()
    assert holds.oldest() is None
    early, late = holds.take(FIRST), holds.take(SECOND)
    assert (holds.oldest(), len(holds)) == (FIRST, 2)
    holds.release(early)
    assert (holds.oldest(), len(holds)) == (SECOND, 1)
    holds.release(late)
    assert holds.oldest() is None


def test_an_answer_to_a_later_entry_moves_nothing() -> None:
    holds = Holds()
    holds.take(FIRST)
    holds.release(holds.take(SECOND))
    assert holds.oldest() == FIRST


def test_a_ticket_given_back_twice_lets_nobody_else_go() -> None:
    holds = Holds()
    ticket = holds.take(FIRST)
    holds.take(FIRST)
    holds.release(ticket)
    holds.release(ticket)
    assert holds.oldest() == FIRST
