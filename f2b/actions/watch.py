"""Hears from the kernel that somebody else touched our table.

A notification is only a reason to look: what is wrong, and what to do about it, is found by comparing the wall with
the ledger. So an overflow of the socket, which loses notifications, is as good a reason as one that names the table.
"""

import errno
import socket
import struct

from f2b.actions.netlink import NETLINK_NETFILTER, SUBSYSTEM, attributes, text, unopened

_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_BUFFER = 1 << 22
_DATAGRAMS = 50  # a storm must not hold up the loop; the descriptor stays readable
_HEADER = struct.Struct("=IHHII")
_GENERIC = 4
_NAMED = frozenset(
    range(15)
)  # tables, chains, rules, sets and elements; their first attribute is the table


class Watch:
    """`own` is the port of the socket that our changes come from: those are no news."""

    def __init__(self, table: str, own: int) -> None:
        self._table = dict(attributes(text(1, table)))[1]
        self._own = own
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            self._socket = socket.socket(socket.AF_NETLINK, flags, NETLINK_NETFILTER)
        except OSError as error:
            raise unopened(error) from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((0, 0))
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        except OSError as error:
            self._socket.close()
            raise unopened(error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def disturbed(self) -> bool:
        """Take what came, and say whether any of it concerns our table."""
        found = False
        for _ in range(_DATAGRAMS):
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True
            else:
                found = found or self._concerns_us(data)
        return found

    def close(self) -> None:
        self._socket.close()

    def _concerns_us(self, data: bytes) -> bool:
        at = 0
        while at < len(data):
            length, kind, _, _, author = _HEADER.unpack_from(data, at)
            if author != self._own and kind >> 8 == SUBSYSTEM and kind & 0xFF in _NAMED:
                body = data[at + _HEADER.size + _GENERIC : at + length]
                if next(attributes(body), (0, b"")) == (1, self._table):
                    return True
            at += (length + 3) & ~3
        return False
