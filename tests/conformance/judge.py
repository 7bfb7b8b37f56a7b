"""Judges fail2ban's sample lines as its own test does, but with our configuration reader and our engine."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from f2b.addresses import parse_host
from f2b.config.load import load_filter
from f2b.config.settings import FilterSettings, Reading
from f2b.detect import line
from f2b.detect.dates import cut
from f2b.detect.failregex import captured
from f2b.detect.filter import Filter, Hit
from f2b.model import Entry
from tests.conformance.corpus import Sample

NOW = 1124013600.0
NOT_COMPARED = {
    "match", "time", "desc", "constraint",
    "host",  # it is, but not as a group
    "attempts",  # how many lines a failure keeps: none, they stay in the journal
}  # fmt: skip
_SYSLOG = re.compile(
    r"(?:(?P<host>[^\s\[\]]+) )?(?P<ident>[^\s\[\]:]+)(?:\[(?P<pid>\d+)\])?: (?P<message>.*)",
    re.DOTALL,
)

Feed = Callable[[Sample], Entry]


@dataclass
class Verdicts:
    """What came of a suite: how many samples it has, which were judged otherwise, what never matched."""

    samples: int = 0
    unlike: dict[Sample, str] = field(default_factory=dict)
    regexes: set[tuple[str, str]] = field(default_factory=set)
    used: set[tuple[str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.samples - len(self.unlike)} of {self.samples} judged alike"


def dateless(sample: Sample) -> Entry:
    """The line as fail2ban's filters see it in a file."""
    return _raw(cut(sample.line))


def native(sample: Sample) -> Entry:
    """What is written as the journal gives it."""
    text = sample.options.get("test.prefix-line", "") + sample.line
    return _syslog(text) or _raw(text)


def rebuilt(sample: Sample) -> Entry:
    """The entry that journald would make of the line; a line without host and program is all message."""
    text = cut(sample.line)
    return _syslog(text.lstrip()) or _raw(text)


def whole(sample: Sample) -> Entry:
    """The entry of a program that writes its lines as into a file: date and all stand in MESSAGE."""
    return _raw(sample.line)


def _syslog(text: str) -> Entry | None:
    parts = _SYSLOG.fullmatch(text)
    if parts is None or not (parts["host"] or parts["pid"]):
        return None
    named = {
        "_HOSTNAME": parts["host"],
        "SYSLOG_IDENTIFIER": parts["ident"],
        "_PID": parts["pid"],
        "MESSAGE": parts["message"],
    }
    fields: dict[str, bytes | list[bytes]] = {
        name: value.encode() for name, value in named.items() if value
    }
    return Entry(text, NOW, fields) if line.build(fields) == f"{text}\n" else None


def _raw(text: str) -> Entry:
    return Entry(text, NOW, {"MESSAGE": text.encode()})


@dataclass(frozen=True)
class Judge:
    """Feeds every sample to the filter of its options, as `feed` makes an entry of it.

    `logtype` is what fail2ban passes to its filters: file, or journal; a sample may ask for another, if not `forced`.
    `reading` is what a jail would set; without it a filter has the one it is written for.
    """

    directory: Path
    feed: Feed
    logtype: str
    forced: bool = False
    reading: Reading | None = None

    def run(self, samples: Iterable[Sample]) -> Verdicts:
        """The samples of some filters, in order."""
        regexes: dict[tuple[str, str], list[tuple[str, str]]] = {}
        verdicts = Verdicts()
        filters: dict[tuple[str, str], Filter] = {}
        for sample in samples:
            key = sample.filter, sample.instance
            if key not in filters:
                settings = self._settings(sample)
                filters[key] = Filter(settings, raw_names=True)
                regexes[key] = [(sample.filter, regex.text) for regex in settings.failregex]
                verdicts.regexes.update(regexes[key])
            entry = self.feed(sample)
            hit = filters[key].hit(entry)
            verdicts.samples += 1
            if hit:
                verdicts.used.add(regexes[key][hit.regex])
            if problem := _differs(filters[key], sample, entry, hit):
                verdicts.unlike[sample] = problem
        return verdicts

    def _settings(self, sample: Sample) -> FilterSettings:
        logtype = {"logtype": self.logtype}
        asked = sample.parameters
        parameters = {**asked, **logtype} if self.forced else {**logtype, **asked}
        words = ",".join(f"{name}={json.dumps(text)}" for name, text in parameters.items())
        reading = {"reading": self.reading} if self.reading else {}
        return load_filter(self.directory, f"{sample.filter}[{words}]", reading)


def _differs(filter_: Filter, sample: Sample, entry: Entry, hit: Hit | None) -> str:
    """What is not as expected; empty when nothing is."""
    expected = sample.expected
    found = hit if hit and hit.failed and "nofail" not in hit.groups else None
    if found is None:
        return "not found" if expected.get("match") else ""
    if not expected.get("match"):
        return f"found by regex {found.regex}: {found.groups}"
    if (others := _takers(filter_, entry)) > 1:
        return f"found by {others} regexes"
    wrong = [
        f"{name}={found.groups.get(name)!r}"
        for name, text in expected.items()
        if name not in NOT_COMPARED and found.groups.get(name) != text and name != "users"
    ]
    if set(expected.get("users", found.users)) != set(found.users):
        wrong.append(f"users={found.users}")
    host = expected.get("host", "")
    meant = parse_host(host)
    who = _who(filter_, entry, found)
    if host and who != (str(meant) if meant else host):
        wrong.append(f"host={who}")
    return ", ".join(wrong)


def _takers(filter_: Filter, entry: Entry) -> int:
    """How many failregexes make a failure of this line: where they are tried in turn, their order must not matter."""
    ((reading, ring),) = filter_._readings
    if ring:
        return 1  # the first has taken its lines away
    text = line.Lines().read(reading, entry.fields, line.CAP)
    searcher = filter_.searcher
    prefix = searcher._prefix and searcher._prefix.search(text)
    content = captured(prefix).get("content", text) if prefix else text
    matches = [match for regex in searcher.failregexes if (match := regex.search(content))]
    return sum("nofail" not in captured(match) for match in matches)


def _who(filter_: Filter, entry: Entry, hit: Hit) -> str:
    """The address; or else the name or id that stands in its place, which f2b itself does not ban."""
    groups = hit.groups
    failure = filter_.failure(hit, entry)
    if failure is not None:
        return str(failure.address)
    told = groups.get("host") or groups.get("fid") or groups.get("dns") or ""
    return told if parse_host(told) is None else ""
