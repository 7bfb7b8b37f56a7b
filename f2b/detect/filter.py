"""A filter: compiled regexes and the memory of lines and open sessions. Entry in, failure or nothing out."""

from typing import NamedTuple

from f2b.addresses import Family, Offender, parse, parse_host
from f2b.config.settings import FilterSettings
from f2b.detect import line
from f2b.detect.budget import Guard
from f2b.detect.failregex import Groups
from f2b.detect.ring import Ring
from f2b.detect.search import Question, Searcher, Take
from f2b.detect.session import Merged, Sessions, has_identity
from f2b.model import Entry, Failure

WIDEST = {Family.INET: 8, Family.INET6: 16}
"""No log line may ban more than that: <SUBNET> would take a /0."""


class Hit(NamedTuple):
    """A line that a failregex took: the number of that regex, and what it and its session say."""

    regex: int
    groups: Groups
    users: tuple[str, ...]
    session: str | None
    failed: bool


class Filter:
    """Raises FilterError when a regex cannot be used.

    With `raw_names`, <HOST> takes host names too; `hit` tells them, and no failure comes of them.
    """

    def __init__(self, settings: FilterSettings, *, raw_names: bool = False) -> None:
        self.name = settings.name
        self.searcher = Searcher.compiled(settings, raw_names=raw_names)
        self.guard = Guard()
        """What bounds the cost of the regexes: one for all filters that work on the same entries."""
        self.questions: list[Question] = []
        """What the last entry left open; whoever shares the guard takes it from here."""
        self._maxlength = settings.maxlength
        self._ring = Ring(settings.maxlines) if settings.maxlines > 1 else None
        self.sessions = Sessions(settings.maxsessions)
        self.invalid = 0
        """How many lines matched but had no valid address at the place of the address."""

    def find(self, entry: Entry) -> Failure | None:
        """The failure that this entry is, if any. Remembers what later entries need."""
        hit = self.hit(entry)
        return self.failure(hit, entry) if hit and hit.failed else None

    def hit(self, entry: Entry) -> Hit | None:
        """What the first failregex that matches captures, together with what its session knew."""
        take = self._search(line.build(entry.fields, self._maxlength), entry.time)
        return self._hit(take, entry) if take else None

    def late(self, question: Question, take: Take | None, entry: Entry) -> Failure | None:
        """What `find` would have said, had the question been answered in time."""
        if take is None or not self._taken(take, question.lines):
            return None
        hit = self._hit(take, entry)
        return self.failure(hit, entry) if hit.failed else None

    def _hit(self, take: Take, entry: Entry) -> Hit:
        regex, groups = take.regex, take.groups
        session = _session_key(groups, entry)
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
        times = (self.sessions.oldest(), self._ring.oldest() if self._ring else None)
        return min((time for time in times if time is not None), default=None)

    def _search(self, text: str, time: float) -> Take | None:
        """The first failregex that matches; None if none does, if the text is ignored, or if the answer comes late."""
        if self._ring:
            text = self._ring.add(text, time)
        numbers = self._ring.numbers() if self._ring else ()
        found = self.searcher.ask(text, self.guard)
        if isinstance(found, Question):
            self.questions.append(found._replace(lines=numbers))
            return None
        return found if found and self._taken(found, numbers) else None

    def _taken(self, take: Take, numbers: tuple[int, ...]) -> bool:
        """Remove the lines that a match covers, also of one that is to be ignored; say whether it counts."""
        if self._ring:
            self._ring.take({numbers[place] for place in take.lines})
        return not take.ignored


def _session_key(groups: Groups, entry: Entry) -> str | None:
    """A session ends with the boot that it began in: process ids come again."""
    session = groups.pop("mlfid", None)
    if session is None:
        return None
    return f"{line.text(entry.fields, '_BOOT_ID')[:8]} {session}".strip()


def _address(groups: Groups) -> Offender | None:
    """An id that is an address or a network is meant, whatever address stands beside it; any other id is only told."""
    fid = groups.get("fid")
    if fid and (meant := _network(fid)) is not None:
        return meant
    text = groups.get("ip4") or groups.get("ip6") or groups.get("dns", "")
    prefix = groups.get("cidr")
    return parse_host(text) if prefix is None else _network(f"{text}/{prefix}")


def _network(text: str) -> Offender | None:
    try:
        network = parse(text)
    except ValueError:
        return None
    return network if network.prefix >= WIDEST[network.family] else None
