"""The routing tables: adds, removes and lists routes that lead nowhere. Owns no state but the socket.

There are no transactions: the kernel carries out each request of a datagram by itself, and answers to those that it
refuses.
"""

import errno
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from f2b.actions.netlink import ACK, CREATE, EXCL, REQUEST, attribute, attributes
from f2b.actions.rtsocket import ERROR, FAMILIES, HEADER, NUMBER, RtSocket, failed, opened
from f2b.addresses import Family, Offender

PROTOCOL = 242
"""Who set a route: this number in /etc/iproute2/rt_protos is f2b."""
_GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_NEW, _DEL, _GET = 24, 25, 26
MAIN = 254
_NOWHERE = 255  # RT_SCOPE_*
_UNICAST = 1
_DST, _OIF, GATEWAY, _PRIORITY, MULTIPATH, VIA = 1, 4, 5, 6, 9, 18
ROUTE = struct.Struct("=BBBBBBBBI")
_AT_ONCE = 500  # in a datagram
_SO_ATTACH_FILTER = 26
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
    """The main table, in the network namespace of the thread that opened it."""

    def __init__(self) -> None:
        self._socket = RtSocket()

    @property
    def port(self) -> int:
        return self._socket.port

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
        first = self._socket.numbers(len(changes))
        last = len(changes) - 1
        packed = [
            _request(change, first + index, acknowledge=index == last)
            for index, change in enumerate(changes)
        ]
        self._socket.post(b"".join(packed))
        codes: dict[int, int] = {}
        while True:
            for kind, _, sequence, _, body in self._socket.receive():
                index = sequence - first
                if kind != ERROR or not 0 <= index <= last:
                    continue
                if code := -NUMBER.unpack_from(body)[0]:
                    if code in {errno.EPERM, errno.EACCES} and not _is_off(code, changes[index]):
                        raise failed(code)
                    codes[index] = code
                if index == last:
                    return codes

    def _dump(
        self, family: Family, protocol: int, kind: int
    ) -> Iterator[tuple[Offender, int, int, bool]]:
        body = ROUTE.pack(FAMILIES[family], 0, 0, 0, MAIN, protocol, 0, kind, 0)
        for payload in self._socket.dump(_GET, body):
            if found := _read(payload, family):
                yield found


class Watch:
    """Hears when somebody else removes a route of ours. `own` is the port of the socket that ours come from."""

    def __init__(self, own: int) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = opened(kind, _GROUPS)
        import ctypes  # noqa: PLC0415 - half a MB; only this backend listens

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


def _filter(own: int) -> bytes:
    """A program for the kernel: let through what tells of a removal of ours, and is not by us.

    On a router the routes of others change all the time. It reads numbers in network byte order.
    """
    load2, load1, load4, equal, answer = 0x28, 0x30, 0x20, 0x15, 0x06
    program = (
        (load2, 0, 0, 4), (equal, 0, 5, socket.htons(_DEL)),
        (load1, 0, 0, HEADER.size + 5), (equal, 0, 3, PROTOCOL),
        (load4, 0, 0, 12), (equal, 1, 0, socket.htonl(own)),
        (answer, 0, 0, 0xFFFF), (answer, 0, 0, 0),
    )  # fmt: skip
    return b"".join(struct.pack("=HBBI", *each) for each in program)


def _is_off(code: int, change: Change) -> bool:
    """IPv6 can be turned off on all interfaces; then the kernel denies access, whoever asks."""
    return code == errno.EACCES and change.network.family is Family.INET6


def _request(change: Change, sequence: int, *, acknowledge: bool) -> bytes:
    network = change.network
    flags = REQUEST | (CREATE | EXCL if change.add else 0) | (ACK if acknowledge else 0)
    scope = 0 if change.add else _NOWHERE
    body = ROUTE.pack(
        FAMILIES[network.family], network.prefix, 0, 0, MAIN, PROTOCOL, scope, change.kind, 0
    )
    body += attribute(_DST, network.packed)
    if first := _FIRST[network.family]:
        body += attribute(_PRIORITY, NUMBER.pack(first))
    kind = _NEW if change.add else _DEL
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def _read(payload: bytes, family: Family) -> tuple[Offender, int, int, bool] | None:
    number, prefix, _, _, table, protocol, _, kind, _ = ROUTE.unpack_from(payload)
    if number != FAMILIES[family] or table != MAIN:
        return None
    found = dict(attributes(payload[ROUTE.size :]))
    packed = found.get(_DST, bytes(family.bits // 8))
    direct = _OIF in found and not found.keys() & {GATEWAY, MULTIPATH, VIA}
    return Offender(family, packed, prefix), kind, protocol, direct
