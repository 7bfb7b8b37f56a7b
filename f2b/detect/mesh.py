"""The factors of all filters put together, so that one look at a message tells which of them occur in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeVar

from f2b.config.settings import Reading
from f2b.detect.automaton import Automaton, Ids, expression
from f2b.detect.budget import Regex
from f2b.detect.examination import overlooked
from f2b.detect.factor import in_message
from f2b.detect.filter import Filter
from f2b.detect.shape import NoShapeError, Row, shape
from f2b.detect.words import Words, clauses
from f2b.journal.match import Match

Scan = Callable[[bytes], Ids]
Source = tuple[str, int]
"""Text and flags of a regex; empty for prefregex where there is none."""
Form = TypeVar("Form")

WORDS = "words"


class Kind(Enum):
    """The texts that regexes see of a message."""

    BUILT = "it stands behind a head"
    MESSAGE = "it stands alone, without its date"


KINDS: Mapping[Reading, tuple[Kind, ...]] = {
    Reading.BUILT: (Kind.BUILT,),
    Reading.MESSAGE: (Kind.MESSAGE,),
    Reading.BOTH: (Kind.BUILT, Kind.MESSAGE),
}


class Watched(NamedTuple):
    """A jail: what its filter looks for, and in which entries."""

    name: str
    filter: Filter
    match: Match


class Owner(NamedTuple):
    """A failregex, by its jail and its place there."""

    jail: str
    place: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """The factors in texts of one kind, by the numbers that `scan` gives; equal ones are one with several owners."""

    owners: tuple[tuple[Owner, ...], ...]
    scan: Scan = field(compare=False)
    automaton: Automaton | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Net:
    """All meshes; and what falls through, the failregexes without a factor that tells enough."""

    engine: str
    meshes: Mapping[Kind, Mesh]
    unfactored: frozenset[Owner]


def watched_alone(jails: Iterable[Watched]) -> Iterator[Watched]:
    """The jails whose filters look at each line alone: the others remember every line."""
    return (jail for jail in jails if not jail.filter.searcher.several)


def woven(jails: Sequence[Watched], engine: str | None) -> Net:
    """The net for some jails; `engine` is the version of hyperscan, or None to do without it."""
    if engine:
        try:
            return _net(jails, engine, expression, _automaton)
        except ValueError:
            pass  # words are slower, and can take them all
    return _net(jails, WORDS, clauses, _words)


def _net(
    jails: Sequence[Watched],
    engine: str,
    form: Callable[[Row], Form | None],
    mesh: Callable[[Mapping[Form, Sequence[Owner]], Sequence[Row]], tuple[Mesh, Iterable[Owner]]],
) -> Net:
    meshes: dict[Kind, Mesh] = {}
    left: set[Owner] = set()
    for kind in Kind:
        owners: dict[Form, list[Owner]] = {}
        factors: dict[Form, Row] = {}
        for owner, factor in _factors(jails, kind):
            if formed := _formed(factor, form):
                owners.setdefault(formed, []).append(owner)
                factors.setdefault(formed, factor)
            else:
                left.add(owner)
        if owners:
            meshes[kind], refused = mesh(owners, list(factors.values()))
            left.update(refused)
    return Net(engine, meshes, frozenset(left))


def _formed(factor: Row, form: Callable[[Row], Form | None]) -> Form | None:
    try:
        return form(factor)
    except (ValueError, RecursionError):
        return None  # one regex that cannot be used here is asked about every entry, as without a sieve


def _factors(jails: Iterable[Watched], kind: Kind) -> Iterator[tuple[Owner, Row]]:
    """Every failregex that sees texts of this kind with its factor, which is empty where there is none."""
    known: dict[tuple[Source, Source], Row] = {}
    for jail in watched_alone(jails):
        if kind not in KINDS[jail.filter.reading]:
            continue
        searcher = jail.filter.searcher
        for place, regex in enumerate(searcher.failregexes):
            key = source(regex), source(searcher.prefregex)
            if key not in known:
                known[key] = _factor(regex, searcher.prefregex, kind)
            yield Owner(jail.name, place), known[key]


def source(regex: Regex | None) -> Source:
    return (regex.pattern.pattern, regex.pattern.flags) if regex else ("", 0)


def _factor(regex: Regex, prefix: Regex | None, kind: Kind) -> Row:
    try:
        line = shape(regex.pattern, prefix.pattern if prefix else None)
        return in_message(line) if kind is Kind.BUILT else line
    except (NoShapeError, RecursionError):
        return Row(())


def _automaton(
    owners: Mapping[str, Sequence[Owner]], factors: Sequence[Row]
) -> tuple[Mesh, list[Owner]]:
    made, refused = Automaton.compiled(list(owners))
    if overlooked(factors, made.scan) - refused:
        raise ValueError("the automaton overlooks what it should find")
    table = tuple(map(tuple, owners.values()))
    return Mesh(table, made.scan, made), [owner for number in refused for owner in table[number]]


def _words(
    owners: Mapping[tuple[frozenset[str], ...], Sequence[Owner]],
    factors: Sequence[Row],  # noqa: ARG001
) -> tuple[Mesh, list[Owner]]:
    return Mesh(tuple(map(tuple, owners.values())), Words(list(owners)).scan), []
