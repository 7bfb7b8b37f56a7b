"""The host's own addresses and gateways, as rtnetlink tells them: whom f2b must never lock out.

The door to pyroute2, which is imported on first use because it costs 20 MB and 0.1 s. Its classes run
an event loop of their own, which the thread of the daemon's loop does not allow, hence a thread.
"""

import errno
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from f2b.addresses import Offender, parse
from f2b.errors import ActionError

_LOOPBACK_PREFIX = 8
_ADDRESS_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR


def own_addresses() -> tuple[Offender, ...]:
    """All addresses of all interfaces; of 127.0.0.1 the network, all of which is the host."""
    return _read(_own)


def gateways() -> tuple[Offender, ...]:
    """Where the default routes lead."""
    return _read(_gateways)


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


def _read(question: Callable[[Any], list[str]]) -> tuple[Offender, ...]:
    with ThreadPoolExecutor(1) as pool:
        texts = pool.submit(_ask, question).result()
    found = dict.fromkeys(parse(text) for text in texts)
    return tuple(found)


def _ask(question: Callable[[Any], list[str]]) -> list[str]:
    from pyroute2 import IPRoute  # noqa: PLC0415
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        with IPRoute() as route:
            return question(route)
    except (NetlinkError, OSError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ActionError:
    return ActionError(f"cannot read the addresses of this host: {error}", retry=True)


def _own(route: Any) -> list[str]:
    # Of a point-to-point interface IFA_ADDRESS is the other end.
    texts = [str(each.get("local") or each.get("address")) for each in route.get_addr()]
    return [f"{text}/{_LOOPBACK_PREFIX}" if text.startswith("127.") else text for text in texts]


def _gateways(route: Any) -> list[str]:
    found: list[str] = []
    for default in route.get_default_routes():
        for hop in (default, *(default.get("multipath") or ())):
            via = hop.get("via") or {}
            if address := hop.get("gateway") or via.get("addr"):
                found.append(str(address))
    return found
