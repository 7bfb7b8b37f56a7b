"""Jails that want entries whatever their messages are, and by which field such an entry is told from the others.

There are three sorts: who remembers every line, who has a failregex that says too little of the message, and, as
long as an entry has no plain head, who reads that head.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from f2b.detect.net import KINDS, Kind, Owner, Watched
from f2b.journal.match import EVERYTHING, Group, Match
from f2b.journal.sift import PLAIN, Field

Places = tuple[int, ...]

UNIT = "_SYSTEMD_UNIT"
# First those of which an entry never has two, and that tell most.
_TELLING = (
    UNIT, "_SYSTEMD_USER_UNIT", "_COMM", "_EXE", "_TRANSPORT", "CONTAINER_NAME", "SYSLOG_IDENTIFIER",
)  # fmt: skip
_OF_PROCESSES = frozenset({"_PID", "_UID", "_GID"})


class Want(NamedTuple):
    """What a jail is to be asked of its entries: the failregexes at these places, or all of them."""

    jail: str
    places: Places | None
    odd: bool = False
    """Only of those whose head is unlike others."""


class Route(NamedTuple):
    """What an entry is for, as far as its fields tell: who wants it, and whether anybody would cut a date out of it."""

    wants: tuple[Want, ...] = ()
    dated: bool = False

    def joined(self, other: "Route") -> "Route":
        return Route(self.wants + other.wants, self.dated or other.dated)


NOWHERE = Route()
Table = Mapping[bytes, Route]
"""Routes by what a field says."""


class Routes:
    """Where entries go. `any` says whether fields need be looked at at all."""

    def __init__(self, usual: Route, tables: Mapping[str, Table]) -> None:
        """`usual` is where all entries go; where others go as well is told by fields."""
        self.any = bool(usual.wants or tables)
        self._usual = usual
        self._tables = tables
        # Nearly all entries are told by their unit alone: what it says is put together beforehand.
        units = tables.get(UNIT, {})
        self._units = {unit: usual.joined(route) for unit, route in units.items()}
        self._others = [each for each in tables.items() if each[0] != UNIT]
        # journald knows the unit of processes alone, whose heads are as usual.
        self._beside = [(name, table) for name, table in self._others if not _is_odd(table)]

    @classmethod
    def of(cls, jails: Sequence[Watched], unfactored: Collection[Owner]) -> Self:
        always: tuple[Want, ...] = ()
        tables: dict[str, dict[bytes, Route]] = {}
        for jail in jails:
            for want, match in _wants(jail, unfactored):
                if match.everything:
                    always += (want,)
                for group in match.groups:
                    _add(tables.setdefault(_telling(group), {}), group, want)
        dated = [jail.match for jail in jails if Kind.MESSAGE in KINDS[jail.reading]]
        # To fetch a field costs more than to look for a date: only those help that are fetched anyway.
        told = all(
            not match.everything and all(_telling(group) in tables for group in match.groups)
            for match in dated
        )
        for group in (group for match in dated for group in match.groups if told):
            _add(tables[_telling(group)], group)
        return cls(Route(always, dated=bool(dated) and not told), tables)

    @property
    def told_by_unit(self) -> Collection[bytes]:
        """The units whose entries go anywhere, if those of all others go nowhere; empty if that is not so."""
        return self._units.keys() if not self._usual.wants and not self._beside else ()

    @property
    def fields(self) -> Collection[str]:
        """Those that are looked at."""
        return self._tables.keys()

    def among(self, values: Mapping[str, Collection[bytes]]) -> Self:
        """The same for entries of which these fields have none but these values."""
        tables = {
            name: table
            for name, table in self._tables.items()
            if name not in values or not table.keys().isdisjoint(values[name])
        }
        return type(self)(self._usual, tables)

    def route(self, field: Field) -> Route:
        """Where the entry at hand goes."""
        try:
            unit = field(UNIT) if self._units else None
        except KeyError:
            unit = None
        found, tables = self._usual, self._others
        if unit is not None:
            found, tables = self._units.get(unit, found), self._beside
        for name, table in tables:
            try:
                more = table.get(field(name))
            except KeyError:
                continue
            found = found.joined(more) if more else found
        if found.wants and any(want.odd for want in found.wants) and _has_usual_head(field):
            return found._replace(wants=tuple(want for want in found.wants if not want.odd))
        return found


def _is_odd(table: Table) -> bool:
    return not any(
        route.dated or any(not want.odd for want in route.wants) for route in table.values()
    )


def _telling(group: Group) -> str:
    named = dict(group.terms)
    return next(name for name in (*_TELLING, *named) if name in named)


def _add(table: dict[bytes, Route], group: Group, want: Want | None = None) -> None:
    """Route the group's entries to a want; without one, to somebody who cuts out dates."""
    for value in dict(group.terms)[_telling(group)]:
        before = table.get(value, NOWHERE)
        if want is None:
            table[value] = before._replace(dated=True)
        elif want not in before.wants:
            table[value] = before._replace(wants=(*before.wants, want))


def _wants(jail: Watched, unfactored: Collection[Owner]) -> Iterator[tuple[Want, Match]]:
    if jail.searcher.several:
        yield Want(jail.name, None), jail.match
        return
    places = tuple(sorted(owner.place for owner in unfactored if owner.jail == jail.name))
    if places:
        yield Want(jail.name, places), jail.match
    if Kind.BUILT not in KINDS[jail.reading]:
        return
    odd = Want(jail.name, None, odd=True)
    if jail.match.everything:
        yield odd, EVERYTHING
    elif groups := tuple(group for group in jail.match.groups if not _of_processes(group)):
        yield odd, Match(groups)


def _of_processes(group: Group) -> bool:
    """Whether what fits was logged by a process, of which journald knows the pid, and not by the kernel."""
    named = dict(group.terms)
    idents = named.get("SYSLOG_IDENTIFIER")
    by_ident = idents is not None and b"kernel" not in idents
    return group.names_program or (by_ident and not _OF_PROCESSES.isdisjoint(named))


def _has_usual_head(field: Field) -> bool:
    """Whether there is a pid. The kernel has none, and a time of many blanks in front of its message."""
    return any(_has(field, name) for name in ("_PID", "SYSLOG_PID")) and not _is_kernel(field)


def _has(field: Field, name: str) -> bool:
    try:
        return PLAIN.fullmatch(field(name)) is not None
    except KeyError:
        return False


def _is_kernel(field: Field) -> bool:
    try:
        return field("SYSLOG_IDENTIFIER") == b"kernel"
    except KeyError:
        return True  # or may be, by another name
