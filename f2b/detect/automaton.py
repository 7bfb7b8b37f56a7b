"""All factors in one automaton: hyperscan says in one walk over a message which of them occur in it.

The door to that library. It is optional, and imported when an automaton is made.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Self

from f2b.detect.factor import ENOUGH, bits, trimmed
from f2b.detect.shape import Chars, Edge, Either, Loop, Row, Shape
from f2b.detect.symbols import ALL, BEYOND, NEWLINE

DEAF = ("5.4.12",)
"""Libraries that overlook matches: https://github.com/VectorCamp/vectorscan/pull/368."""

_EDGES = {Edge.BEGIN: "^", Edge.END: "$", Edge.BREAK: ""}


def version() -> str | None:
    """Which hyperscan is here that can be used, if any."""
    try:
        from importlib import metadata  # noqa: PLC0415

        import hyperscan  # noqa: PLC0415 - 4 MB that most commands of f2b do not need
    except ImportError:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"f2b"], ids=[0], flags=0)
    if any(f"Version: {deaf} " in str(database.info()) for deaf in DEAF):
        return None
    return f"hyperscan {metadata.version('hyperscan')}"


def expression(factor: Row) -> str | None:
    """The factor as hyperscan reads it; None if it tells too little."""
    needed = trimmed(factor)
    return written(needed) if bits(needed) >= ENOUGH else None


class Automaton:
    """Finds which of its expressions occur in a text. Not for two threads at a time."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.search = database.scan

    @classmethod
    def compiled(cls, expressions: Sequence[str]) -> tuple[Self, frozenset[int]]:
        """Also tells which expressions were refused. Raises ValueError if not even the others can be compiled."""
        import hyperscan  # noqa: PLC0415

        numbered = dict(enumerate(expressions))
        refused: set[int] = set()
        try:
            return cls(_compile(numbered)), frozenset()
        except hyperscan.error:
            for number, text in numbered.items():
                try:
                    _compile({number: text})
                except hyperscan.error:
                    refused.add(number)
        taken = {number: text for number, text in numbered.items() if number not in refused}
        if not taken:
            raise ValueError("hyperscan takes none of the expressions")
        try:
            return cls(_compile(taken)), frozenset(refused)
        except hyperscan.error as error:
            raise ValueError(f"hyperscan cannot take all expressions at once: {error}") from error

    @classmethod
    def loaded(cls, dump: bytes) -> Self:
        """What `dumped` gave. Raises ValueError if it is damaged, or made for another hyperscan or processor."""
        try:
            import hyperscan  # noqa: PLC0415
        except ImportError as error:
            raise ValueError(str(error)) from error
        try:
            database = hyperscan.loadb(dump, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.error as error:
            raise ValueError(f"no automaton for this machine: {error}") from error
        return cls(database)

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        return type(self).loaded, (self.dumped(),)

    def dumped(self) -> bytes:
        import hyperscan  # noqa: PLC0415

        return hyperscan.dumpb(self._database)


def _compile(expressions: dict[int, str]) -> Any:
    import hyperscan  # noqa: PLC0415

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[text.encode() for text in expressions.values()],
        ids=list(expressions),
        flags=hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL,
    )
    return database


def written(node: Shape) -> str:
    match node:
        case Chars(mask):
            return _set(mask)
        case Row(items):
            return "".join(map(written, items))
        case Either(options):
            return f"(?:{'|'.join(map(written, options))})"
        case Loop(rounds, most, body):
            inner = written(body) if isinstance(body, Chars) else f"(?:{written(body)})"
            return f"{inner}{_count(rounds, most)}"
        case Edge():
            return _EDGES[node]
        case _:
            raise ValueError(f"no part of a line: {node}")


def _count(rounds: int, most: int | None) -> str:
    if most is None:
        return "*" if not rounds else "+" if rounds == 1 else f"{{{rounds},}}"
    return "?" if (rounds, most) == (0, 1) else f"{{{rounds},{most}}}"


@cache
def _set(mask: int) -> str:
    # The text that is searched has no newline.
    if mask | NEWLINE == ALL:
        return "."
    taken = [code for code in range(BEYOND + 1) if mask >> code & 1]
    if not taken:
        raise ValueError("a set without characters")
    if len(taken) == 1 and chr(taken[0]).isalnum():
        return chr(taken[0])
    return f"[{''.join(_ranges(taken))}]"


def _ranges(codes: list[int]) -> list[str]:
    """Each run of codes as a range; the last symbol is a byte of its own."""
    ranges: list[str] = []
    start = 0
    for place, code in enumerate(codes):
        if place + 1 == len(codes) or codes[place + 1] != code + 1:
            ranges.append(_range(codes[start], code))
            start = place + 1
    return ranges


def _range(low: int, high: int) -> str:
    # No byte between the last of ASCII and \xff occurs, so that a range may go on to there.
    high = 0xFF if high == BEYOND else high
    low = 0xFF if low == BEYOND else low
    return f"\\x{low:02x}" if low == high else f"\\x{low:02x}-\\x{high:02x}"
