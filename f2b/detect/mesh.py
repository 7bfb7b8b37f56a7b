"""Weaving a net out of all filters: the factor of each failregex, in the form that an engine can look for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from f2b.detect import dates
from f2b.detect.automaton import Automaton, expression
from f2b.detect.budget import Regex
from f2b.detect.examination import overlooked
from f2b.detect.factor import in_message
from f2b.detect.net import KINDS, Finder, Kind, Net, Owner, Watched, scanned, watched_alone
from f2b.detect.shape import NoShapeError, Row, shape
from f2b.detect.words import WORDS, Clause, Words, clauses

Source = tuple[str, int]
"""Text and flags of a regex; empty for prefregex where there is none."""
Form = TypeVar("Form")


class Found(NamedTuple):
    """What an engine makes of some factors. `refused` are the numbers of those that it cannot take."""

    finder: Finder
    refused: frozenset[int] = frozenset()


def woven(jails: Sequence[Watched], engine: str | None, *, small: bool) -> Net:
    """The net for some jails, on hosts whose names have no capital letters if `small`.

    `engine` is the version of hyperscan, or None to do without it.
    """
    if engine:
        try:
            return _net(jails, engine, expression, _automaton, small=small)
        except ValueError:
            pass  # words are slower, and can take them all
    return _net(jails, WORDS, clauses, _words, small=small)


def _net(
    jails: Sequence[Watched],
    engine: str,
    form: Callable[[Row], Form | None],
    make: Callable[[Sequence[Form], Sequence[Row]], Found],
    *,
    small: bool,
) -> Net:
    """`form` is what the engine needs of a factor, None if that tells too little."""
    numbers: dict[Form, int] = {}
    factors: list[Row] = []
    owned: dict[Kind, dict[int, list[Owner]]] = {kind: {} for kind in Kind}
    left: set[Owner] = set()
    for kind in Kind:
        for owner, factor in _factors(jails, kind, small=small):
            formed = _formed(factor, form)
            if not formed:
                left.add(owner)
                continue
            number = numbers.setdefault(formed, len(numbers))
            if number == len(factors):
                factors.append(factor)
            owned[kind].setdefault(number, []).append(owner)
    signs: list[int] = []
    for sign in map(shape, dates.SIGNS if owned[Kind.MESSAGE] else ()):
        if formed := _formed(sign, form):
            signs.append(numbers.setdefault(formed, len(numbers)))
            factors.append(sign)
    made = make(list(numbers), factors) if numbers else Found(Words(()))
    if made.refused.intersection(signs):
        raise ValueError("the engine does not take the signs of a date")
    owners = {
        kind: tuple(tuple(by.get(number, ())) for number in range(len(factors)))
        for kind, by in owned.items()
    }
    for each in owners.values():
        left.update(owner for number in made.refused for owner in each[number])
    return Net(engine, owners, frozenset(left), made.finder, tuple(signs), small)


def _formed(factor: Row, form: Callable[[Row], Form | None]) -> Form | None:
    try:
        return form(factor)
    except (ValueError, RecursionError):
        return None  # one regex that cannot be used here is asked about every entry, as without a sieve


def _factors(jails: Iterable[Watched], kind: Kind, *, small: bool) -> Iterator[tuple[Owner, Row]]:
    """Every failregex that sees texts of this kind with its factor, which is empty where there is none."""
    known: dict[tuple[Source, Source], Row] = {}
    for jail in watched_alone(jails):
        if kind not in KINDS[jail.reading]:
            continue
        searcher = jail.searcher
        for place, regex in enumerate(searcher.failregexes):
            key = source(regex), source(searcher.prefregex)
            if key not in known:
                known[key] = _factor(regex, searcher.prefregex, kind, small=small)
            yield Owner(jail.name, place), known[key]


def source(regex: Regex | None) -> Source:
    return (regex.pattern.pattern, regex.pattern.flags) if regex else ("", 0)


def _factor(regex: Regex, prefix: Regex | None, kind: Kind, *, small: bool) -> Row:
    try:
        line = shape(regex.pattern, prefix.pattern if prefix else None)
        return in_message(line, small=small) if kind is Kind.BUILT else line
    except (NoShapeError, RecursionError):
        return Row(())


def _automaton(expressions: Sequence[str], factors: Sequence[Row]) -> Found:
    made, refused = Automaton.compiled(expressions)
    if overlooked(factors, partial(scanned, made)) - refused:
        raise ValueError("the automaton overlooks what it should find")
    return Found(made, refused)


def _words(needs: Sequence[tuple[Clause, ...]], factors: Sequence[Row]) -> Found:  # noqa: ARG001
    return Found(Words(needs))
