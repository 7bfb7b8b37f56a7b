"""What work costs: seconds, and seconds of CPU time, which others on a busy machine disturb less."""

import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """Of this process and of the children that it waited for."""
    began, used = time.perf_counter(), _used()
    work()
    return Cost(time.perf_counter() - began, _used() - used)


def _used() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def cpu(pid: int) -> float:
    """Seconds of CPU time of a process's threads. What /proc/PID/stat says counts in ticks of ten milliseconds."""
    total = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(stat.read_text().split()[0])
    return total / 1e9
