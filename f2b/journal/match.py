"""The journalmatch language: which entries of the journal belong to a jail.

Words are split as a shell does. ``FIELD=value`` words of one field are alternatives, those of different fields must
all hold, ``+`` separates alternatives, and so does a new line. A lone ``*`` takes every entry. Pure: the reader turns
the result into an index look-up, `Match.fits` says the same of one entry.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from f2b.errors import FilterError, Origin

Fields = Mapping[str, bytes | list[bytes]]

# Names that begin with two underscores are addresses of an entry, not fields: journald keeps no index of them.
_FIELD = re.compile(r"(?!__)[A-Z_][A-Z0-9_]{0,63}")

# What journald itself found out about the writer. Anybody can choose his SYSLOG_IDENTIFIER, and his _COMM too.
_WRITER = frozenset({
    "_COMM", "_EXE", "_CMDLINE", "_SELINUX_CONTEXT", "_SYSTEMD_CGROUP", "_SYSTEMD_INVOCATION_ID",
    "_SYSTEMD_OWNER_UID", "_SYSTEMD_SESSION", "_SYSTEMD_SLICE", "_SYSTEMD_UNIT", "_SYSTEMD_USER_SLICE",
    "_SYSTEMD_USER_UNIT",
})  # fmt: skip
_VOUCHED = _WRITER - {"_COMM", "_CMDLINE"} | {"_UID", "_GID"}
_KERNEL = frozenset({b"kernel", b"audit", b"driver"})
_ROOT = frozenset({b"0"})

# Every term costs a look-up per entry: with 60 the index reads a third as fast as a plain walk, so it only pays while
# two of three entries are nobody's business; a machine with that many jails mostly logs what they match.
UNION_TERMS = 60


@dataclass(frozen=True, slots=True)
class Group:
    """Terms that must all hold, sorted by field so that equal groups are equal values."""

    terms: tuple[tuple[str, frozenset[bytes]], ...]
    fleeting: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        named = dict(self.terms)
        fleeting = (
            "SYSLOG_IDENTIFIER" in named
            and named.get("_UID") == _ROOT
            and named.keys().isdisjoint(_WRITER)
        )
        object.__setattr__(self, "fleeting", fleeting)

    def fits(self, fields: Fields) -> bool:
        # A writer that was gone before journald read its /proc entry leaves only identifier and uid. By these two
        # alone nothing else may count: a relay, or root's `logger -t sshd`, would speak for the service.
        if self.fleeting and ("_COMM" in fields or "_SYSTEMD_UNIT" in fields):
            return False
        for name, wanted in self.terms:
            value = fields.get(name)
            if value is None:
                return False
            if wanted.isdisjoint(value) if isinstance(value, list) else value not in wanted:
                return False
        return True

    @property
    def forgeable(self) -> bool:
        named = dict(self.terms)
        transports = named.get("_TRANSPORT")
        return named.keys().isdisjoint(_VOUCHED) and not (transports and transports <= _KERNEL)

    @property
    def names_program(self) -> bool:
        """Say whether only what a program logged can fit, and neither the kernel's nor nobody's entries."""
        return not _WRITER.isdisjoint(name for name, _ in self.terms)

    def words(self) -> Iterable[tuple[str, bytes]]:
        """Give every FIELD, value pair, in a fixed order."""
        for name, values in self.terms:
            for value in sorted(values):
                yield name, value

    def __str__(self) -> str:
        return " ".join(
            shlex.quote(f"{name}={value.decode(errors='surrogateescape')}")
            for name, value in self.words()
        )


class Match(NamedTuple):
    """Groups of which one must fit. No group at all: every entry fits."""

    groups: tuple[Group, ...]

    @property
    def everything(self) -> bool:
        return not self.groups

    @property
    def forgeable(self) -> bool:
        """Say whether some group believes a name that any local user may write on his messages."""
        return self.everything or any(group.forgeable for group in self.groups)

    def fits(self, fields: Fields) -> bool:
        for group in self.groups:
            if group.fits(fields):
                return True
        return not self.groups

    def __str__(self) -> str:
        return " + ".join(map(str, self.groups)) or "*"


EVERYTHING = Match(())


def parse(lines: Sequence[tuple[str, Origin | None]]) -> Match:
    """Read the journalmatch lines of a filter or jail, each with the place where it stands."""
    if not lines:
        raise FilterError("journalmatch is empty", hint="write * to read every entry")
    matches = [parse_text(text, origin) for text, origin in lines]
    if any(match.everything for match in matches):
        return EVERYTHING
    return Match(_distinct(matches))


def parse_text(text: str, origin: Origin | None = None) -> Match:
    """Read one line."""
    try:
        words = shlex.split(text)
    except ValueError as e:
        raise FilterError(f"journalmatch {text!r}: {e}", origin=origin) from e
    if words == ["*"]:
        return EVERYTHING
    groups: list[dict[str, set[bytes]]] = [{}]
    for word in words:
        if word == "+":
            groups.append({})
        else:
            name, value = _term(word, origin)
            groups[-1].setdefault(name, set()).add(value)
    if not all(groups):
        raise FilterError(
            f"journalmatch {text!r} has nothing beside a '+'"
            if "+" in words
            else "journalmatch is empty",
            origin=origin,
            hint="write FIELD=value, or * to read every entry",
        )
    return Match(tuple(dict.fromkeys(map(_group, groups))))


def union(matches: Iterable[Match]) -> tuple[Group, ...] | None:
    """Give the groups that the journal's index shall look for; None where a plain walk is the better way."""
    matches = list(matches)
    if any(match.everything for match in matches):
        return None
    groups = _distinct(matches)
    if sum(len(values) for group in groups for _, values in group.terms) > UNION_TERMS:
        return None
    return groups


def _distinct(matches: Iterable[Match]) -> tuple[Group, ...]:
    return tuple(dict.fromkeys(group for match in matches for group in match.groups))


def _group(terms: Mapping[str, Iterable[bytes]]) -> Group:
    return Group(tuple((name, frozenset(terms[name])) for name in sorted(terms)))


def _term(word: str, origin: Origin | None) -> tuple[str, bytes]:
    name, equals, value = word.partition("=")
    if not equals:
        hint = f"write _SYSTEMD_UNIT={_unit(word)}"
        if word == "*":
            hint = "a * stands alone on its line"
        raise FilterError(
            f"journalmatch needs FIELD=value, got {word!r}", origin=origin, hint=hint
        )
    if not _FIELD.fullmatch(name):
        hint = "capital letters, digits and _; no digit first, no __ first"
        if _FIELD.fullmatch(name.upper()):
            hint = f"write {name.upper()}={value}"
        raise FilterError(f"journalmatch: {name!r} is no journal field", origin=origin, hint=hint)
    return name, value.encode(errors="surrogateescape")


def _unit(word: str) -> str:
    """Guess the unit that somebody means by one word; sshd's is called ssh.service where most of our users are."""
    if "." in word:
        return word
    if _FIELD.fullmatch(word):
        return "NAME.service"
    return {"sshd": "ssh"}.get(word, word) + ".service"
