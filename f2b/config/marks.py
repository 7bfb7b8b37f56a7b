"""Where a line of text was written, carried inside the text itself.

Every line read from a file ends in a mark: NUL, a number, NUL. The number stands for a file:line.
Files with a NUL are refused, so a mark is never mistaken for text; and being text, it survives
layering, interpolation and tag substitution without any of them knowing.
"""

import re
from collections.abc import Iterator

from f2b.config.settings import NOWHERE, Located
from f2b.errors import ConfigError, Origin

_LONGEST_QUOTE = 200
_MARK = re.compile("\0([0-9]+)\0")
_LAST = re.compile("\0([0-9]+)\0(?:\0[0-9]+\0)*$")


def plain(text: str) -> str:
    return _MARK.sub("", text)


def pasted(value: str, match: re.Match[str]) -> str:
    """A value as it goes where `match` is: a single line behind other words belongs to the line that takes it in."""
    before = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    return plain(value) if "\n" not in value and plain(before).strip() else value


def shortened(text: str) -> str:
    """A text as a message quotes it."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…")


class Allowance:
    """How much may be pasted into one option: with n lines, files can ask for 2^n copies of a text."""

    def __init__(self) -> None:
        self._left = 1_000_000

    def spend(self, text: str, origin: Origin | None = None) -> None:
        self._left -= len(text) + 200
        if self._left < 0:
            hint = "one of its texts is asked for again and again"
            raise ConfigError("grows beyond all measure", origin=origin, hint=hint)


class Marks:
    """The marks given out so far."""

    def __init__(self) -> None:
        self._origins: list[Origin] = []

    def new(self, origin: Origin) -> str:
        self._origins.append(origin)
        return f"\0{len(self._origins) - 1}\0"

    def origin(self, text: str, at: int) -> Origin | None:
        """Where the character at `at` was written, which the next mark after it tells."""
        mark = _MARK.search(text, at)
        return self._origins[int(mark[1])] if mark else None

    def located(self, text: str) -> Located:
        """The whole text without its marks, with the origin of its first line."""
        return Located(plain(text).strip(), self._line_origin(text.split("\n", 1)[0]))

    def lines(self, text: str) -> tuple[Located, ...]:
        """The lines that are not empty, each with its own origin."""
        return tuple(self._lines(text))

    def _lines(self, text: str) -> Iterator[Located]:
        for line in text.split("\n"):
            if stripped := plain(line).strip():
                yield Located(stripped, self._line_origin(line))

    def _line_origin(self, line: str) -> Origin:
        """The line's own mark comes last; but a line that ends in a pasted text belongs to that."""
        last = _LAST.search(line)
        return self._origins[int(last[1])] if last else NOWHERE
