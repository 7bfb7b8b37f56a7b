"""A filter: compiled regexes and the memory of lines and open sessions. Entry in, failure or nothing out."""

from collections.abc import Sequence
from typing import NamedTuple

from f2b.addresses import Family, Offender, is_name, parse, parse_host
from f2b.config.settings import FilterSettings, UseDns
from f2b.detect import line
from f2b.detect.budget import Guard
from f2b.detect.failregex import Groups
from f2b.detect.ring import Ring
from f2b.detect.search import Question, Searcher, Take
from f2b.detect.session import Sessions
from f2b.model import Entry, Failure, Suspect

WIDEST = {Family.INET: 8, Family.INET6: 16}
"""No log line may ban more than that: <SUBNET> would take a /0."""


Places = Sequence[int] | None


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
        self._looks_up = settings.usedns.looks_up
        raw_names = raw_names or settings.usedns is not UseDns.NO
        self.searcher = Searcher.compiled(settings, raw_names=raw_names)
        self.guard = Guard()
        """What bounds the cost of the regexes: one for all filters that work on the same entries."""
        self.lines = line.Lines()
        """Shared likewise."""
        self.questions: list[Question] = []
        """What the last entry left open; whoever shares the guard takes it from here."""
        self.reading = settings.reading
        self.maxlength = settings.maxlength
        self._readings = tuple(
            (reading, Ring(settings.maxlines) if settings.maxlines > 1 else None)
            for reading in line.READINGS[settings.reading]
        )
        self.sessions = Sessions(settings.maxsessions)
        self.invalid = 0
        """How many lines matched but had no valid address at the place of the address."""
        self.nobody: str | None = None
        """The first that a line named and that can never be banned: an id, or a name that is not looked up."""

    def find(self, entry: Entry, places: Places = None) -> Failure | Suspect | None:
        """The failure that this entry is, if any. Remembers what later entries need.

        `places` are those of the failregexes that may match; None: any may.
        """
        return self._told(self._read(entry, 0, places), entry)

    def suspect(self, hit: Hit, entry: Entry) -> Suspect | None:
        """What a hit comes to that names a host instead of an address, where names are looked up."""
        name = _name(hit.groups) if self._looks_up else None
        if name is None:
            return None
        user = hit.groups.get("user") or None
        groups = tuple(hit.groups.items())
        return Suspect(name, entry.time, entry.cursor, hit.session, user, hit.users, groups)

    def hit(self, entry: Entry) -> Hit | None:
        """What the first failregex that matches captures, together with what its session knew."""
        return self._read(entry, 0)

    def late(
        self, question: Question, take: Take | None, entry: Entry, places: Places = None
    ) -> Failure | Suspect | None:
        """What `find` would have said, had the question been answered in time."""
        _, ring = self._readings[question.reading]
        if take is not None:
            counts = _taken(take, ring, question.lines)
            if take.regex >= 0:
                hit = self._hit(take, entry) if counts else None
                return self._told(hit, entry)
        return self._told(self._read(entry, question.reading + 1, places), entry)

    def _told(self, hit: Hit | None, entry: Entry) -> Failure | Suspect | None:
        if hit is None or not hit.failed:
            return None
        return self.suspect(hit, entry) or self.failure(hit, entry)

    def _read(self, entry: Entry, first: int, places: Places = None) -> Hit | None:
        """Ask in one reading after the other, until something at all matched or there is something to wait for."""
        for number, (reading, ring) in enumerate(self._readings[first:], first):
            text = self.lines.read(reading, entry.fields, self.maxlength)
            if ring:
                text = ring.add(text, entry.time)
            found = self.searcher.ask(text, self.guard, (), places)
            if found is None:
                continue
            numbers = ring.numbers() if ring else ()
            if isinstance(found, Question):
                self.questions.append(found._replace(lines=numbers, reading=number))
                return None
            return self._hit(found, entry) if _taken(found, ring, numbers) else None
        return None

    def _hit(self, take: Take, entry: Entry) -> Hit:
        regex, groups = take.regex, take.groups
        head, process = self.lines.writer(entry.fields)
        session = _session_key(groups, head, entry)
        if session is None:  # then <F-NOFAIL> has no effect, as in fail2ban
            user = groups.get("user")
            return Hit(regex, groups, (user,) if user else (), None, failed=True)
        known, users, failed = self.sessions.merge(session, groups, entry.time, process)
        return Hit(regex, known, users, session, failed)

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


def _taken(take: Take, ring: Ring | None, numbers: tuple[int, ...]) -> bool:
    """Remove the lines that a match covers, also of one that is to be ignored; say whether it counts."""
    if ring:
        ring.take({numbers[place] for place in take.lines})
    return not take.ignored


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
