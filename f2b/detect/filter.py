"""A filter: compiled regexes and the memory of lines and open sessions. Entry in, failure or nothing out."""

import re
from functools import partial
from typing import Final, NamedTuple

from f2b.addresses import Family, Offender, is_name, parse, parse_host
from f2b.config.settings import FilterSettings, UseDns
from f2b.detect import line
from f2b.detect.failregex import Groups, captured, compile_failregex, compile_regex
from f2b.detect.ring import Ring
from f2b.detect.session import Merged, Sessions, has_identity
from f2b.model import Entry, Failure, Suspect

WIDEST = {Family.INET: 8, Family.INET6: 16}
"""No log line may ban more than that: <SUBNET> would take a /0."""

IGNORED: Final[tuple[int, Groups]] = (-1, {})
"""A line that a failregex took and an ignoreregex gave back."""


class Hit(NamedTuple):
    """A line that a failregex took: the number of that regex, and what it and its session say."""

    regex: int
    groups: Groups
    users: tuple[str, ...]
    session: str | None
    failed: bool


class Filter:
    """Raises FilterError when a regex cannot be used.

    With `raw_names`, <HOST> takes host names too, as with usedns; `hit` tells them, and no failure comes of them.
    """

    def __init__(self, settings: FilterSettings, *, raw_names: bool = False) -> None:
        self.name = settings.name
        self._dns = settings.usedns
        raw_names = raw_names or self._dns is not UseDns.NO
        several = settings.maxlines > 1
        compiled = partial(compile_regex, names=raw_names, multiline=several)
        self._prefix = compiled(settings.prefregex) if settings.prefregex else None
        known = tuple(self._prefix.groupindex) if self._prefix else ()
        self._fail = tuple(
            compile_failregex(regex, known, names=raw_names, multiline=several)
            for regex in settings.failregex
        )
        self._ignore = tuple(compiled(regex) for regex in settings.ignoreregex)
        self._readings = tuple(
            (reading, Ring(settings.maxlines) if several else None)
            for reading in line.READINGS[settings.reading]
        )
        self.sessions = Sessions(settings.maxsessions)
        self.invalid = 0
        """How many lines matched but had no valid address at the place of the address."""
        self.nobody: str | None = None
        """The first that a line named and that can never be banned: an id, or a name that is not looked up."""

    def find(self, entry: Entry) -> Failure | Suspect | None:
        """The failure that this entry is, if any. Remembers what later entries need."""
        hit = self.hit(entry)
        if hit is None or not hit.failed:
            return None
        return self.suspect(hit, entry) or self.failure(hit, entry)

    def suspect(self, hit: Hit, entry: Entry) -> Suspect | None:
        """What a hit comes to that names a host instead of an address, where names are looked up."""
        name = _name(hit.groups)
        if name is None or not self._dns.looks_up:
            return None
        user = hit.groups.get("user") or None
        groups = tuple(hit.groups.items())
        return Suspect(name, entry.time, entry.cursor, hit.session, user, hit.users, groups)

    def hit(self, entry: Entry) -> Hit | None:
        """What the first failregex that matches captures, together with what its session knew."""
        head = line.head(entry.fields)
        for reading, ring in self._readings:
            if found := self._search(reading(head, entry.fields), entry.time, ring):
                break
        else:
            return None
        if found is IGNORED:
            return None
        regex, groups = found
        session = _session_key(groups, head, entry)
        if session is None:  # then <F-NOFAIL> has no effect, as in fail2ban
            user = groups.get("user")
            return Hit(regex, groups, (user,) if user else (), None, failed=True)
        merged: Merged = self.sessions.merge(session, groups, entry.time)
        if merged.failed and not has_identity(merged.groups):
            self.sessions.suspend(session)
            return Hit(regex, merged.groups, merged.users, session, failed=False)
        return Hit(regex, merged.groups, merged.users, session, merged.failed)

    def failure(self, hit: Hit, entry: Entry) -> Failure | None:
        """What a hit comes to, unless it names no valid address."""
        address = _address(hit.groups)
        if address is None:
            self.invalid += 1
            self.nobody = self.nobody or hit.groups.get("fid") or _name(hit.groups)
            return None
        return Failure(
            address,
            entry.time,
            entry.cursor,
            hit.session,
            hit.groups.get("user") or None,
            hit.users,
            tuple(hit.groups.items()),
        )

    def oldest(self) -> float | None:
        """When the oldest began that this filter remembers, of its open sessions and its lines."""
        rings = (ring.oldest() for _, ring in self._readings if ring)
        times = (self.sessions.oldest(), *rings)
        return min((time for time in times if time is not None), default=None)

    def _search(self, text: str, time: float, ring: Ring | None) -> tuple[int, Groups] | None:
        """The first failregex that matches, its groups over those of prefregex; None if none does."""
        if ring:
            text = ring.add(text, time)
        groups: Groups = {}
        content, offset = text, 0
        if self._prefix is not None:
            prefix = self._prefix.search(text)
            if prefix is None:
                return None
            groups = captured(prefix)
            if inner := groups.pop("content", ""):
                content, offset = inner, prefix.start("content")
        found = self._first(content)
        if found is None:
            return None
        number, match = found
        # fail2ban tries ignoreregex on the line or on the content, by the number of regexes: we ask both.
        asked = (ring.take(match, offset),) if ring else (content, text)
        if any(regex.search(each) for regex in self._ignore for each in asked):
            return IGNORED
        return number, groups | captured(match)

    def _first(self, content: str) -> tuple[int, re.Match[str]] | None:
        for number, regex in enumerate(self._fail):
            if (match := regex.search(content)) is not None:
                return number, match
        return None


def _session_key(groups: Groups, head: str, entry: Entry) -> str | None:
    """What <F-MLFID> says, and whose line it is: process ids come again, and all containers have that of dockerd."""
    session = groups.pop("mlfid", None)
    if session is None:
        return None
    if not session.startswith(head):
        session = f"{head} {session}"
    if "CONTAINER_ID" in entry.fields:
        session = f"{line.text(entry.fields, 'CONTAINER_ID')[: line.NAME]} {session}"
    return f"{line.text(entry.fields, '_BOOT_ID')[:8]} {session}"


def _address(groups: Groups) -> Offender | None:
    """An id that is an address or a network is meant, whatever address stands beside it; any other id is only told."""
    fid = groups.get("fid")
    if fid and (meant := _network(fid)) is not None:
        return meant
    text = groups.get("ip4") or groups.get("ip6") or groups.get("dns", "")
    prefix = groups.get("cidr")
    return parse_host(text) if prefix is None else _network(f"{text}/{prefix}")


def _name(groups: Groups) -> str | None:
    """The host name that stands where the address should."""
    text = groups.get("dns", "")
    if _address(groups) is not None or groups.get("ip4") or groups.get("ip6") or "cidr" in groups:
        return None
    return text.lower() if is_name(text) else None


def _network(text: str) -> Offender | None:
    try:
        network = parse(text)
    except ValueError:
        return None
    return network if network.prefix >= WIDEST[network.family] else None
