"""The last lines that a filter saw, for regexes that span several lines (maxlines, <SKIPLINES>)."""

import re
from collections import deque

from f2b.detect.session import LIFETIME


class Ring:
    """At most `size` lines, none of them older than LIFETIME when the newest came."""

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[float, str]] = deque(maxlen=size)

    def add(self, line: str, time: float) -> str:
        """Add a line, which ends with a newline; the text of them all."""
        while self._lines and time - self._lines[0][0] > LIFETIME:
            self._lines.popleft()
        self._lines.append((time, line))
        return "".join(text for _, text in self._lines)

    def take(self, match: re.Match[str], offset: int) -> str:
        """Remove the lines that a match covers, but for those it skipped; their text.

        `offset` is where the text that was searched begins within that of all lines.
        """
        skipped = [
            match.span(name) for name in match.re.groupindex if name.startswith("skiplines")
        ]
        taken, left = [], []
        end = -offset
        for time, line in self._lines:
            start, end = end, end + len(line)
            within = start < match.end() and end > match.start()
            passed = any(first <= start and end <= last for first, last in skipped)
            if within and not passed:
                taken.append(line)
            else:
                left.append((time, line))
        self._lines.clear()
        self._lines.extend(left)
        return "".join(taken)

    def oldest(self) -> float | None:
        """When the oldest of them came. What took the lines between them is at most a LIFETIME older."""
        return min((time for time, _ in self._lines), default=None)
