r"""The shape of what a regex can take: characters, sequences, alternatives and loops, and nothing else.

A shape takes whatever its regex takes, and may take more: what looks around, refers back or counts far is left out.
It is over the alphabet of symbols.py, and over a line without the newline that ends it. `re`'s own parser reads the
regex, so that both read it alike.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from re import MULTILINE
from typing import Any, NamedTuple

from f2b.detect.symbols import ALL, NEWLINE, characters

try:
    # Private, but the parser that the engine itself uses (see lint.py). Without it there are no shapes.
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    _parser = None

MOST_ROUNDS = 40
MOST_SIZE = 200
"""A loop that counts further, or over more characters, has no count: it would make large automata and tells little."""
MOST_CHARACTERS = 4000
"""No shape is larger."""

_ONE_CHARACTER = frozenset({"ANY", "LITERAL", "NOT_LITERAL", "IN"})
_BEGINS = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING"})
_ENDS = frozenset({"AT_END", "AT_END_STRING"})
_WITHIN = frozenset({"AT_BOUNDARY", "AT_NON_BOUNDARY"})
# Groups whose texts captured() puts together: what prefregex hands on is then no part of the line.
_ASSEMBLED = ("alt_content", "tuple_content")


class NoShapeError(Exception):
    """Something in the regex is not known here, or it is too large."""


class Edge(Enum):
    """A place between characters."""

    BEGIN = "the start of the text"
    END = "the end of the text"
    BREAK = "the start of the text, or behind a blank"


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    mask: int


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    items: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several, of which none is empty."""

    options: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """Again and again; `most` is None where there is no end."""

    least: int
    most: int | None
    body: Shape


@dataclass(frozen=True, slots=True)
class Content:
    """What prefregex hands on to the failregexes."""

    body: Shape


Shape = Edge | Chars | Row | Either | Loop | Content
NOTHING = Row(())
ANYTHING = Loop(0, None, Chars(ALL))


def shape(pattern: re.Pattern[str], prefix: re.Pattern[str] | None = None) -> Row:
    """What a line looks like that a failregex takes, behind prefregex if there is one. Raises NoShapeError."""
    try:
        made = _shape(pattern, prefix)
        if size(made) > MOST_CHARACTERS:
            raise NoShapeError("too large")
    except (re.error, ValueError, RecursionError, OverflowError) as error:
        raise NoShapeError(str(error)) from error
    return made


def _shape(pattern: re.Pattern[str], prefix: re.Pattern[str] | None) -> Row:
    if prefix is None:
        return _made(pattern)
    if any(name.startswith(_ASSEMBLED) for name in prefix.groupindex):
        raise NoShapeError("prefregex assembles what it hands on")
    number = prefix.groupindex.get("content")
    if number is None:
        return _made(pattern)
    inner = _made(pattern, ends=False)
    begins = inner.items[:1] == (Edge.BEGIN,)
    if begins:
        inner = Row(inner.items[1:])
    outer = _made(prefix, content=number).items
    for place, item in enumerate(outer):
        # What may be empty hands on nothing, and the failregex is asked about the whole line.
        if isinstance(item, Content) and least(item.body):
            within = inner.items if begins else (ANYTHING, *inner.items)
            return Row((*outer[:place], *within, ANYTHING, *outer[place + 1 :]))
    return inner


def parsed(pattern: re.Pattern[str]) -> Any:
    """`re`'s own parse tree. Raises NoShapeError where there is none to be had."""
    if _parser is None:  # pragma: no cover
        raise NoShapeError("this Python keeps its parser elsewhere")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parser.parse(pattern.pattern, pattern.flags)


def least(node: Shape, mask: int = ALL) -> int:
    """How many characters it takes at least that cannot but be in the mask."""
    match node:
        case Chars(own):
            return int(not own & ~mask)
        case Row(items):
            return sum(least(item, mask) for item in items)
        case Either(options):
            return min(least(option, mask) for option in options)
        case Loop(rounds, _, body):
            return rounds * least(body, mask)
        case Content(body):
            return least(body, mask)
        case _:
            return 0


def size(node: Shape) -> int:
    """How many characters stand in it, when its counted loops are written out."""
    match node:
        case Chars():
            return 1
        case Row(parts) | Either(parts):
            return sum(map(size, parts))
        case Loop(rounds, most, body):
            return (most or max(rounds, 1)) * size(body)
        case Content(body):
            return size(body)
        case _:
            return 0


