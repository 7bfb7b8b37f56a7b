"""The socket to rtnetlink, which knows the host's addresses and routes: sends requests, reads what they are answered.

Packed by hand, as in netlink.py. Owns no state but the socket.
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator

from f2b.actions.netlink import DUMP, DUMP_INTR, REQUEST, unopened
from f2b.addresses import Family
from f2b.errors import ActionError, NotPermittedError

HEADER = struct.Struct("=IHHII")
NUMBER = struct.Struct("=i")
ERROR, DONE = 2, 3
FAMILIES = {Family.INET: socket.AF_INET, Family.INET6: socket.AF_INET6}
ABSENT = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
"""What a kernel says that does not have the family."""
_SOL_NETLINK, _STRICT = 270, 12
_TRIES = 5
_TIMEOUT = 10.0
_BUFFER = 1 << 22
_SO_RCVBUFFORCE = 33

Message = tuple[int, int, int, int, bytes]
"""Kind, flags, sequence, port and body."""


class RtSocket:
    """For ever in the network namespace of the thread that opened it. `close` it."""

    def __init__(self) -> None:
        self._socket = opened(socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_TIMEOUT)
        with contextlib.suppress(OSError):
            # Only what is asked for; older kernels than 5.0 send everything.
            self._socket.setsockopt(_SOL_NETLINK, _STRICT, 1)
        self._sequence = 1

    @property
    def port(self) -> int:
        """The kernel names it as the author in the notifications of our own changes."""
        return int(self._socket.getsockname()[0])

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """The bodies of all that the kernel knows of this kind; nothing of a family that it does not have."""
        for left in reversed(range(_TRIES)):
            try:
                return list(self._dump(kind, body))
            except ActionError as error:
                if not error.retry or not left:
                    raise
        raise AssertionError

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        sequence = self.numbers(1)
        self.post(HEADER.pack(HEADER.size + len(body), kind, REQUEST | DUMP, sequence, 0) + body)
        while True:
            for answer, flags, number, _, payload in self.receive():
                if number != sequence:
                    continue
                if flags & DUMP_INTR:
                    raise ActionError("rtnetlink: it changed while it was read", retry=True)
                if answer in {ERROR, DONE}:
                    code = -NUMBER.unpack_from(payload)[0]
                    if code and code not in ABSENT and code != errno.ENOENT:
                        raise failed(code)
                    return
                yield payload

    def post(self, packed: bytes) -> None:
        try:
            self._socket.send(packed)
        except OSError as error:
            raise _lost(error) from error

    def receive(self) -> Iterator[Message]:
        try:
            data = self._socket.recv(1 << 18)
        except OSError as error:
            raise _lost(error) from error
        return _messages(data)

    def numbers(self, count: int) -> int:
        """The first of so many sequence numbers."""
        first = self._sequence
        self._sequence = (first + count) & 0x3FFFFFFF
        return first

    def close(self) -> None:
        self._socket.close()


def opened(kind: int, groups: int) -> socket.socket:
    """A socket that hears what is told to these groups."""
    found = None
    try:
        found = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        found.bind((0, groups))
    except OSError as error:
        if found is not None:
            found.close()
        raise unopened(error) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return found


def failed(code: int) -> ActionError | NotPermittedError:
    if code in {errno.EPERM, errno.EACCES}:
        return NotPermittedError(
            "changing routes needs the capability CAP_NET_ADMIN",
            hint="run it as root, or start the container with --cap-add=NET_ADMIN",
        )
    return ActionError(f"rtnetlink: {os.strerror(code)}", retry=True)


def _lost(error: OSError) -> ActionError | NotPermittedError:
    code = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno
    return failed(code or errno.EIO)


def _messages(data: bytes) -> Iterator[Message]:
    at = 0
    while at < len(data):
        length, kind, flags, sequence, port = HEADER.unpack_from(data, at)
        yield kind, flags, sequence, port, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3
