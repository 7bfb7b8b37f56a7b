"""The process that reads ahead: stride after stride, until nobody listens any more or the journal ends.

Called with the descriptor of its orders. Standard input says where to begin, as soon as it has said that it is ready,
and later the numbers of strides to be left out; what it finds goes to standard output.
"""

import gc
import marshal
import os
import pickle
import select
import sys

from systemd import journal

from f2b.journal.scout import LENGTH
from f2b.journal.sift import Sift
from f2b.journal.stride import behind, leapt, walked
from f2b.model import Position


def main() -> None:
    orders = int(sys.argv[1])
    sift: Sift
    # Our own daemon has written it.
    options, sift, plain = pickle.loads(os.pread(orders, os.fstat(orders).st_size, 0))  # noqa: S301
    gc.disable()
    handle = journal.Reader(**options)
    words = os.fdopen(0, "rb", buffering=0)
    word = select.poll()
    word.register(words, select.POLLIN)
    send(b"")
    place: str | None = words.readline().decode().strip()
    number = 0
    left_out: set[int] = set()
    while place:
        while word.poll(0):
            left_out.add(int(words.readline()))
        if number in left_out:
            left_out.remove(number)
            place = leapt(handle, place)
        else:
            stride = walked(handle, sift, place, plain=plain) if at(handle, place) else None
            if stride is None:
                return
            place, time = stride.place.cursor, stride.place.time
            found = [*map(tuple, stride.found)]
            send(marshal.dumps((number, stride.before, found, place, time)))
        number += 1


def at(handle: object, place: str) -> bool:
    return behind(handle, Position(place, 0.0))


def send(piece: bytes) -> None:
    sys.stdout.buffer.write(len(piece).to_bytes(LENGTH) + piece)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
