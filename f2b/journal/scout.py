"""A process that reads ahead in a backlog: that is most of the work, and nearly every machine has a second core.

Owns the process. Each stride says behind which place it begins; one that does not begin where the last one ended is
an error, after which nothing is lost: whoever asked reads on from there himself. A second such process gains nothing:
the daemon takes as long to decide as one takes to read.
"""

import marshal
import os
import pickle
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from fcntl import F_SETPIPE_SZ, fcntl
from typing import Any

from f2b.child import ENVIRONMENT
from f2b.journal.sift import Sift
from f2b.journal.stride import STRIDE, Parting, Stride, behind, leapt, walked
from f2b.model import Entry, Position

PATIENCE = 0.02
"""Seconds to wait for a stride that takes five milliseconds to read."""
LATEST = 20
"""After so many strides that did not come in time, one after the other, it is given up."""
ROOM = 1 << 20
"""Bytes that it may read ahead: a dozen strides. More needs privileges."""
PIECE = 1 << 16
"""Bytes read at a time."""
LENGTH = 4
"""Bytes that say how long a piece is, in front of it."""


def can_scout() -> bool:
    """Whether there is a core for it."""
    return len(os.sched_getaffinity(0)) > 1


class Scout:
    """The process from this side: f2b.journal.scouting has the other. `stride` gives what it has read.

    Strides are numbered. Whoever needs one that is not there yet reads the one behind it meanwhile, after having told
    the scout to leave it out: so both are busy, whichever of them has more to do.
    """

    def __init__(self, options: Mapping[str, str], sift: Sift, *, plain: bool) -> None:
        """Raises OSError when there can be none."""
        import tempfile  # noqa: PLC0415 - it brings compressors along, and few daemons need a scout

        self._sift = sift
        self._plain = plain
        self._number = self._late = 0
        self._ready = self._began = False
        self._own: dict[int, Stride | None] = {}
        """What was read meanwhile."""
        self._heard = bytearray()
        with tempfile.TemporaryFile() as orders:
            pickle.dump((dict(options), sift, plain), orders)
            orders.flush()
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", "f2b.journal.scouting", str(orders.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                bufsize=0, pass_fds=[orders.fileno()],
                env=ENVIRONMENT,
            )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._words, self._found = self._process.stdin, self._process.stdout.fileno()
        with suppress(OSError):
            fcntl(self._found, F_SETPIPE_SZ, ROOM)
        self._poll = select.poll()
        self._poll.register(self._found, select.POLLIN)

    @property
    def ready(self) -> bool:
        """Whether it may begin. Raises EOFError if it has ended."""
        self._ready = self._ready or self._frame(0) is not None
        return self._ready

    def stride(self, handle: Any, place: Position) -> Stride | None:
        """The stride behind a place, which is where the last one ended. `handle` may be sent anywhere.

        None: it does not come in time, and whoever asks is faster himself. Raises OSError, ValueError or EOFError
        when the scout has failed.
        """
        if place.cursor is None or not self.ready:
            return None
        if not self._began:
            self._words.write(place.cursor.encode() + b"\n")
            self._began = True
        stride = self._own.pop(self._number, None)
        if stride is None:
            told = self._told(0)
            if told is None and self._number + 1 not in self._own:
                self._help(handle, place.cursor)
            stride = told or self._told(PATIENCE)
            self._late = 0 if stride else self._late + 1
            if self._late > LATEST:
                raise TimeoutError
        self._number += 1
        if stride is not None and stride.before != place.cursor:
            raise ValueError("another place")
        return stride

    def end(self) -> None:
        self._process.kill()
        with self._process:  # which closes the pipes
            pass

    def _help(self, handle: Any, cursor: str) -> None:
        """Read the stride behind the one that begins here."""
        number = self._number + 1
        self._words.write(b"%d\n" % number)
        place = leapt(handle, cursor)
        if place is not None and behind(handle, Position(place, 0.0)):
            self._own[number] = walked(handle, self._sift, place, plain=self._plain)

    def _told(self, patience: float) -> Stride | None:
        """The next stride, if it comes in time. What came too late for its turn, or was read here, is dropped."""
        while (told := self._frame(patience)) is not None:
            number, before, found, cursor, stamp = marshal.loads(told)  # noqa: S302 - our own process wrote it
            if number > self._number:
                raise ValueError("another stride")
            if number == self._number:
                return Stride(before, [*map(_made, found)], STRIDE, Position(cursor, stamp))
        return None

    def _frame(self, patience: float) -> bytes | None:
        """What was sent in one piece, if all of it is there within so many seconds."""
        end = time.monotonic() + patience
        while True:
            size = LENGTH + int.from_bytes(self._heard[:LENGTH])
            if len(self._heard) >= max(size, LENGTH):
                frame = bytes(self._heard[LENGTH:size])
                del self._heard[:size]
                return frame
            if not self._poll.poll(max(0.0, end - time.monotonic()) * 1000):
                return None
            more = os.read(self._found, PIECE)
            if not more:
                raise EOFError
            self._heard += more


def _made(told: tuple[Any, ...]) -> Entry | Parting:
    return Entry(*told) if len(told) == len(Entry._fields) else Parting(*told)
