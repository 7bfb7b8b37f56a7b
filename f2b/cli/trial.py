"""A filter on trial: the daemon's own, with a clock at each of its regexes. Owns what `f2b regex` counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from re import Match
from time import perf_counter
from typing import NamedTuple

from f2b.cli.lines import Line
from f2b.config.settings import FilterSettings
from f2b.detect.filter import Filter, Hit
from f2b.model import Entry

EXAMPLES = 3
MISSED = 10


class Verdict(NamedTuple):
    """What became of a line. A `regex` without `matched`: a line that only helps its session, or names nobody."""

    line: Line
    matched: bool = False
    ignored: bool = False
    regex: int | None = None
    host: str | None = None
    groups: dict[str, str] = {}  # noqa: RUF012 - never changed


@dataclass(slots=True, eq=False)
class Clock:
    """One regex: how often it took a line, how long it looked, which line cost it most."""

    kind: str
    text: str
    hits: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_line: int = 0
    found: bool = False
    examples: list[Verdict] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        return round(self.seconds * 1000, 3)


class Trial:
    """Raises FilterError when a regex cannot be used. Host names are told too, although f2b looks none up here."""

    def __init__(self, settings: FilterSettings, *, everything: tuple[bool, bool]) -> None:
        self._all_matched, self._all_missed = everything
        self._filter = Filter(settings, raw_names=True)
        self._several = settings.maxlines > 1
        kinds = [("failregex", text) for text in settings.failregex]
        kinds += [("ignoreregex", text) for text in settings.ignoreregex]
        kinds += [("prefregex", text) for text in (settings.prefregex,) if text]
        self.clocks = [Clock(kind, source.text) for kind, source in kinds]
        self._ignoring = [clock for clock in self.clocks if clock.kind == "ignoreregex"]
        for regex, clock in zip(self._filter.searcher.regexes, self.clocks, strict=True):
            regex.search = self._timed(regex.search, clock)
        self._number = 0
        self.running: Clock | None = None
        """The regex that looks at a line now, or was interrupted while it did."""
        self.lines = self.matched = self.ignored = self.helpers = self.misses = 0
        self.names = 0
        """How many failures name a host or an id instead of an address."""
        self.dates: Counter[str] = Counter()
        self.missed: list[Line] = []
        self.ignored_lines: list[Line] = []

    def judge(self, line: Line) -> Verdict:
        """Let the filter look at the next line, and count."""
        self._number = line.number
        self.lines += 1
        if line.date:
            self.dates[line.date] += 1
        for clock in self.clocks:
            clock.found = False
        hit = self._filter.hit(line.entry)
        if hit is None and line.bare and not self._several and not self._is_ignored():
            hit = self._filter.hit(line.bare)
        if hit is None:
            return self._without(line)
        who = self._who(hit, line.entry) if hit.failed else None
        verdict = Verdict(
            line, matched=who is not None, regex=hit.regex, host=who, groups=hit.groups
        )
        clock = self.clocks[hit.regex]
        clock.hits += 1
        if not verdict.matched:
            self.helpers += 1
            return verdict
        self.matched += 1
        if self._all_matched or len(clock.examples) < EXAMPLES:
            clock.examples.append(verdict)
        return verdict

    def _without(self, line: Line) -> Verdict:
        if not self._is_ignored():
            self.misses += 1
            if self._all_missed or len(self.missed) < MISSED:
                self.missed.append(line)
            return Verdict(line)
        self.ignored += 1
        if len(self.ignored_lines) < EXAMPLES:
            self.ignored_lines.append(line)
        for clock in self._ignoring:
            clock.hits += clock.found
        took = next((number for number, clock in enumerate(self.clocks) if clock.found), None)
        return Verdict(line, ignored=True, regex=took)

    def _is_ignored(self) -> bool:
        return any(clock.found for clock in self._ignoring)

    def _who(self, hit: Hit, entry: Entry) -> str | None:
        """The address; or the id or name in its place. A number is no name."""
        failure = self._filter.failure(hit, entry)
        if failure is not None:
            return str(failure.address)
        name = hit.groups.get("dns", "")
        told = hit.groups.get("fid") or (name if any(map(str.isalpha, name)) else None)
        self.names += told is not None
        return told

    def _timed(
        self, search: Callable[[str], Match[str] | None], clock: Clock
    ) -> Callable[[str], Match[str] | None]:
        def timed(text: str) -> Match[str] | None:
            self.running = clock
            start = perf_counter()
            try:
                match = search(text)
            finally:
                took = perf_counter() - start
                clock.seconds += took
                if took > clock.slowest:
                    clock.slowest, clock.slowest_line = took, self._number
            self.running = None
            clock.found = clock.found or match is not None
            return match

        return timed
