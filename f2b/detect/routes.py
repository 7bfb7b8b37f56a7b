"""Jails that want entries whatever their messages are, and by which field such an entry is told from the others.

There are three sorts: who remembers every line, who has a failregex that says too little of the message, and, as
long as an entry has no plain head, who reads that head.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from f2b.detect.net import KINDS, Kind, Owner, Watched
from f2b.journal.backlog import Field
from f2b.journal.match import EVERYTHING, Group, Match

Places = tuple[int, ...]

# First those of which an entry never has two, and that tell most.
_TELLING = (
    "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "_COMM", "_EXE", "_TRANSPORT", "CONTAINER_NAME", "SYSLOG_IDENTIFIER",
)  # fmt: skip
# What logs for others, and calls itself what they like.
_RELAYS = frozenset({b"docker.service", b"conmon", b"podman.service", b"containerd.service"})
_OF_PROCESSES = frozenset({"_PID", "_UID", "_GID"})
_PLAIN = re.compile(rb"[!-~]*")


class Want(NamedTuple):
    """What a jail is to be asked of its entries: the failregexes at these places, or all of them."""

    jail: str
    places: Places | None
    odd: bool = False
    """Only of those without a plain head."""


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
                found = table.get(field(name))
            except KeyError:
                continue
            if found:
                wants += found
        if wants and any(want.odd for want in wants) and _has_plain_head(field):
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
    elif groups := tuple(group for group in jail.match.groups if not _has_plain_names(group)):
        yield odd, Match(groups)


def _has_plain_names(group: Group) -> bool:
    """Whether who writes these entries can be taken at his word, has a name, and is neither kernel nor container."""
    named = dict(group.terms)
    if group.forgeable or any(
        name.startswith("CONTAINER_") or not _RELAYS.isdisjoint(values)
        for name, values in group.terms
    ):
        return False
    # journald knows the pid of whom it knows anything else; what it has from the kernel's audit may have none.
    idents = named.get("SYSLOG_IDENTIFIER")
    has_pid = group.names_program or not _OF_PROCESSES.isdisjoint(named)
    return has_pid and (all(map(_is_plain, idents)) if idents else group.names_program)


def _has_plain_head(field: Field) -> bool:
    """Whether host, ident and pid are what a factor counts on. The host's name is the admin's, the pid journald's."""
    try:
        ident = field("SYSLOG_IDENTIFIER")
    except KeyError:
        return False
    return _is_plain(ident) and _has_plain_pid(field)


def _has_plain_pid(field: Field) -> bool:
    for name in ("SYSLOG_PID", "_PID"):
        try:
            if pid := field(name):
                return bool(_PLAIN.fullmatch(pid))
        except KeyError:
            continue
    return False


def _is_plain(ident: bytes) -> bool:
    """The kernel's entries have a time of many blanks in front."""
    return bool(ident and ident != b"kernel" and _PLAIN.fullmatch(ident))
