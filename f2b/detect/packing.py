"""A net as bytes, so that its automata need not be made anew at every start.

Whoever can write the bytes decides what the daemon executes: they are to come from a file that is only ours.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from f2b.detect.automaton import Automaton
from f2b.detect.mesh import Kind, Net, Owner, Watched, source, watched_alone

_DIGEST = hashlib.sha256().digest_size
_LENGTH = 4


def fingerprint(jails: Iterable[Watched], *machine: str) -> str:
    """What tells nets apart: all sources of the regexes in their order, and what turns them into automata."""
    told = [
        [
            jail.name,
            jail.filter.reading.value,
            source(jail.filter.searcher.prefregex),
            [source(regex) for regex in jail.filter.searcher.failregexes],
        ]
        for jail in watched_alone(jails)
    ]
    return hashlib.sha256(json.dumps([machine, told]).encode()).hexdigest()


def packed(net: Net, key: str) -> bytes:
    """ValueError for a net without automata, which is as quickly made as read."""
    if net.automaton is None:
        raise ValueError("no automaton to keep")
    header = json.dumps(
        {
            "key": key,
            "engine": net.engine,
            "owners": {kind.name: owners for kind, owners in net.owners.items()},
            "unfactored": sorted(net.unfactored),
        }
    ).encode()
    body = len(header).to_bytes(_LENGTH, "big") + header + net.automaton.dumped()
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
        made = Automaton.loaded(body[end:])
        return Net(header["engine"], owners, unfactored, made.scan, made)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"damaged: {error!r}") from error


def _owners(pairs: Iterable[Any]) -> Iterable[Owner]:
    return (Owner(jail, place) for jail, place in pairs)
