"""A net: what finds in a text the factors of all filters together, and whose they are."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from f2b.config.settings import Reading
from f2b.detect.search import Searcher
from f2b.journal.match import Match

Ids = tuple[int, ...]
NONE: Ids = ()
Search = Callable[[bytes, Callable[..., object]], object]
"""Calls back with the number of each factor that occurs in a text, and with what else it likes."""


class Finder(Protocol):
    """An engine with the factors that it looks for."""

    @property
    def search(self) -> Search: ...

    def dumped(self) -> bytes:
        """What it can be made of again."""


class Kind(Enum):
    """The texts that regexes see of a message."""

    BUILT = "it stands behind a head"
    MESSAGE = "it stands alone, without its date"


KINDS: Mapping[Reading, tuple[Kind, ...]] = {
    Reading.BUILT: (Kind.BUILT,),
    Reading.MESSAGE: (Kind.MESSAGE,),
    Reading.BOTH: (Kind.BUILT, Kind.MESSAGE),
}


class Watched(NamedTuple):
    """A jail: what its filter looks for, in which texts of which entries, and how long a message may be there."""

    name: str
    searcher: Searcher
    reading: Reading
    maxlength: int
    match: Match


class Owner(NamedTuple):
    """A failregex, by its jail and its place there."""

    jail: str
    place: int


Owners = tuple[tuple[Owner, ...], ...]
"""Whose a factor is, by its number: equal ones are one with several owners."""


@dataclass(frozen=True, slots=True)
class Net:
    """What finds the factors in a text, whose they are where it is of a kind; and who falls through.

    That is every failregex without a factor that tells enough. `signs` are the numbers under which signs of a date are
    found, where a date matters and the engine looks for its signs as well. `small`: it is for hosts that have no
    capital letter in their names.
    """

    engine: str
    owners: Mapping[Kind, Owners]
    unfactored: frozenset[Owner]
    finder: Finder = field(compare=False)
    signs: tuple[int, ...] = ()
    small: bool = False


def scanned(finder: Finder, text: bytes) -> Ids:
    """The numbers of the factors that occur in a text, in ascending order."""
    found: set[int] = set()
    finder.search(text, lambda number, *_: found.add(number))
    return tuple(sorted(found))


def watched_alone(jails: Iterable[Watched]) -> Iterator[Watched]:
    """The jails whose filters look at each line alone: the others remember every line."""
    return (jail for jail in jails if not jail.searcher.several)
