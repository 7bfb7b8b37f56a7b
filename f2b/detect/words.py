"""All factors by words that they need: for machines without hyperscan.

Most regexes take only lines that have some word, or one of a few. A message is cut into its words, and looked up is
whether any of them is such a word: that costs the same for however many regexes. A word is a run of letters and
digits of ASCII in whatever case, and is needed only where it is sure to be whole.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple, Self

from f2b.detect.factor import blank_at_end
from f2b.detect.net import Search
from f2b.detect.shape import Chars, Edge, Either, Loop, Row, Shape
from f2b.detect.symbols import BEYOND

WORDS = "words"
Clause = frozenset[str]
"""Of these words a line needs one."""
Texts = frozenset[str]
"""What a part can be, in small letters; a blank stands for everything that is in no word."""

MOST_TEXTS = 48
MOST_WORDS = 32
SHORTEST = 2

_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_FOLDED = [
    char if (char := chr(code).lower()) in _ALNUM and code < BEYOND else " " for code in range(256)
]
_TABLE = "".join(_FOLDED).encode()
# What every other line of a log has: a clause of other words says more.
_COMMON = frozenset({
    "and", "authentication", "by", "client", "closed", "connect", "connection", "disconnect", "disconnected",
    "error", "failed", "failure", "for", "from", "host", "in", "info", "invalid", "ip", "is", "login", "not",
    "of", "on", "password", "port", "rhost", "session", "ssh", "ssh2", "the", "to", "unknown", "user", "with",
})  # fmt: skip
_UNKNOWN = "?"
"""What may go on in the same word."""


class _Part(NamedTuple):
    """All texts that it can be, or where these are too many, what clauses it has."""

    texts: Texts | None
    clauses: tuple[Clause, ...] = ()
    closes: bool = False
    """Whether it ends with a blank, if it is there at all."""


_ANY = _Part(None)
_BETWEEN = _Part(frozenset({" "}))


def clauses(factor: Row) -> tuple[Clause, ...]:
    """What every line needs that has the factor, the clause that says most first; none if nothing is sure."""
    return _surrounded(_part(factor)).clauses


class Words:
    """Finds which of its factors may occur in a text, given the clauses of each."""

    def __init__(self, needs: Sequence[Sequence[Clause]]) -> None:
        self._needs = needs
        self.search = _searcher([[_encoded(clause) for clause in each] for each in needs])

    @classmethod
    def loaded(cls, dump: bytes) -> Self:
        """What `dumped` gave."""
        return cls([[frozenset(clause) for clause in each] for each in json.loads(dump)])

    def __reduce__(self) -> tuple[type[Self], tuple[object]]:
        return type(self), (self._needs,)

    def dumped(self) -> bytes:
        return json.dumps([[sorted(clause) for clause in each] for each in self._needs]).encode()


def _searcher(needs: Sequence[Sequence[frozenset[bytes]]]) -> Search:
    owners: dict[bytes, list[int]] = {}
    for number, each in enumerate(needs):
        for word in each[0]:
            owners.setdefault(word, []).append(number)
    rest = {number: each[1:] for number, each in enumerate(needs)}
    nowhere, table = frozenset(owners).isdisjoint, _TABLE

    def search(text: bytes, found: Callable[..., object]) -> None:
        words = text.translate(table).split()
        if not nowhere(words):
            for number in _with_all(owners, rest, frozenset(words)):
                found(number)

    return search


def _with_all(
    owners: Mapping[bytes, Sequence[int]],
    rest: Mapping[int, Sequence[frozenset[bytes]]],
    words: frozenset[bytes],
) -> Iterator[int]:
    numbers = {number for word in words for number in owners.get(word, ())}
    return (n for n in numbers if not any(clause.isdisjoint(words) for clause in rest[n]))


def _encoded(clause: Clause) -> frozenset[bytes]:
    return frozenset(word.encode() for word in clause)


def _part(node: Shape) -> _Part:
    return _made(node)._replace(closes=blank_at_end(node))


def _made(node: Shape) -> _Part:
    match node:
        case Edge():
            return _BETWEEN
        case Chars(mask):
            folded = frozenset(_FOLDED[code] for code in range(BEYOND + 1) if mask >> code & 1)
            return _Part(folded) if 0 < len(folded) <= MOST_TEXTS // 8 else _ANY
        case Row(items):
            return _row(map(_part, items))
        case Either(options):
            return _either([_part(option) for option in options])
        case Loop(rounds, most, body):
            return _loop(rounds, most, _part(body))
        case _:
            return _ANY


def _loop(rounds: int, most: int | None, body: _Part) -> _Part:
    if body.texts and (most == 1 or body == _BETWEEN):
        return body if rounds else _Part(body.texts | {""})
    return _surrounded(body) if rounds else _ANY


def _either(options: Sequence[_Part]) -> _Part:
    texts = [option.texts for option in options if option.texts]
    if len(texts) == len(options) and sum(map(len, texts)) <= MOST_TEXTS:
        return _Part(frozenset().union(*texts))
    best = [_surrounded(option).clauses[:1] for option in options]
    return _Part(None, _one_of_each(best))


def _surrounded(part: _Part) -> _Part:
    """The part somewhere in a text: its words are sure only where it says itself that they end."""
    return _row((_ANY, part, _ANY))


def _row(parts: Iterable[_Part]) -> _Part:
    """One after the other. Runs of parts whose texts are known are put together, and words found in them."""
    run: Texts = frozenset({""})
    found: list[Clause] = []
    known = True
    for part in parts:
        longer = _joined(run, part.texts) if part.texts else None
        if longer is None:
            known = False
            found += _in_run(run)
            found += part.clauses
            # What is known begins anew, behind something that is not; but behind a blank words are whole.
            blank = all(text.endswith(" ") for text in run) and (part.closes or part.texts)
            run = part.texts or frozenset({""})
            if blank:
                run = frozenset(f" {text.removeprefix(' ')}" for text in run)
        else:
            run = longer
    if known:
        return _Part(run)
    found += _in_run(run)
    return _Part(None, tuple(sorted(dict.fromkeys(found), key=_worth, reverse=True)))


def _joined(befores: Texts, afters: Texts) -> Texts | None:
    """Every text of the ones with every text of the others behind it; None if they become too many."""
    if len(befores) * len(afters) > MOST_TEXTS:
        return None
    return frozenset(
        before + (after[1:] if before.endswith(" ") and after.startswith(" ") else after)
        for before in befores
        for after in afters
    )


def _in_run(texts: Texts) -> Iterable[Clause]:
    """The clauses of a part that is one of these texts, around which nothing is known."""
    words = [
        {
            word
            for word in f"{_UNKNOWN}{text}{_UNKNOWN}".split()
            if _UNKNOWN not in word and len(word) >= SHORTEST
        }
        for text in texts
    ]
    shared = reduce(set.intersection, words)
    yield from (frozenset({word}) for word in sorted(shared))
    if not shared:
        yield from _one_of_each(
            [sorted((frozenset({w}) for w in each), key=_worth)[-1:] for each in words]
        )


def _one_of_each(best: Sequence[Sequence[Clause]]) -> tuple[Clause, ...]:
    """Of alternatives, the clause that one of their clauses holds; none if one has none."""
    whole: Clause = frozenset().union(*(each[0] for each in best if each))
    return (whole,) if all(best) and len(whole) <= MOST_WORDS else ()


def _worth(clause: Clause) -> tuple[float, list[str]]:
    """How much it says that a line has it: long words are rare. The words themselves, so that it is always the same."""
    shortest = min(1 if word in _COMMON else len(word) for word in clause)
    return shortest - len(clause) / 8, sorted(clause)
