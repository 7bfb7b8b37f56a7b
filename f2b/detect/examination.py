"""Texts that have a given factor, made up to see whether an engine finds it in all of them.

Libraries that search for many patterns at once are fast by skipping, and have skipped matches: vectorscan 5.4.12
overlooks what begins with certain pairs of characters at certain places. One automaton of ours is one more
combination that nobody has tried before, so that it is tried before it is trusted.
"""

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache

from f2b.detect.shape import Chars, Edge, Either, Loop, Row, Shape
from f2b.detect.symbols import BEYOND

TEXTS = 32
STEP = 3
"""What stands before a factor is so much longer each time: it comes to stand at every place of a register."""
_MORE_ROUNDS = 3
_NOISE = (
    b"the quick brown fox [jumps] over 13 lazy dogs: user=fox, (port=22) <ip> 1.2.3.4 - a/b \xff"
    * 4
)


def overlooked(
    factors: Sequence[Row], scan: Callable[[bytes], Collection[int]], *, texts: int = TEXTS
) -> set[int]:
    """The factors that were not found in a text which has them."""
    return {
        number
        for number, factor in enumerate(factors)
        if any(number not in scan(text) for text in examples(factor, texts))
    }


def examples(factor: Row, number: int) -> Iterator[bytes]:
    """So many texts, always the same."""
    dice = random.Random(number)  # noqa: S311 - nobody must not guess it
    for length in range(number):
        before = b"" if Edge.BEGIN in factor.items else _noise(dice, length * STEP)
        after = b"" if _ends(factor) else _noise(dice, dice.randrange(40))
        yield before + _text(factor, dice) + after


def _noise(dice: random.Random, length: int) -> bytes:
    start = dice.randrange(len(_NOISE) - length)
    return _NOISE[start : start + length]


def _text(node: Shape, dice: random.Random) -> bytes:
    match node:
        case Chars(mask):
            return bytes([dice.choice(_codes(mask))])
        case Row(items):
            return b"".join(_text(item, dice) for item in items)
        case Either(options):
            return _text(dice.choice(options), dice)
        case Loop(rounds, most, body):
            top = rounds + _MORE_ROUNDS if most is None else min(most, rounds + _MORE_ROUNDS)
            return b"".join(_text(body, dice) for _ in range(dice.randint(rounds, top)))
        case _:
            return b""


def _ends(node: Shape) -> bool:
    """Whether some text of it must be the end of all."""
    match node:
        case Row(parts) | Either(parts):
            return any(map(_ends, parts))
        case _:
            return node is Edge.END


@cache
def _codes(mask: int) -> list[int]:
    """Of a large set its printed characters; a line has no newline."""
    codes = [code for code in range(BEYOND) if mask >> code & 1 and code != ord("\n")]
    printed = [code for code in codes if 0x20 <= code < 0x7F]
    return printed or codes or [0xFF]
