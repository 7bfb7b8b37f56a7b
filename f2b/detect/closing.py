"""Passes over what only ends sessions, where nobody has opened one.

Most sessions in a log are those of honest users: they are accepted, or just disconnect. Such a line forgives and
closes; of a session that is not open it changes nothing, and is no failure. So it is enough to know the processes that
have one. A session is one process's, whatever its <F-MLFID> says.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from typing import Any, Self

from f2b.detect import line
from f2b.detect.budget import Regex
from f2b.detect.filter import Filter
from f2b.detect.search import Searcher
from f2b.detect.session import Sessions
from f2b.detect.shape import NoShapeError, parsed
from f2b.detect.sieve import Sieve
from f2b.journal.sift import PLAIN, Field, Sift
from f2b.model import Entry, Marks

Groups = frozenset[str]
Places = frozenset[int]

_NONE: Groups = frozenset()


class Closing(Sieve):
    """A sieve for entries that are read in strides and then fed, all before the next stride begins."""

    def __init__(
        self, sieve: Sieve, closes: Mapping[str, Places], sessions: Mapping[str, Sessions]
    ) -> None:
        """`closes`, by jail, are the places of the failregexes that only close."""
        super().__init__(*sieve.made_of)
        self._closes = closes
        self._sessions = sessions
        self._ahead: set[str] = set()
        """The processes whose entries were handed out in this stride: some may open a session."""

    @classmethod
    def of(cls, sieve: Sieve, filters: Mapping[str, Filter]) -> Self:
        """For these filters to be fed."""
        closes = {name: Places(closing(each.searcher)) for name, each in filters.items()}
        closes = {name: places for name, places in closes.items() if places}
        return cls(sieve, closes, {name: filters[name].sessions for name in closes})

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """Without the sessions: those of another process are not ours."""
        return type(self), (Sieve(*self.made_of), self._closes, {})

    def within(self, values: Mapping[str, Collection[bytes]]) -> Sieve:
        return Closing(super().within(values), self._closes, self._sessions)

    def begin(self) -> None:
        self._ahead.clear()

    def handed(self, entry: Entry) -> None:
        if entry.marks is None or not self._closes.keys().isdisjoint(entry.marks):
            self._ahead.add(line.pid(entry.fields))

    def parting(self, marks: Marks, field: Field) -> str | None:
        for name, places in marks.items():
            closes = self._closes.get(name)
            if closes is None or places is None or not closes.issuperset(places):
                return None
        process = _process(field)
        return None if process in self._ahead else process

    def open(self, process: str, marks: Marks) -> bool:
        return any(self._sessions[name].any_of(process) for name in marks)

    def abroad(self) -> Sift | None:
        return self


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
    """What `line.pid` tells of an entry, of which only what is needed is fetched."""
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
