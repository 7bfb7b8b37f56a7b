"""Passes over what only ends sessions, where nobody has opened one.

Most sessions in a log are those of honest users: they are accepted, or just disconnect. Such a line forgives and
closes; of a session that is not open it changes nothing, and is no failure. So it is enough to know the processes that
have one. A session is one process's, whatever its <F-MLFID> says.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any

from f2b.detect import line
from f2b.detect.budget import Regex
from f2b.detect.filter import Filter
from f2b.detect.search import Searcher
from f2b.detect.shape import NoShapeError, parsed
from f2b.detect.sieve import NOBODY, Sieve
from f2b.journal.sift import PLAIN, Field
from f2b.model import Marks

Groups = frozenset[str]

_NONE: Groups = frozenset()


class Closing:
    """A sieve for entries that are read in strides and then fed to these filters, all before the next stride begins."""

    def __init__(self, sieve: Sieve, filters: Mapping[str, Filter]) -> None:
        self._sieve = sieve
        self.fields = sieve.fields
        self._closes = {
            name: places
            for name, filter_ in filters.items()
            if (places := frozenset(closing(filter_.searcher)))
        }
        self._sessions = {name: filters[name].sessions for name in self._closes}
        self._ahead: set[str] = set()
        """The processes whose entries were handed out in this stride: some may open a session."""

    def begin(self) -> None:
        """What was handed out is fed."""
        self._ahead.clear()

    def candidates(self, message: bytes, field: Field) -> Marks:
        return self._sieve.candidates(message, field)

    def named_plainly(self, message: bytes, field: Field) -> Marks:
        marks = self._sieve.named_plainly(message, field)
        if not marks or self._closes.keys().isdisjoint(marks):
            return marks
        process = _process(field)
        if self._only_close(marks) and not self._may_be_open(process, marks):
            return NOBODY
        self._ahead.add(process)
        return marks

    def _may_be_open(self, process: str, jails: Iterable[str]) -> bool:
        if process in self._ahead:
            return True
        return any(self._sessions[name].any_of(process) for name in jails)

    def _only_close(self, marks: Marks) -> bool:
        for name, places in marks.items():
            closes = self._closes.get(name)
            if closes is None or places is None or not closes.issuperset(places):
                return False
        return True


def closing(searcher: Searcher) -> Iterator[int]:
    """The places of the failregexes that can do nothing but close a session."""
    if searcher.several:
        return
    before = _certain(searcher.prefregex)
    for place, regex in enumerate(searcher.failregexes):
        groups = before | _certain(regex)
        if {"mlfid", "mlfforget"} <= groups and groups & {"nofail", "mlfgained"}:
            yield place


def _process(field: Field) -> str:
    """As `line.pid` tells it."""
    for name in ("SYSLOG_PID", "_PID"):
        try:
            value = field(name)
        except KeyError:
            continue
        if PLAIN.fullmatch(value):
            return value.decode()[: line.NAME]
    return ""


def _certain(regex: Regex | None) -> Groups:
    """The groups that take part in every match."""
    if regex is None:
        return _NONE
    names = {number: name for name, number in regex.pattern.groupindex.items()}
    try:
        return _in(parsed(regex.pattern), names)
    except (NoShapeError, RecursionError):
        return _NONE


def _in(items: Any, names: Mapping[int, str]) -> Groups:
    return _NONE.union(*(_of(str(kind), value, names) for kind, value in items))


def _of(kind: str, value: Any, names: Mapping[int, str]) -> Groups:
    match kind:
        case "SUBPATTERN":
            inner = _in(value[3], names)
            return inner | {names[value[0]]} if value[0] in names else inner
        case "ATOMIC_GROUP":
            return _in(value, names)
        case "BRANCH":
            return reduce(Groups.intersection, (_in(each, names) for each in value[1]))
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _in(value[2], names) if value[0] else _NONE
        case _:
            return _NONE
