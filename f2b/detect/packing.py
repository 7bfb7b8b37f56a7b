"""A net as bytes, so that it need not be made anew at every start, nor in the process that uses it.

Whoever can write the bytes decides what the daemon executes: they are to come from a file that is only ours.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from f2b.detect import lane
from f2b.detect.automaton import Automaton
from f2b.detect.budget import Regex
from f2b.detect.net import Kind, Net, Owner, Watched, watched_alone
from f2b.detect.words import WORDS, Words

_DIGEST = hashlib.sha256().digest_size
_LENGTH = 4


def fingerprint(jails: Iterable[Watched], *machine: str, small: bool) -> str:
    """What tells nets apart: all sources of the regexes in their order, and what turns them into automata."""
    told = [
        [
            jail.name,
            jail.reading.value,
            _source(jail.searcher.prefregex),
            [_source(regex) for regex in jail.searcher.failregexes],
        ]
        for jail in watched_alone(jails)
    ]
    return hashlib.sha256(json.dumps([machine, small, told]).encode()).hexdigest()


def asking(jails: Iterable[Watched], key: str, *, small: bool) -> bytes:
    """What a process is to be told that makes a net. `key` is the fingerprint that the net gets."""
    told = [
        {"name": jail.name, "reading": jail.reading, **lane.described(jail.searcher)}
        for jail in jails
    ]
    return json.dumps({"key": key, "small": small, "jails": told}).encode()


def packed(net: Net, key: str) -> bytes:
    header = json.dumps(
        {
            "key": key,
            "engine": net.engine,
            "owners": {kind.name: owners for kind, owners in net.owners.items()},
            "unfactored": sorted(net.unfactored),
            "signs": net.signs,
            "small": net.small,
        }
    ).encode()
    body = len(header).to_bytes(_LENGTH, "big") + header + net.finder.dumped()
    return hashlib.sha256(body).digest() + body


def unpacked(data: bytes, key: str) -> Net:
    """Raises ValueError for what is damaged, or not the net that has this fingerprint."""
    body = data[_DIGEST:]
    if hashlib.sha256(body).digest() != data[:_DIGEST]:
        raise ValueError("damaged")
    end = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    try:
        header = json.loads(body[_LENGTH:end])
        if header["key"] != key:
            raise ValueError("of other filters, or another machine")
        owners = {
            Kind[name]: tuple(tuple(_owners(each)) for each in table)
            for name, table in header["owners"].items()
        }
        unfactored = frozenset(_owners(header["unfactored"]))
        engine = str(header["engine"])
        finder = (Words if engine == WORDS else Automaton).loaded(body[end:])
        signs = tuple(map(int, header["signs"]))
        return Net(engine, owners, unfactored, finder, signs, bool(header["small"]))
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"damaged: {error!r}") from error


def _owners(pairs: Iterable[Any]) -> Iterable[Owner]:
    return (Owner(jail, place) for jail, place in pairs)


def _source(regex: Regex | None) -> tuple[str, int] | None:
    return (regex.pattern.pattern, regex.pattern.flags) if regex else None
