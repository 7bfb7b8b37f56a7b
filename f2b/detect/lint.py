"""What a filter can be used for by those whose lines it reads: warnings for `f2b check`.

Pure. Says what is certain and is silent where it cannot tell.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from f2b.config.problems import Problem, Severity
from f2b.config.settings import Feed, FilterSettings, Located
from f2b.detect.ambiguity import ambiguous
from f2b.detect.failregex import expand
from f2b.detect.flags import localized
from f2b.errors import F2bError
from f2b.journal.match import Group, parse_text

try:
    # Private, but the parser that the engine itself uses: whatever it reads, we read alike. It has not changed its
    # form since Python 2, and without it `f2b check` says less and works.
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    _parser = None

ADDRESS = frozenset({"ip4", "ip6", "dns", "fid"})
ENDS = frozenset({"AT_END", "AT_END_STRING"})
REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
BEYOND_US = ("ASSERT", "GROUPREF", "ATOMIC", "POSSESSIVE")
LONG = 10
"""A loop over a loop with so many rounds costs the tenth power of the line: as good as without end."""

_FAIL2BAN = ("_SYSTEMD_UNIT", b"fail2ban.service")

Items = list[Any]


def lint(settings: FilterSettings) -> Iterator[Problem]:
    """Warn of what is wrong with a filter that can be compiled."""
    regexes = [settings.prefregex] if settings.prefregex else []
    for source in (*regexes, *settings.failregex):
        yield from _catch_all(source)
    for source in (*regexes, *settings.failregex, *settings.ignoreregex):
        yield from _nested(source)
    if settings.feed is Feed.JOURNAL:
        for source in settings.journalmatch:
            yield from _writers(source)


def _catch_all(source: Located) -> Iterator[Problem]:
    parsed = _parsed(source)
    if parsed is not None and _Order(parsed.state.groupdict).loose(list(parsed), []):
        yield Problem(
            Severity.WARNING,
            source.origin,
            f"a greedy catch-all stands before the address: {_short(source.text)}",
            "whoever gets text of his into the line behind the address chooses who is banned: say what stands "
            "there instead of .* or .+, or end the regex with $ and no catch-all before it",
        )


def _nested(source: Located) -> Iterator[Problem]:
    parsed = _parsed(source)
    if parsed is not None and any(_explodes(list(parsed), [], parsed.state.flags)):
        yield Problem(
            Severity.WARNING,
            source.origin,
            f"a repetition can cut the same text in many ways: {_short(source.text)}",
            "one hostile line can keep this regex busy for hours: let each round begin or end with "
            "something that the rest of it cannot take",
        )


def _writers(source: Located) -> Iterator[Problem]:
    try:
        match = parse_text(source.text, source.origin)
    except F2bError:
        return
    for group in match.groups:
        if _claimed(group):
            hint = "_SYSTEMD_UNIT=NAME.service, or at least _COMM=NAME"
            if any(name.startswith("CONTAINER_") for name, _ in group.terms):
                hint = "_SYSTEMD_UNIT=docker.service, or for podman _COMM=conmon"
            yield Problem(
                Severity.WARNING,
                source.origin,
                f"every local user can log as {group}",
                f"add what journald vouches for: {hint}",
            )
        if _FAIL2BAN in group.words():
            yield Problem(
                Severity.WARNING,
                source.origin,
                "fail2ban's log does not have the bans of f2b",
                "write source = bans into this jail: it then counts the bans of all others",
            )


def _claimed(group: Group) -> bool:
    """Whether there is nothing in it but what the writer says of himself."""
    return group.forgeable and not any(name.startswith("_") for name, _ in group.terms)


def _parsed(source: Located) -> Any:
    if _parser is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parser.parse(localized(expand(source.text)), 0)
    except (re.error, RecursionError, OverflowError):
        return None  # the compiler tells it better


class _Order:
    """Walks a regex from left to right and remembers whether something has gone by that takes anything."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        self._addresses = {number for name, number in groups.items() if name in ADDRESS}
        self._skipped = {number for name, number in groups.items() if name.startswith("skiplines")}
        self._greedy = False

    def loose(self, items: Items, rest: Items) -> bool:
        """Whether a greedy catch-all stands before an address, and no end that is fixed behind it."""
        for place, item in enumerate(items):
            after = items[place + 1 :] + rest
            kind, value = str(item[0]), item[1]
            if kind == "AT" and str(value).startswith("AT_BEGINNING"):
                self._greedy = False
            elif kind == "SUBPATTERN":
                if self._greedy and value[0] in self._addresses and not _fixed(after):
                    return True
                if value[0] not in self._skipped and self.loose(list(value[3]), after):
                    return True
            elif kind == "BRANCH" and self._branches(value[1], after):
                return True
            elif kind in REPEATS:
                if _takes_anything(item):
                    self._greedy = self._greedy or kind == "MAX_REPEAT"
                elif self.loose(list(value[2]), after):
                    return True
        return False

    def _branches(self, branches: Iterable[Any], after: Items) -> bool:
        before = after_all = self._greedy
        for branch in branches:
            self._greedy = before
            if self.loose(list(branch), after):
                return True
            after_all = after_all or self._greedy
        self._greedy = after_all
        return False


def _fixed(after: Items) -> bool:
    """Whether the end of the line is at a place that only the regex decides. Look-around may decide it too."""
    for item in _flat(after):
        kind, value = str(item[0]), item[1]
        if kind.startswith(BEYOND_US) or (kind == "AT" and str(value) in ENDS):
            return True
        if kind == "BRANCH":
            return all(_fixed(list(branch)) for branch in value[1])
        if kind in REPEATS and _takes_anything(item):
            return False
    return False


def _takes_anything(item: Any) -> bool:
    """Whether it is a dot as often as one likes, also within groups."""
    if str(item[0]) not in REPEATS:
        return False
    _, most, body = item[1]
    inner = list(_flat(body))
    return most > 255 and len(inner) == 1 and str(inner[0][0]) == "ANY"


def _explodes(items: Items, rest: Items, flags: int) -> Iterator[bool]:
    for place, item in enumerate(items):
        after = items[place + 1 :] + rest
        kind, value = str(item[0]), item[1]
        if kind == "SUBPATTERN":
            yield from _explodes(list(value[3]), after, (flags | value[1]) & ~value[2])
        elif kind == "BRANCH":
            for branch in value[1]:
                yield from _explodes(list(branch), after, flags)
        elif kind in REPEATS:
            _, most, body = value
            if most >= LONG and _can_fail(after):
                yield bool(ambiguous(body, flags))
            yield from _explodes(list(body), after, flags)


def _can_fail(after: Items) -> bool:
    """Whether a line can be refused behind this place: only then are all the ways tried."""
    anything = False
    for item in _flat(after):
        kind, value = str(item[0]), item[1]
        if kind.startswith(BEYOND_US):
            return False
        if kind in REPEATS:
            if value[0] and not _takes_anything(item):
                return True
            anything = anything or _takes_anything(item)
        elif not (anything and kind == "AT" and str(value) in ENDS):
            return True
    return False


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    """The items without the groups around them."""
    for item in items:
        if str(item[0]) == "SUBPATTERN":
            yield from _flat(item[1][3])
        else:
            yield item


def _short(regex: str) -> str:
    return repr(regex if len(regex) <= 70 else f"{regex[:67]}...")
