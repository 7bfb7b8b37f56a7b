"""Jails that want entries whatever their messages are, and by which field such an entry is told from the others.

There are three sorts: who remembers every line, who has a failregex that says too little of the message, and, as
long as an entry has no plain head, who reads that head.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from f2b.detect.net import KINDS, Kind, Owner, Watched
from f2b.journal.backlog import PLAIN, Field
from f2b.journal.match import EVERYTHING, Group, Match

Places = tuple[int, ...]

# First those of which an entry never has two, and that tell most.
_TELLING = (
    "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "_COMM", "_EXE", "_TRANSPORT", "CONTAINER_NAME", "SYSLOG_IDENTIFIER",
)  # fmt: skip
_OF_PROCESSES = frozenset({"_PID", "_UID", "_GID"})


class Want(NamedTuple):
    """What a jail is to be asked of its entries: the failregexes at these places, or all of them."""

    jail: str
    places: Places | None
    odd: bool = False
    """Only of those whose head is unlike others."""


class Routes:
    """Which of the wants are for the entry at hand."""

    def __init__(self, jails: Iterable[Watched], unfactored: Collection[Owner]) -> None:
        self._always: tuple[Want, ...] = ()
        self._tables: dict[str, dict[bytes, tuple[Want, ...]]] = {}
        for jail in jails:
            for want, match in _wants(jail, unfactored):
                if match.everything:
                    self._always += (want,)
                for group in match.groups:
                    self._add(want, group)
        self.any = bool(self._always or self._tables)

    def wants(self, field: Field) -> tuple[Want, ...]:
        wants = self._always
        for name, table in self._tables.items():
            try:
                value = field(name)
            except KeyError:
                continue
            if value in table:
                wants += table[value]
        if wants and any(want.odd for want in wants) and _has_usual_head(field):
            return tuple(want for want in wants if not want.odd)
        return wants

    def _add(self, want: Want, group: Group) -> None:
        named = dict(group.terms)
        name = next(name for name in (*_TELLING, *named) if name in named)
        table = self._tables.setdefault(name, {})
        for value in named[name]:
            before = table.get(value, ())
            table[value] = before if want in before else (*before, want)


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
