"""Hears from the kernel that somebody else touched our table, and who it was.

A notification is only a reason to look: what is wrong, and what to do about it, is found by comparing the wall with
the ledger. So an overflow of the socket, which loses notifications, is as good a reason as one that names the table.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from f2b.actions.netlink import (
    NETLINK_NETFILTER,
    SUBSYSTEM,
    Netfilter,
    attributes,
    text,
    unopened,
)
from f2b.actions.nft import Kind, read_elements, read_name

_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _ADD_MEMBERSHIP, _DROP_MEMBERSHIP = 270, 1, 2
_BUFFER = 1 << 22
_DATAGRAMS = 50  # a storm must not hold up the loop; the descriptor stays readable
_HEADER = struct.Struct("=IHHII")
_GENERIC = 4
_NAMED = frozenset(
    range(15)
)  # tables, chains, rules, sets and elements; their first attribute is the table
_END_OF_TRANSACTION = 15


class News(NamedTuple):
    """`removed` names elements by set and key, if nothing but single ones was taken out."""

    who: str
    removed: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class _Transaction:
    """What was heard of one so far. The kernel tells its end, and who made it, last."""

    removed: list[tuple[str, bytes]] = field(default_factory=list)
    more: bool = False

    def hear(self, kind: int, body: bytes) -> None:
        if self.more:
            return
        if kind == Kind.DELSETELEM:
            name = read_name(dict(attributes(body))[2])
            self.removed += [(name, each.key) for each in read_elements(body) if not each.end]
        # Several at a time are a flush, which nobody means as mercy for one.
        self.more = kind != Kind.DELSETELEM or len(self.removed) > 1


@dataclass(slots=True)
class Absence:
    """`others`: somebody else changed the ruleset meanwhile. Known at its end."""

    others: bool = False


class Watch:
    """`own` is the port of the socket that our changes come from: those are no news."""

    def __init__(self, table: str, own: int) -> None:
        self._table = dict(attributes(text(1, table)))[1]
        self._own = own
        self._open: _Transaction | None = None
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            self._socket = socket.socket(socket.AF_NETLINK, flags, NETLINK_NETFILTER)
        except OSError as error:
            raise unopened(error) from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((0, 0))
            self._join()
        except OSError as error:
            self._socket.close()
            raise unopened(error) from error

    @contextmanager
    def away(self, kernel: Netfilter) -> Iterator["Absence"]:
        """Hear nothing while `kernel` writes much: telling us of every element takes a third of its time.

        The number of the ruleset's generation tells whether others wrote meanwhile, to whatever table.
        """
        absence = Absence()
        before = _generation(kernel) - kernel.commits
        self._socket.setsockopt(_SOL_NETLINK, _DROP_MEMBERSHIP, _GROUP)
        try:
            yield absence
        finally:
            self._join()
        absence.others = _generation(kernel) - kernel.commits != before

    def _join(self) -> None:
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)

    def fileno(self) -> int:
        return self._socket.fileno()

    def news(self) -> News | None:
        """Take what came, and say what of it concerns our table."""
        found: list[News] = []
        for _ in range(_DATAGRAMS):
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._open = None
                found.append(News("", ()))
            else:
                found += self._read(data)
        if not found:
            return None
        who = dict.fromkeys(news.who for news in found if news.who)
        single = all(news.removed for news in found)
        removed = tuple(each for news in found for each in news.removed) if single else ()
        return News(" and ".join(who), removed)

    def close(self) -> None:
        self._socket.close()

    def _read(self, data: bytes) -> list[News]:
        found = []
        at = 0
        while at < len(data):
            length, kind, _, _, author = _HEADER.unpack_from(data, at)
            if author != self._own and kind >> 8 == SUBSYSTEM:
                body = data[at + _HEADER.size + _GENERIC : at + length]
                kind &= 0xFF
                if kind in _NAMED and next(attributes(body), (0, b"")) == (1, self._table):
                    self._open = self._open or _Transaction()
                    self._open.hear(kind, body)
                elif kind == _END_OF_TRANSACTION and self._open is not None:
                    transaction, self._open = self._open, None
                    removed = () if transaction.more else tuple(transaction.removed)
                    found.append(News(_culprit(body), removed))
            at += (length + 3) & ~3
        return found


def _generation(kernel: Netfilter) -> int:
    (body,) = kernel.ask(Kind.GETGEN, b"")
    return int.from_bytes(dict(attributes(body))[1])


def _culprit(body: bytes) -> str:
    """The name and number of the process, as the host sees it: in a container it has another number."""
    fields = dict(attributes(body))
    if 3 not in fields:
        return ""
    name = "".join(each if each.isprintable() else "?" for each in read_name(fields[3]))
    return f"{name} (process {int.from_bytes(fields[2])})" if 2 in fields else name
