"""Entries that wait for an answer: what is committed as read must not pass the first of them.

Owns the tickets. Whoever waits takes one with the position before the entry, and gives it back when what came of the
entry is recorded: a crash in between reads the entry again. How many there may be is bounded by those who take them.
"""

from collections import OrderedDict

from f2b.model import Position


class Holds:
    """Tickets are taken in the order in which the journal is read."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, Position] = OrderedDict()
        self._taken = 0

    def __len__(self) -> int:
        return len(self._held)

    def take(self, position: Position) -> int:
        """Hold the journal there, which lies before the entry that waits; the ticket to release it with."""
        self._taken += 1
        self._held[self._taken] = position
        return self._taken

    def release(self, ticket: int) -> None:
        """Let go. A ticket that is given back twice does nothing."""
        self._held.pop(ticket, None)

    def oldest(self) -> Position | None:
        """How far may be committed at most; None: as far as is read."""
        return next(iter(self._held.values()), None)
