"""A net as bytes, so that its automata need not be made anew at every start.

Whoever can write the bytes decides what the daemon executes: they are to come from a file that is only ours.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from f2b.detect.automaton import Automaton
from f2b.detect.mesh import Kind, Mesh, Net, Owner, Watched, source, watched_alone

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
    meshes, dumps = [], []
    for kind, mesh in net.meshes.items():
        if mesh.automaton is None:
            raise ValueError("no automaton to keep")
        dumps.append(mesh.automaton.dumped())
        meshes.append({"kind": kind.name, "owners": mesh.owners, "size": len(dumps[-1])})
    header = json.dumps(
        {
            "key": key,
            "engine": net.engine,
            "unfactored": sorted(net.unfactored),
            "meshes": meshes,
        }
    ).encode()
    body = len(header).to_bytes(_LENGTH, "big") + header + b"".join(dumps)
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
        return Net(
            header["engine"],
            _meshes(header["meshes"], body[end:]),
            frozenset(_owners(header["unfactored"])),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"damaged: {error!r}") from error


def _meshes(headers: Iterable[Any], dumps: bytes) -> Mapping[Kind, Mesh]:
    meshes: dict[Kind, Mesh] = {}
    for header in headers:
        size = header["size"]
        made = Automaton.loaded(dumps[:size])
        dumps = dumps[size:]
        owners = tuple(tuple(_owners(each)) for each in header["owners"])
        meshes[Kind[header["kind"]]] = Mesh(owners, made.scan, made)
    return meshes


def _owners(pairs: Iterable[Any]) -> Iterable[Owner]:
    return (Owner(jail, place) for jail, place in pairs)
