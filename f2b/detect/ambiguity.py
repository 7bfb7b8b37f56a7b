"""Whether a repetition can cut the same text in two ways: then a line that fails in the end costs exponential time.

The body of the loop becomes an automaton whose states are its characters, with the number of ways that lead from one
to the next. It is ambiguous when two different roads that spell the same lead from a state back to it. What has no
such automaton (look-around, back references, anchors inside) gets no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from re import IGNORECASE
from typing import Any

MOST_STATES = 120
MOST_STEPS = 300_000
MANY = 4
"""So many optional copies of a thing are as good as any number."""

# One bit for each: all of ASCII, and what \w, \d and \s take beyond it.
_SAMPLE = [chr(code) for code in range(128)] + ["é", "É", "Ж", "ж", "中", "٣", "\xa0", "☃"]
_ALL = (1 << len(_SAMPLE)) - 1
_CATEGORIES = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda char: char.isalnum() or char == "_",
}

Edge = tuple[int, int]


class NoVerdictError(Exception):
    """No plain regular expression, or a large one."""


@dataclass(slots=True)
class _Part:
    """How a piece begins, ends and goes on, each with the number of ways; `empty`: the ways to be nothing."""

    empty: int = 1
    first: Counter[int] = field(default_factory=Counter)
    last: Counter[int] = field(default_factory=Counter)


def ambiguous(body: Any, flags: int) -> bool | None:
    """Whether a loop around this body is; `body` is what `re`'s own parser makes of it. None: no verdict."""
    automaton = _Automaton()
    try:
        automaton.star(automaton.sequence(body, flags))
        return automaton.is_ambiguous()
    except NoVerdictError:
        return None


class _Automaton:
    def __init__(self) -> None:
        self._chars: list[int] = []
        self._ways: Counter[Edge] = Counter()

    # --- from the regex to states ---------------------------------------------------------------

    def sequence(self, items: Iterable[Any], flags: int) -> _Part:
        whole = _Part()
        for item in items:
            whole = self._then(whole, self._item(item, flags))
        return whole

    def star(self, part: _Part) -> _Part:
        self._follow(part.last, part.first)
        return _Part(1, part.first, part.last)

    def _item(self, item: Any, flags: int) -> _Part:
        kind, value = str(item[0]), item[1]
        match kind:
            case "SUBPATTERN":
                _, added, removed, inner = value
                return self.sequence(inner, (flags | added) & ~removed)
            case "BRANCH":
                whole = _Part(0)
                for inner in value[1]:
                    part = self.sequence(inner, flags)
                    whole.empty = min(2, whole.empty + part.empty)
                    whole.first += part.first
                    whole.last += part.last
                return whole
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, body = value
                return self._repeat(least, most, body, flags)
            case _:
                return self._char(characters(item, flags))

    def _repeat(self, least: int, most: int, body: Any, flags: int) -> _Part:
        whole = _Part()
        for _ in range(least):
            whole = self._then(whole, self.sequence(body, flags))
        if most - least > MANY:
            return self._then(whole, self.star(self.sequence(body, flags)))
        rest = _Part()
        for _ in range(most - least):
            rest = self._then(self.sequence(body, flags), rest)
            rest.empty = 1
        return self._then(whole, rest)

    def _char(self, chars: int) -> _Part:
        if len(self._chars) == MOST_STATES:
            raise NoVerdictError
        self._chars.append(chars)
        state = Counter({len(self._chars) - 1: 1})
        return _Part(0, state, state)

    def _then(self, one: _Part, two: _Part) -> _Part:
        self._follow(one.last, two.first)
        first = one.first + _times(two.first, one.empty)
        last = two.last + _times(one.last, two.empty)
        return _Part(min(2, one.empty * two.empty), first, last)

    def _follow(self, last: Counter[int], first: Counter[int]) -> None:
        for here, ways in last.items():
            for there, more in first.items():
                self._ways[here, there] += ways * more

    # --- the verdict ----------------------------------------------------------------------------

    def is_ambiguous(self) -> bool:
        """Every state lies on the loop. So two ways of one step, or two roads that part and meet, are enough."""
        if any(
            ways > 1 and self._chars[here] and self._chars[there]
            for (here, there), ways in self._ways.items()
        ):
            return True
        roads = _Roads(self._ways, self._chars)
        return any(roads.part_and_meet(state) for state, taken in enumerate(self._chars) if taken)


class _Roads:
    """Pairs of states that two roads reach which spell the same."""

    def __init__(self, ways: Iterable[Edge], chars: list[int]) -> None:
        self._chars = chars
        self._follows: dict[int, list[int]] = {}
        for here, there in ways:
            self._follows.setdefault(here, []).append(there)
        self._patience = MOST_STEPS

    def part_and_meet(self, state: int) -> bool:
        """Whether two different roads lead from this state back to it."""
        start = (state, state)
        seen = {(start, False)}
        left = [(start, False)]
        while left:
            here, parted = left.pop()
            for there in self._steps(here):
                now = parted or there[0] != there[1]
                if now and there == start:
                    return True
                if (there, now) not in seen:
                    seen.add((there, now))
                    left.append((there, now))
        return False

    def _steps(self, pair: Edge) -> Iterator[Edge]:
        for one in self._follows.get(pair[0], ()):
            for two in self._follows.get(pair[1], ()):
                self._patience -= 1
                if self._chars[one] & self._chars[two]:
                    yield one, two
        if self._patience < 0:
            raise NoVerdictError


def characters(item: Any, flags: int) -> int:
    """Which of the sample one step takes. Raises NoVerdictError if it is no step."""
    kind, value = str(item[0]), item[1]
    match kind:
        case "ANY":
            return _mask(char != "\n" for char in _SAMPLE)
        case "LITERAL":
            return _literal(value, value, flags)
        case "NOT_LITERAL":
            return _ALL & ~_literal(value, value, flags)
        case "IN":
            taken = 0
            negated = False
            for each in value:
                if str(each[0]) == "NEGATE":
                    negated = True
                else:
                    taken |= _member(each, flags)
            return _ALL & ~taken if negated else taken
        case _:
            raise NoVerdictError


def _member(item: Any, flags: int) -> int:
    kind, value = str(item[0]), item[1]
    if kind == "LITERAL":
        return _literal(value, value, flags)
    if kind == "RANGE":
        return _literal(value[0], value[1], flags)
    if kind == "CATEGORY":
        name = str(value).removeprefix("CATEGORY_")
        taken = _mask(map(_CATEGORIES[name.removeprefix("NOT_")], _SAMPLE))
        return _ALL & ~taken if name.startswith("NOT_") else taken
    raise NoVerdictError


def _literal(low: int, high: int, flags: int) -> int:
    def within(char: str) -> bool:
        cases = {char, char.lower(), char.upper()} if flags & IGNORECASE else {char}
        return any(low <= ord(each) <= high for each in cases if len(each) == 1)

    return _mask(map(within, _SAMPLE))


def _times(counts: Counter[int], ways: int) -> Counter[int]:
    return Counter({state: count * ways for state, count in counts.items()})


def _mask(taken: Iterable[bool]) -> int:
    return sum(1 << place for place, is_in in enumerate(taken) if is_in)
