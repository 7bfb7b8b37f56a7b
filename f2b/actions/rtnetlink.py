"""The socket to the routing tables: adds, removes and lists routes that lead nowhere. Owns no state but the socket.

Packed by hand, as in netlink.py. There are no transactions: the kernel carries out each request of a datagram by
itself, and answers to those that it refuses.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from f2b.actions.netlink import (
    ACK,
    CREATE,
    DUMP,
    DUMP_INTR,
    EXCL,
    REQUEST,
    attribute,
    attributes,
    unopened,
)
from f2b.addresses import Family, Offender
from f2b.errors import ActionError, NotPermittedError

PROTOCOL = 242
"""Who set a route: this number in /etc/iproute2/rt_protos is f2b."""
_GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_NEW, _DEL, _GET = 24, 25, 26
_ERROR, _DONE = 2, 3
_MAIN = 254
_NOWHERE = 255  # RT_SCOPE_*
_UNICAST = 1
_DST, _OIF, _GATEWAY, _PRIORITY, _MULTIPATH, _VIA = 1, 4, 5, 6, 9, 18
_SOL_NETLINK, _STRICT = 270, 12
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NATIVE = struct.Struct("=i")
_AT_ONCE = 500  # in a datagram
_TRIES = 5
_TIMEOUT = 10.0
_BUFFER = 1 << 22
_SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 33, 26
_NUMBERS = {Family.INET: socket.AF_INET, Family.INET6: socket.AF_INET6}
# The kernel takes the route with the lowest of those to the same network; IPv4's lowest is 0, IPv6's is 1.
_FIRST = {Family.INET: 0, Family.INET6: 1}


class Kind(IntEnum):
    """What becomes of a packet to such a route: nothing, or an answer with a reason."""

    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8


class Change(NamedTuple):
    """Add the route, or remove it."""

    add: bool
    kind: Kind
    network: Offender


class Routes:
    """One netlink socket, for ever in the network namespace of the thread that opened it."""

    def __init__(self) -> None:
        self._socket = _opened(socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_TIMEOUT)
        with contextlib.suppress(OSError):
            # Only the routes that are asked for; older kernels than 5.0 send them all.
            self._socket.setsockopt(_SOL_NETLINK, _STRICT, 1)
        self._sequence = 1

    @property
    def port(self) -> int:
        """The kernel names it as the author in the notifications of our own changes."""
        return int(self._socket.getsockname()[0])

    def change(self, changes: Sequence[Change]) -> dict[int, int]:
        """Carry them out in their order; the error number of each that the kernel refused."""
        codes: dict[int, int] = {}
        for at in range(0, len(changes), _AT_ONCE):
            part = changes[at : at + _AT_ONCE]
            codes |= {at + index: code for index, code in self._send(part).items()}
        return codes

    def ours(self, family: Family) -> Mapping[Offender, Kind]:
        """The routes that f2b has set; none where the kernel does not have that family."""
        return {
            network: Kind(kind)
            for network, kind, protocol, _ in self._dump(family, PROTOCOL, 0)
            if protocol == PROTOCOL and kind in {*Kind}
        }

    def on_link(self, family: Family) -> set[Offender]:
        """The networks that a cable of this machine leads to."""
        return {
            network
            for network, kind, protocol, direct in self._dump(family, 0, _UNICAST)
            if direct and kind == _UNICAST and protocol != PROTOCOL
        }

    def close(self) -> None:
        self._socket.close()

    def _send(self, changes: Sequence[Change]) -> dict[int, int]:
        first = self._numbers(len(changes))
        last = len(changes) - 1
        packed = [
            _request(change, first + index, acknowledge=index == last)
            for index, change in enumerate(changes)
        ]
        self._post(b"".join(packed))
        codes: dict[int, int] = {}
        while True:
            for kind, _, sequence, _, body in self._receive():
                index = sequence - first
                if kind != _ERROR or not 0 <= index <= last:
                    continue
                if code := -_NATIVE.unpack_from(body)[0]:
                    if code in {errno.EPERM, errno.EACCES} and not _is_off(code, changes[index]):
                        raise _failed(code)
                    codes[index] = code
                if index == last:
                    return codes

    def _dump(
        self, family: Family, protocol: int, kind: int
    ) -> Iterator[tuple[Offender, int, int, bool]]:
        for left in reversed(range(_TRIES)):
            try:
                return iter(list(self._dumped(family, protocol, kind)))
            except ActionError as error:
                if not error.retry or not left:
                    raise
        raise AssertionError

    def _dumped(
        self, family: Family, protocol: int, wanted: int
    ) -> Iterator[tuple[Offender, int, int, bool]]:
        sequence = self._numbers(1)
        body = _ROUTE.pack(_NUMBERS[family], 0, 0, 0, _MAIN, protocol, 0, wanted, 0)
        size = _HEADER.size + len(body)
        self._post(_HEADER.pack(size, _GET, REQUEST | DUMP, sequence, 0) + body)
        while True:
            for kind, flags, number, _, payload in self._receive():
                if number != sequence:
                    continue
                if flags & DUMP_INTR:
                    raise ActionError("the routes changed while they were read", retry=True)
                if kind in {_ERROR, _DONE}:
                    code = -_NATIVE.unpack_from(payload)[0]
                    if code and code not in ABSENT and code != errno.ENOENT:
                        raise _failed(code)
                    return
                if found := _read(payload, family):
                    yield found

    def _post(self, packed: bytes) -> None:
        try:
            self._socket.send(packed)
        except OSError as error:
            raise _lost(error) from error

    def _receive(self) -> Iterator[tuple[int, int, int, int, bytes]]:
        try:
            data = self._socket.recv(1 << 18)
        except OSError as error:
            raise _lost(error) from error
        return _messages(data)

    def _numbers(self, count: int) -> int:
        first = self._sequence
        self._sequence = (first + count) & 0x3FFFFFFF
        return first


class Watch:
    """Hears when somebody else removes a route of ours. `own` is the port of the socket that ours come from."""

    def __init__(self, own: int) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = _opened(kind, _GROUPS)
        program = ctypes.create_string_buffer(_filter(own))
        size = len(program) // 8
        pointer = struct.pack("HP", size, ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)

    def fileno(self) -> int:
        return self._socket.fileno()

    def heard(self, most: int = 100) -> bool:
        """Say whether it was anything. Never waits."""
        heard = False
        for _ in range(most):
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                # Notifications were lost, so there were some.
                if error.errno != errno.ENOBUFS:
                    raise
            heard = True
        return heard

    def close(self) -> None:
        self._socket.close()


def _opened(kind: int, groups: int) -> socket.socket:
    opened = None
    try:
        opened = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        opened.bind((0, groups))
    except OSError as error:
        if opened is not None:
            opened.close()
        raise unopened(error) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return opened


def _filter(own: int) -> bytes:
    """A program for the kernel: let through what tells of a removal of ours, and is not by us.

    On a router the routes of others change all the time. It reads numbers in network byte order.
    """
    load2, load1, load4, equal, answer = 0x28, 0x30, 0x20, 0x15, 0x06
    program = (
        (load2, 0, 0, 4), (equal, 0, 5, socket.htons(_DEL)),
        (load1, 0, 0, _HEADER.size + 5), (equal, 0, 3, PROTOCOL),
        (load4, 0, 0, 12), (equal, 1, 0, socket.htonl(own)),
        (answer, 0, 0, 0xFFFF), (answer, 0, 0, 0),
    )  # fmt: skip
    return b"".join(struct.pack("=HBBI", *each) for each in program)


ABSENT = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
"""What a kernel says that does not have the family."""


def _is_off(code: int, change: Change) -> bool:
    """IPv6 can be turned off on all interfaces; then the kernel denies access, whoever asks."""
    return code == errno.EACCES and change.network.family is Family.INET6


def _request(change: Change, sequence: int, *, acknowledge: bool) -> bytes:
    network = change.network
    flags = REQUEST | (CREATE | EXCL if change.add else 0) | (ACK if acknowledge else 0)
    scope = 0 if change.add else _NOWHERE
    body = _ROUTE.pack(
        _NUMBERS[network.family], network.prefix, 0, 0, _MAIN, PROTOCOL, scope, change.kind, 0
    )
    body += attribute(_DST, network.packed)
    if first := _FIRST[network.family]:
        body += attribute(_PRIORITY, _NATIVE.pack(first))
    kind = _NEW if change.add else _DEL
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def _messages(data: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    at = 0
    while at < len(data):
        length, kind, flags, sequence, port = _HEADER.unpack_from(data, at)
        yield kind, flags, sequence, port, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _read(payload: bytes, family: Family) -> tuple[Offender, int, int, bool] | None:
    number, prefix, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(payload)
    if number != _NUMBERS[family] or table != _MAIN:
        return None
    found = dict(attributes(payload[_ROUTE.size :]))
    packed = found.get(_DST, bytes(family.bits // 8))
    direct = _OIF in found and not found.keys() & {_GATEWAY, _MULTIPATH, _VIA}
    return Offender(family, packed, prefix), kind, protocol, direct


def _lost(error: OSError) -> ActionError | NotPermittedError:
    code = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno
    return _failed(code or errno.EIO)


def _failed(code: int) -> ActionError | NotPermittedError:
    if code in {errno.EPERM, errno.EACCES}:
        return NotPermittedError(
            "changing routes needs the capability CAP_NET_ADMIN",
            hint="run it as root, or start the container with --cap-add=NET_ADMIN",
        )
    return ActionError(f"routes: {os.strerror(code)}", retry=True)
