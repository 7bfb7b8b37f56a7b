"""What a cursor says: where an entry stands in its journal, and so which of two entries is the later one. Pure."""

import re
from typing import NamedTuple, Self

from f2b.model import Position

_CURSOR = re.compile(
    r"s=([0-9a-f]{32});i=([0-9a-f]{1,16});b=([0-9a-f]{32});m=([0-9a-f]{1,16});t=([0-9a-f]{1,16});x=[0-9a-f]{1,16}"
)


class Cursor(NamedTuple):
    """Sequence numbers compare within one source, monotonic times within one boot; wall clock times always, badly."""

    text: str
    source: str
    number: int
    boot: str
    monotonic: int
    realtime: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Give None for a text that sd_journal would not take for a whole cursor either."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            return None
        source, number, boot, monotonic, realtime = found.groups()
        return cls(text, source, int(number, 16), boot, int(monotonic, 16), int(realtime, 16))

    def is_after(self, other: Self) -> bool:
        if self.source == other.source:
            return self.number > other.number
        if self.boot == other.boot:
            return self.monotonic > other.monotonic
        return self.realtime > other.realtime

    def succeeds(self, other: Self) -> bool:
        """Say whether nothing was ever between the two."""
        return self.source == other.source and self.number == other.number + 1


def reached(cursor: str, time: float, boundary: Position) -> bool:
    """Say whether an entry lies beyond the boundary: one who reads up to there stops before it."""
    here, there = Cursor.parse(cursor), Cursor.parse(boundary.cursor or "")
    if here is not None and there is not None:
        return here.is_after(there)
    if boundary.cursor is not None:
        return time > boundary.time
    # The live reader began at that time by journald's clock, not by the sender's.
    received = time if here is None else here.realtime / 1e6
    return received >= boundary.time


def passed(cursor: str, position: Position) -> bool:
    """Say whether an entry lies surely not after the position. In doubt it may come again."""
    here, there = Cursor.parse(cursor), Cursor.parse(position.cursor or "")
    return here is not None and there is not None and not here.is_after(there)
