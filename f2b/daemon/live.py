"""The live journal: the reader of the entries that all jails want, in the loop.

Owns the reader and how long to wait for it. Whoever writes nothing yet may write soon: after a failure it is looked
at more often.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from f2b.config.settings import Latency
from f2b.decide.jail import Jail
from f2b.journal.match import union
from f2b.journal.reader import JournalReader
from f2b.journal.sift import Sift
from f2b.model import Entry, Position

BATCH = 250
EAGER, IDLE, QUIET = 0.005, 0.25, 1.0
"""Seconds between two looks at the journal: with a failure in the last minute, without, and latency = quiet."""
ATTENTION = 60.0


class Look(NamedTuple):
    """What was read: the entries that somebody may want, how many were passed over, and how far it went.

    `more`: there is more at hand.
    """

    entries: Sequence[tuple[Entry, bool]]
    passed: int
    end: Position
    more: bool = False


class Live:
    """`reader` is another one after a reload that wants other entries."""

    def __init__(
        self, source: str, jails: Iterable[Jail], complain: Callable[[str], None]
    ) -> None:
        self._complain = complain
        self._wanted = _wanted(jails)
        self._readable = asyncio.Event()
        self._trouble = ""
        self._candidate = float("-inf")
        self.reader = JournalReader(source, self._wanted)

    def attach(self, position: Position, warmup: float) -> None:
        """Read on from there. `warmup`: so many seconds before it are read too, for memory's sake."""
        self.reader.open(position, warmup)
        asyncio.get_running_loop().add_reader(self.reader.fileno(), self._readable.set)

    def detach(self) -> None:
        asyncio.get_running_loop().remove_reader(self.reader.fileno())
        self.reader.close()

    def follow(self, source: str, jails: Iterable[Jail], position: Position) -> None:
        """Read what these jails want. Also where that is the same: what others passed over is behind the position."""
        self.detach()
        self._wanted = _wanted(jails)
        self.reader = JournalReader(source, self._wanted)
        self.attach(position, warmup=0)

    def pass_over(self, sift: Sift | None) -> None:
        """Pass over what nobody wants, as this says."""
        self.reader.pass_over(sift)

    def hosts(self) -> Collection[bytes]:
        """The names of those that have written in the journal."""
        return self.reader.names("_HOSTNAME")

    def read(self) -> Look:
        before = self.reader.looked
        entries = self.reader.read(BATCH)
        if (gap := self.reader.take_gap()) is not None:
            self._complain(
                f"entries of the journal are gone, {gap}: failures may have been missed"
            )
        if self.reader.trouble != self._trouble:
            self._trouble = self.reader.trouble
            self._complain(self._trouble or "the journal can be read again")
        looked = self.reader.looked - before
        return Look(entries, looked - len(entries), self.reader.last, looked >= BATCH)

    def found(self) -> None:
        """A failure: the next may come at once."""
        self._candidate = time.monotonic()

    def wake(self) -> None:
        """Wait no longer."""
        self._readable.set()

    async def wait(self, latency: Latency) -> None:
        """Until there may be something to read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(
                self._patience(latency)
            ):  # no task of its own, as wait_for has
                await self._readable.wait()
        if self._readable.is_set():
            self._readable.clear()
            self.reader.process()

    def _patience(self, latency: Latency) -> float:
        if latency is Latency.QUIET:
            return QUIET
        attentive = time.monotonic() - self._candidate < ATTENTION
        return EAGER if attentive or latency is Latency.FAST else IDLE


def _wanted(jails: Iterable[Jail]) -> Any:
    return union([jail.match for jail in jails if jail.match])
