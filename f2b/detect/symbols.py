r"""The alphabet of the sieve: ASCII as it is, and one symbol for every character beyond it.

A text becomes one byte a character. A set of characters becomes a mask, a bit for each symbol; what a regex says of
characters comes as a mask that has at least the symbols which it takes.
"""

import re
from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from re import ASCII, DOTALL, IGNORECASE
from typing import Any

BEYOND = 128
ALL = (1 << BEYOND + 1) - 1
_BEYOND = 1 << BEYOND
_ASCII = _BEYOND - 1

_ESCAPES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
# KELVIN SIGN is a k when case is ignored, long s an s, and i without and with its dot are an i. No other letter of
# ASCII has relations beyond.
_RELATED = frozenset("kKsSiI")
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)


def mask_of(*chars: str) -> int:
    return union(1 << min(ord(char), BEYOND) for char in chars)


NEWLINE = mask_of("\n")
PRINTED = mask_of(*map(chr, range(0x21, 0x7F)))
CAPITALS = mask_of(*map(chr, range(0x41, 0x5B)))
RELATED = mask_of(*_RELATED)


def encoded(text: str) -> bytes:
    """The text in this alphabet."""
    if text.isascii():
        return text.encode()
    return _FOREIGN.sub("\xff", text).encode("latin-1")


def characters(item: Any, flags: int) -> int:
    """What a node of `re`'s parse tree takes that takes one character; ValueError if it is none such."""
    kind, value = str(item[0]), item[1]
    match kind:
        case "ANY":
            return ALL if flags & DOTALL else ALL & ~NEWLINE
        case "NOT_LITERAL":
            return _others(_surely(("LITERAL", value), flags))
        case "IN" if str(value[0][0]) == "NEGATE":
            return _others(union(_surely(each, flags) for each in value[1:]))
        case "IN":
            return union(_perhaps(each, flags) for each in value)
        case "LITERAL":
            return _perhaps(item, flags)
        case _:
            raise ValueError(f"not known here: {kind}")


def _others(mask: int) -> int:
    """All but these; whatever is excluded beyond ASCII, there is always something left."""
    return ALL & ~mask | _BEYOND


def _perhaps(item: Any, flags: int) -> int:
    """Everything that a member of a set may take."""
    mask = _surely(item, flags)
    kind, value = str(item[0]), item[1]
    if kind == "CATEGORY":
        return mask | _BEYOND
    if (value if kind == "LITERAL" else value[1]) >= BEYOND:
        mask |= _BEYOND | (RELATED if flags & IGNORECASE else 0)
    return mask | _BEYOND if flags & IGNORECASE and mask & RELATED else mask


def _surely(item: Any, flags: int) -> int:
    """What a member of a set takes of ASCII, and beyond doubt."""
    kind, value = str(item[0]), item[1]
    match kind:
        case "LITERAL":
            return _range(value, value, bool(flags & IGNORECASE))
        case "RANGE":
            return _range(value[0], value[1], bool(flags & IGNORECASE))
        case "CATEGORY":
            return _category(str(value).removeprefix("CATEGORY_"), flags & ASCII)
        case _:
            raise ValueError(f"not known here: {kind}")


def _range(low: int, high: int, any_case: bool) -> int:  # noqa: FBT001
    mask = 0
    for char in map(chr, range(low, min(high + 1, BEYOND))):
        mask |= mask_of(char.lower(), char.upper()) if any_case else mask_of(char)
    return mask


@cache
def _category(name: str, flags: int) -> int:
    r"""`re` itself says what is in it: with ASCII, \s has fewer control characters than without."""
    negative = name.startswith("NOT_")
    takes = re.compile(_ESCAPES[name.removeprefix("NOT_")], flags).fullmatch
    mask = mask_of(*filter(takes, map(chr, range(BEYOND))))
    return _ASCII & ~mask if negative else mask
