"""Jails for a sieve, and the engines that it may have."""

from collections.abc import Iterable

import pytest

from f2b.config.settings import FilterSettings, Located, Reading
from f2b.detect import automaton
from f2b.detect.filter import Filter
from f2b.detect.mesh import woven
from f2b.detect.net import Watched
from f2b.detect.sieve import Sieve
from f2b.journal.match import Match, parse_text
from f2b.journal.sift import Field
from tests.unit.decide.making import HERE, located

ENGINES = ("words", "hyperscan")


def engine(name: str) -> str | None:
    """What woven() is to be told; skips where it is not here."""
    if name == "words":
        return None
    found = automaton.version()
    if found is None:
        pytest.skip("no hyperscan that can be used is here")
    return found


def jail(
    *failregex: str,
    name: str = "test",
    match: str = "_SYSTEMD_UNIT=test.service",
    prefregex: str | None = None,
    reading: Reading = Reading.BUILT,
    maxlines: int = 1,
    maxlength: int = 4096,
) -> Watched:
    settings = FilterSettings(
        name=name,
        failregex=located(*failregex),
        prefregex=Located(prefregex, HERE) if prefregex else None,
        reading=reading,
        maxlines=maxlines,
        maxlength=maxlength,
    )
    return watched(name, Filter(settings), settings, parse_text(match))


def watched(name: str, made: Filter, settings: FilterSettings, match: Match) -> Watched:
    return Watched(name, made.searcher, settings.reading, settings.maxlength, match)


def sieve(jails: Iterable[Watched], engine: str | None = None, *, small: bool = True) -> Sieve:
    """With all that it needs; `engine` as above, `small` for hosts in small letters."""
    jails = tuple(jails)
    return Sieve.over(jails, woven(jails, engine, small=small))


def fields(**values: bytes) -> Field:
    """An entry of a program as any other, with these fields."""
    return {"SYSLOG_IDENTIFIER": b"test", "_PID": b"7", **values}.__getitem__
