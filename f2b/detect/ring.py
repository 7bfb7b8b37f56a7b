"""The last lines that a filter saw, for regexes that span several lines (maxlines, <SKIPLINES>)."""

import re
from collections import deque
from collections.abc import Collection

from f2b.detect.session import LIFETIME

CEILING = 65536
"""Characters that the lines may have together: maxlines long lines would cost a regex too much."""


class Ring:
    """At most `size` lines, none of them older than LIFETIME when the newest came. Each has a number of its own."""

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[int, float, str]] = deque(maxlen=size)
        self._added = 0

    def add(self, line: str, time: float) -> str:
        """Add a line, which ends with a newline; the text of them all."""
        while self._lines and time - self._lines[0][1] > LIFETIME:
            self._lines.popleft()
        self._added += 1
        self._lines.append((self._added, time, line))
        text = "".join(line for _, _, line in self._lines)
        while len(text) > CEILING and len(self._lines) > 1:
            text = text[len(self._lines.popleft()[2]) :]
        return text

    def numbers(self) -> tuple[int, ...]:
        """The numbers of the lines, in the order of the text."""
        return tuple(number for number, _, _ in self._lines)

    def take(self, numbers: Collection[int]) -> None:
        """Remove lines; some of them may be gone already."""
        left = [line for line in self._lines if line[0] not in numbers]
        self._lines.clear()
        self._lines.extend(left)

    def oldest(self) -> float | None:
        """When the oldest of them came. What took the lines between them is at most a LIFETIME older."""
        return min((time for _, time, _ in self._lines), default=None)


def covered(text: str, match: re.Match[str], offset: int) -> tuple[tuple[int, ...], str]:
    """Which lines of a text a match covers, but for those it skipped; and what stands there.

    `offset` is where the text that was searched begins within this one.
    """
    skipped = [match.span(name) for name in match.re.groupindex if name.startswith("skiplines")]
    places, taken = [], []
    end = -offset
    for place, line in enumerate(text.split("\n")[:-1]):
        start, end = end, end + len(line) + 1
        within = start < match.end() and end > match.start()
        passed = any(first <= start and end <= last for first, last in skipped)
        if within and not passed:
            places.append(place)
            taken.append(f"{line}\n")
    return tuple(places), "".join(taken)
