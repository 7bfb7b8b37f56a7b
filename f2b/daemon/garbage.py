"""Keeps Python's search for cycles away from what is remembered: through 100,000 bans it takes 0.1 s, for everybody.

What a full search has left is not searched again. Nearly all of it ends by its reference count; what a reload
replaces is the exception, so a reload has everything searched once more.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """Search only when told to; what is there at the end is remembered, and none of it garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def search_once() -> None:
    """Now, what is there; and from now on, until the process ends."""
    if _freeze not in gc.callbacks:
        gc.callbacks.append(_freeze)
    gc.collect()


def search_again() -> None:
    gc.unfreeze()


def _freeze(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
