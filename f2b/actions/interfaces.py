"""The host's own addresses and gateways, as rtnetlink tells them: whom f2b must never lock out."""

import errno
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing

from f2b.actions.netlink import attributes
from f2b.actions.rtnetlink import GATEWAY, MAIN, MULTIPATH, ROUTE, VIA
from f2b.actions.rtsocket import FAMILIES, RtSocket
from f2b.addresses import Family, Offender, address
from f2b.errors import ActionError, F2bError

_ADDRESSES, _ROUTES = 22, 26  # RTM_GET*
_ADDRESS = struct.Struct("=BBBBi")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_LOOPBACK_PREFIX = 8
_ADDRESS_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR


def own_addresses() -> tuple[Offender, ...]:
    """All addresses of all interfaces; of 127.0.0.1 the network, all of which is the host."""
    headers = [_ADDRESS.pack(number, 0, 0, 0, 0) for number in FAMILIES.values()]
    return tuple(dict.fromkeys(map(_own, _read(_ADDRESSES, headers))))


def gateways() -> tuple[Offender, ...]:
    """Where the default routes lead."""
    headers = [ROUTE.pack(number, 0, 0, 0, MAIN, 0, 0, 0, 0) for number in FAMILIES.values()]
    routes = _read(_ROUTES, headers)
    return tuple(dict.fromkeys(gateway for route in routes for gateway in _gateways(route)))


class Watch:
    """Tells when addresses come or go. Opened before they are read, so that no change is missed."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )
            self._socket.bind((0, _ADDRESS_GROUPS))
        except OSError as error:
            raise _unreadable(error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> bool:
        """Take what came and say whether it was anything."""
        changed = False
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return changed
            except OSError as error:
                # Notifications were lost, so there were some.
                if error.errno != errno.ENOBUFS:
                    raise
            changed = True

    def close(self) -> None:
        self._socket.close()


def _read(kind: int, headers: Sequence[bytes]) -> list[bytes]:
    try:
        with closing(RtSocket()) as door:
            return [body for header in headers for body in door.dump(kind, header)]
    except (F2bError, OSError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ActionError:
    return ActionError(f"cannot read the addresses of this host: {error}", retry=True)


def _own(body: bytes) -> Offender:
    found = dict(attributes(body[_ADDRESS.size :]))
    # Of a point-to-point interface IFA_ADDRESS is the other end.
    own = address(found.get(_IFA_LOCAL) or found[_IFA_ADDRESS])
    loopback = own.family is Family.INET and own.packed[0] == 127
    return own.masked(_LOOPBACK_PREFIX) if loopback else own


def _gateways(body: bytes) -> Iterator[Offender]:
    """Of a default route: where its hops lead, which may be one, several or of the other family."""
    _, length, _, _, table, *_ = ROUTE.unpack_from(body)
    if length or table != MAIN:
        return
    found = dict(attributes(body[ROUTE.size :]))
    hops = [found, *map(dict, map(attributes, _hops(found.get(MULTIPATH, b""))))]
    for hop in hops:
        if packed := hop.get(GATEWAY) or hop.get(VIA, b"")[2:]:
            yield address(packed)


def _hops(data: bytes) -> Iterator[bytes]:
    """The attributes of each, behind a header of 8 bytes."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 2], sys.byteorder)
        yield data[at + 8 : at + length]
        at += (length + 3) & ~3
