"""What work costs: seconds, and seconds of CPU time, which others on a busy machine disturb less."""

import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

TURNS = 500_000
CALM, LEARN, PATIENCE = 1.25, 10.0, 10.0
"""As slow as this many of the fastest turns is calm; seconds to learn what they take, and to wait for it."""
_END = object()


class Cost(NamedTuple):
    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """Of this process and of the children that it waited for."""
    began, used = time.perf_counter(), _used()
    work()
    return Cost(time.perf_counter() - began, _used() - used)


def in_turns(*works: Iterator[None]) -> list[Cost]:
    """Each goes on piece by piece, so that all of them meet a shared machine in the same moods."""
    costs = [Cost(0.0, 0.0)] * len(works)
    left = dict(enumerate(works))

    def go_on(number: int) -> None:
        if next(left[number], _END) is _END:
            del left[number]

    while left:
        for number in list(left):
            took, before = cost(partial(go_on, number)), costs[number]
            costs[number] = Cost(before.wall + took.wall, before.cpu + took.cpu)
    return costs


def _used() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def turn() -> float:
    """Nanoseconds for a turn of an empty loop: Python's pace, which on a shared machine halves for minutes."""
    return min(_turns())


def settle() -> None:
    """Wait a while until the machine is at its own pace: before what is judged in seconds, and not by a ratio."""
    patience = time.monotonic() + PATIENCE
    fastest = _fastest()
    while max(_turns()) > CALM * fastest and time.monotonic() < patience:
        time.sleep(0.1)


@cache
def _fastest() -> float:
    over = time.monotonic() + LEARN
    fastest = turn()
    while time.monotonic() < over:
        fastest = min(fastest, turn())
        time.sleep(0.1)
    return fastest


def _turns() -> list[float]:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(TURNS):
            pass
        times.append((time.perf_counter() - began) / TURNS * 1e9)
    return times


def cpu(pid: int) -> float:
    """Seconds of CPU time of a process's threads. What /proc/PID/stat says counts in ticks of ten milliseconds."""
    return _schedstat(pid, 0)


def switches(pid: int) -> int:
    """How often the threads of a process have gone to sleep so far."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.MULTILINE)
        assert found
        total += int(found[1])
    return total


def resident(pid: int) -> int:
    """Bytes of memory without the journal's files, which are the page cache's."""
    total, counted = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Rss:") and counted:
            total += int(line.split()[1]) * 1024
        elif not line[0].isupper():  # a mapping: from-to, rights, place, file
            counted = not line.endswith(".journal")
    return total


def waited(pid: int | str = "self") -> float:
    """Seconds that the threads of a process have waited for a processor."""
    return _schedstat(pid, 1)


def _schedstat(pid: int | str, place: int) -> float:
    total = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(stat.read_text().split()[place])
    return total / 1e9
