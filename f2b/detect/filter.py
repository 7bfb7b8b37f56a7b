"""A filter: compiled regexes and the memory of open sessions. Entry in, failure or nothing out."""

import re

from f2b.addresses import Family, Offender, parse_host
from f2b.config.settings import FilterSettings
from f2b.detect import line
from f2b.detect.failregex import compile_failregex, compile_regex
from f2b.detect.session import Groups, Sessions, has_identity
from f2b.model import Entry, Failure

WIDEST = {Family.INET: 8, Family.INET6: 16}
"""No log line may ban more than that: <SUBNET> would take a /0."""


class Filter:
    """Raises FilterError when a regex cannot be used."""

    def __init__(self, settings: FilterSettings) -> None:
        self.name = settings.name
        self._prefix = compile_regex(settings.prefregex) if settings.prefregex else None
        known = tuple(self._prefix.groupindex) if self._prefix else ()
        self._fail = tuple(compile_failregex(regex, known) for regex in settings.failregex)
        self._ignore = tuple(compile_regex(regex) for regex in settings.ignoreregex)
        self.sessions = Sessions(settings.maxsessions)
        self.invalid = 0
        """How many lines matched but had no valid address at the place of the address."""

    def find(self, entry: Entry) -> Failure | None:
        """The failure that this entry is, if any. Remembers what later lines of the same session need."""
        text = line.build(entry.fields)
        groups = self._match(text)
        if groups is None:
            return None
        session = self._session_key(groups, entry)
        failed = True  # outside a session <F-NOFAIL> has no effect, as in fail2ban
        if session is not None:
            groups, failed = self.sessions.merge(session, groups, entry.time)
        if not failed:
            return None
        if session is not None and not has_identity(groups):
            self.sessions.suspend(session)
            return None
        address = _address(groups)
        if address is None:
            self.invalid += 1
            return None
        return Failure(address, entry.time, entry.cursor, session, groups.get("user") or None)

    def _match(self, text: str) -> Groups | None:
        """The groups of the first failregex that matches, over those of prefregex; None if none or if ignored."""
        groups: Groups = {}
        content = text
        if self._prefix is not None:
            prefix = self._prefix.search(text)
            if prefix is None:
                return None
            groups = _captured(prefix)
            content = groups.pop("content", "") or text
        for regex in self._fail:
            found = regex.search(content)
            if found is not None:
                break
        else:
            return None
        # fail2ban tries ignoreregex on the line or on the content, by the number of regexes: we ask both.
        if any(regex.search(content) or regex.search(text) for regex in self._ignore):
            return None
        groups.update(_captured(found))
        return groups

    @staticmethod
    def _session_key(groups: Groups, entry: Entry) -> str | None:
        """A session ends with the boot that it began in: process ids come again."""
        session = groups.pop("mlfid", None)
        if session is None:
            return None
        return f"{line.text(entry.fields, '_BOOT_ID')[:8]} {session}".strip()


def _captured(match: re.Match[str]) -> Groups:
    return {name: value for name, value in match.groupdict().items() if value is not None}


def _address(groups: Groups) -> Offender | None:
    text = groups.get("ip4") or groups.get("ip6") or groups.get("fid", "")
    address = parse_host(text)
    prefix = groups.get("cidr")
    if address is None or prefix is None:
        return address
    widest = WIDEST[address.family]
    return address.masked(int(prefix)) if widest <= int(prefix) <= address.family.bits else None
