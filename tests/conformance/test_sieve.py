"""The sieve against fail2ban's filters and samples: whatever a failregex matches, it has named before.

Asked about are all samples, as they are and in many disguises, and each failregex by itself, since only the first
that matches has a say otherwise.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pytest

from f2b.config.settings import FilterSettings, Reading
from f2b.detect import line
from f2b.detect.budget import Guard
from f2b.detect.filter import Filter
from f2b.detect.lint import lint
from f2b.detect.net import Watched
from f2b.detect.search import Searcher
from f2b.detect.sieve import Sieve
from f2b.journal.match import parse_text
from f2b.model import Marks
from tests.conformance.corpus import Corpus, tree
from tests.conformance.judge import Judge, rebuilt, whole
from tests.support.sieving import ENGINES, engine, sieve, watched

Fields = Mapping[str, bytes | list[bytes]]

WRITER = {"_SYSTEMD_UNIT": b"test.service", "_COMM": b"test", "_PID": b"7"}
MATCH = parse_text("_SYSTEMD_UNIT=test.service _COMM=test")
GUARD = Guard()
OTHERS = 10
"""How many other filters are asked about a line, by chance."""
FOREIGN = (
    ("K", "\u212a"),
    ("k", "\u212a"),
    ("s", "\u017f"),
    ("S", "\u017f"),
    ("i", "\u0131"),
    ("I", "\u0130"),
)


@dataclass
class Jails:
    """Every filter of the corpus with every set of options that its samples have."""

    watched: dict[str, Watched] = field(default_factory=dict)
    samples: list[tuple[str, Fields]] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    """Those with a regex that one wrong letter can keep busy for hours."""

    @cached_property
    def alone(self) -> dict[str, list[Searcher]]:
        """Each failregex as if it were the only one of its filter."""
        return {
            name: [
                Searcher([regex], [], jail.searcher.prefregex, several=False)
                for regex in jail.searcher.failregexes
            ]
            for name, jail in self.watched.items()
            if not jail.searcher.several
        }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    return Corpus(root, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module", params=[Reading.BUILT, Reading.MESSAGE, Reading.BOTH])
def jails(request: pytest.FixtureRequest, corpus: Corpus) -> Jails:
    judge = Judge(corpus.directory, rebuilt, "journal", reading=request.param)
    made = Jails()
    for name in corpus.filters:
        for sample in corpus.samples(name):
            jail = f"{name} {sample.instance}"
            if jail not in made.watched:
                settings = judge._settings(sample)
                looking = Filter(settings, raw_names=True)
                made.watched[jail] = watched(jail, looking, settings, MATCH)
                if explodes(settings):
                    made.slow.add(jail)
            made.samples += [
                (jail, {**feed(sample).fields, **WRITER}) for feed in (rebuilt, whole)
            ]
    return made


def explodes(settings: FilterSettings) -> bool:
    return any("many ways" in problem.text for problem in lint(settings))


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, jails: Jails) -> Sieve:
    return sieve(jails.watched.values(), engine(request.param))


@dataclass
class Count:
    questions: int = 0
    hits: int = 0
    missed: list[tuple[str, int, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)

    def ask(self, jails: Jails, sieve: Sieve, name: str, fields: Fields) -> None:
        """All failregexes of one jail about one entry."""
        marks = candidates(sieve, fields)
        jail = jails.watched[name]
        self.asked[name] += 1
        self.named[name] += name in marks
        for make in line.READINGS[jail.reading]:
            text = line.Lines().read(make, fields, line.CAP)
            for place, searcher in enumerate(jails.alone.get(name, ())):
                self.questions += 1
                if searcher.ask(text, GUARD) is not None:
                    self.hits += 1
                    if not names(marks, name, place):
                        self.missed.append((name, place, text))


def candidates(sieve: Sieve, fields: Fields) -> Marks:
    message = fields["MESSAGE"]
    assert isinstance(message, bytes)
    return sieve.candidates(message, lambda name: single(fields[name]))


def single(value: bytes | list[bytes]) -> bytes:
    assert isinstance(value, bytes)
    return value


def names(marks: Marks, name: str, place: int) -> bool:
    if name not in marks:
        return False
    places = marks[name]
    return places is None or place in places


def disguised(message: bytes, dice: random.Random, other: bytes) -> Iterator[bytes]:
    """The message with what may become of it, or what somebody may do to it."""
    text = message.decode("utf-8", "replace")
    places = sorted(dice.sample(range(len(message) + 1), min(4, len(message) + 1)))
    for place in places:
        before, after = message[:place], message[place:]
        yield before
        yield before + dice.choice([b"\xff", b"\xc3", b"\xe2\x82"]) + after
        yield (
            before
            + dice.choice([b"\0", b"\n", b"\r\n", b"\x1c", b"\x1d", b"\x1e", b"\x1f", b"\x85"])
            + after
        )
        yield before + dice.choice([b" ", b"\t", b"  ", b"\xc2\xa0"]) + after
    yield message.upper()
    yield message.lower()
    letter, foreign = dice.choice(FOREIGN)
    yield text.replace(letter, foreign).encode()
    yield message.replace(b" ", b"\x1c")
    yield message + message
    yield message + b"\n"
    yield message + b" " + other
    yield other + message
    yield message + b" " * line.CAP
    yield message[: len(message) // 2] + b"x" * line.CAP + message[len(message) // 2 :]


def test_what_a_failregex_matches_is_named(jails: Jails, made: Sieve) -> None:
    dice, count = random.Random(1), Count()
    names = list(jails.alone)
    for name, fields in jails.samples:
        for other in {name, *dice.sample(names, OTHERS)}:
            count.ask(jails, made, other, fields)
    assert count.missed == []
    assert count.hits > 1200


def test_so_it_is_in_disguise(jails: Jails, made: Sieve) -> None:
    dice, count = random.Random(2), Count()
    for name, fields in dice.sample(jails.samples, 1500):
        if name in jails.slow:
            continue
        _, other = dice.choice(jails.samples)
        for message in disguised(single(fields["MESSAGE"]), dice, single(other["MESSAGE"])):
            count.ask(jails, made, name, {**fields, "MESSAGE": message})
    assert count.missed == []
    assert count.hits > 3000


def test_who_remembers_every_line_sees_every_line(jails: Jails, made: Sieve) -> None:
    several = [name for name, jail in jails.watched.items() if jail.searcher.several]
    assert several
    for _, fields in jails.samples[::50]:
        marks = candidates(made, fields)
        assert all(marks[name] is None for name in several)


def test_lines_of_others_are_left_out(jails: Jails, made: Sieve) -> None:
    dice, count = random.Random(3), Count()
    for own, fields in jails.samples:
        filters = [name for name in jails.alone if name.split()[0] != own.split()[0]]
        marks = candidates(made, {**fields, "_SYSTEMD_UNIT": b"other.service"})
        for name in dice.sample(filters, 4):
            count.asked[name] += 1
            count.named[name] += name in marks
    assert count.named.total() < count.asked.total() / 8
