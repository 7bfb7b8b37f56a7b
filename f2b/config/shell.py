"""Where in a shell command a tag stands: bare, in double quotes, or in single quotes.

A mistake here is harmless: what is put in for a tag is a reference to a variable wherever it stands, and the shell does
not read a variable's value as commands.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Quoting(Enum):
    """What the shell does with the text around a tag."""

    BARE = ""
    DOUBLE = '"'
    SINGLE = "'"


class Tag(NamedTuple):
    """A tag in a command, from `start` to `end`."""

    name: str
    start: int
    end: int
    quoting: Quoting


_TAG = r"<(?P<tag>[A-Za-z][A-Za-z0-9_.-]*)>"
_BARE = re.compile(rf"""\\.|{_TAG}|[('"`)]|(?<![^\s;&|()])#[^\n]*""", re.DOTALL)
_DOUBLE = re.compile(rf"""\\.|{_TAG}|\$\(|["`]""", re.DOTALL)
_SINGLE = re.compile(rf"{_TAG}|'")
_NEXT = {'"': _DOUBLE, "'": _SINGLE}


def tags(command: str) -> Iterator[Tag]:
    """All tags, also those that stand for nothing; none in comments."""
    open_: list[str] = []  # what ends each quote, backtick and parenthesis that is open
    at = 0
    while True:
        end = open_[-1] if open_ else ""
        match = _NEXT.get(end, _BARE).search(command, at)
        if match is None:
            return
        at = match.end()
        token = match[0]
        if match["tag"]:
            quoting = Quoting(end) if end in _NEXT else Quoting.BARE
            yield Tag(match["tag"], match.start(), at, quoting)
        elif token == end:
            open_.pop()
        elif token in {"'", '"', "`"}:
            open_.append(token)
        elif token in {"(", "$("}:
            open_.append(")")
