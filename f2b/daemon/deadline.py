"""The clock of the regexes: a signal that comes every few milliseconds of CPU time while entries are decided on.

Owns the interval timer and its signal. Python runs the handler in the main thread, also in the midst of a search, and
what it raises there ends the search.
"""

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from f2b.detect.budget import Guard

TICK = 0.004
"""Seconds. The kernel looks at such timers no oftener than it counts time, every 1 to 10 ms."""


class Deadline:
    """Drives a guard. For the main thread alone."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def install(self) -> None:
        """Answer the signal from now on, and keep it away from the loop's worker threads: their work is not counted."""
        signal.signal(signal.SIGVTALRM, self._tick)
        quiet = ThreadPoolExecutor(
            initializer=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGVTALRM})
        )
        asyncio.get_running_loop().set_default_executor(quiet)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Tick within the block."""
        self._guard.wake(time.thread_time())
        signal.setitimer(signal.ITIMER_VIRTUAL, TICK, TICK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _tick(self, *_: object) -> None:
        # The timer counts all threads; what is charged is what this one has used.
        self._guard.tick(time.thread_time(), time.monotonic())