class _Place(NamedTuple):
    """Where in the regex a part stands.

    `last`: nothing behind it must take a character, so that its last one may be the newline that ends the line.
    """

    begins: bool
    ends: bool
    last: bool = True


def _made(pattern: re.Pattern[str], *, ends: bool = True, content: int | None = None) -> Row:
    tree = parsed(pattern)
    return _Maker(content).row(tree, tree.state.flags, _Place(begins=True, ends=ends))


class _Maker:
    """Walks the parse tree, each sequence from its end: what may stand behind a part decides what it may take."""

    def __init__(self, content: int | None) -> None:
        self._content = content

    def row(self, items: Sequence[Any], flags: int, place: _Place) -> Row:
        made: list[Shape] = []
        last = place.last
        for number in reversed(range(len(items))):
            begins = place.begins and number == 0
            ends = place.ends and number == len(items) - 1
            node = self._item(items[number], flags, _Place(begins, ends, last))
            made[:0] = node.items if isinstance(node, Row) else (node,)
            last = last and not least(node)
        return Row(tuple(made))

    def _item(self, item: Any, flags: int, place: _Place) -> Shape:
        kind, value = str(item[0]), item[1]
        match kind:
            case "SUBPATTERN":
                number, added, removed, body = value
                made: Shape = self.row(body, (flags | added) & ~removed, place)
                if number is not None and number == self._content:
                    made = Content(made)
            case "ATOMIC_GROUP":
                made = self.row(value, flags, place)
            case "BRANCH" | "GROUPREF_EXISTS":
                bodies = value[1] if kind == "BRANCH" else (value[1], value[2] or ())
                made = self._either(bodies, flags, place)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                made = self._loop(value, flags, place)
            case "AT":
                made = _edge(str(value), flags, place)
            case "GROUPREF":
                made = ANYTHING
            case "ASSERT" | "ASSERT_NOT" | "FAILURE":
                made = NOTHING
            case _:
                mask = characters(item, flags)
                made = Chars(mask)
                if mask & NEWLINE and place.last:
                    made = Loop(0, 1, made)
        return made

    def _either(self, bodies: Iterable[Any], flags: int, place: _Place) -> Shape:
        inner = place._replace(begins=False)
        options = dict.fromkeys(self.row(body, flags, inner) for body in bodies)
        full = tuple(map(_plain, filter(lambda option: option.items, options)))
        if not full:
            return NOTHING
        made = full[0] if len(full) == 1 else Either(full)
        return Loop(0, 1, made) if NOTHING in options else made

    def _loop(self, value: Any, flags: int, place: _Place) -> Shape:
        rounds, most, items = int(value[0]), int(value[1]), value[2]
        if len(items) == 1 and str(items[0][0]) in _ONE_CHARACTER:
            mask = characters(items[0], flags)
            lowered = bool(
                mask & NEWLINE and place.last and rounds
            )  # one round may be the newline
            return _repeated(rounds - lowered, most, Row((Chars(mask),)))
        inner = self.row(items, flags, _Place(begins=False, ends=False, last=place.last))
        return _repeated(rounds, most, inner)


def _repeated(rounds: int, most: int, body: Row) -> Shape:
    if not body.items or not most:
        return NOTHING
    if rounds == most == 1:
        return body
    here = size(body)
    if rounds > MOST_ROUNDS or rounds * here > MOST_SIZE:
        rounds = max(1, min(MOST_ROUNDS, MOST_SIZE // max(here, 1)))
    endless = most > MOST_ROUNDS or most * here > MOST_SIZE
    return Loop(rounds, None if endless else most, _plain(body))


def _plain(row: Row) -> Shape:
    return row.items[0] if len(row.items) == 1 else row


def _edge(kind: str, flags: int, place: _Place) -> Shape:
    if kind in _BEGINS:
        # With MULTILINE it may also stand behind the newline that ends the line.
        several = kind == "AT_BEGINNING" and flags & MULTILINE
        return Edge.BEGIN if place.begins and not several else NOTHING
    if kind in _ENDS:
        return Edge.END if place.ends else NOTHING
    if kind in _WITHIN:
        return NOTHING
    raise ValueError(f"not known here: {kind}")
