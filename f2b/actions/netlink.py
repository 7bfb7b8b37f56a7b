"""The socket to nf_tables: sends a transaction, reads the answer, says in words what went wrong.

Packed by hand. pyroute2's batches hang for ever when the kernel answers their BEGIN message, its
classes cannot be used inside a running loop, and all that they would add to a table, a chain and
a rule is names for numbers. The kernel works a batch off inside send(), which waits for other
writers: call from a worker thread, one at a time.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from f2b.errors import ActionError, F2bError, NotPermittedError

NETLINK_NETFILTER = 12
SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
INET = 1  # NFPROTO_INET

REQUEST, ACK, DUMP_INTR = 0x1, 0x4, 0x10
DUMP, EXCL, CREATE, APPEND = 0x300, 0x200, 0x400, 0x800
_NOOP_SEQUENCE, _ERROR, _DONE, _BEGIN, _END = 0, 2, 3, 0x10, 0x11

TIMEOUT = 10.0
_BUFFER = 1 << 25  # a whole set is sent in one transaction when it must be made anew
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x8000
_NUMBER = struct.Struct("=i")

# Answers that a second look can change: ENOENT and EEXIST mean that somebody changed the ruleset.
WORTH_RETRYING = frozenset(
    {
        errno.EINTR,
        errno.ERESTART,
        errno.EAGAIN,
        errno.EBUSY,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENOENT,
        errno.EEXIST,
    }
)


class Message(NamedTuple):
    """One request of a transaction; `body` is what follows the two headers."""

    kind: int
    flags: int
    body: bytes


class KernelError(ActionError):
    """The kernel's no. `codes` has the error number of every message that it refused.

    Index -1 is the transaction as a whole.
    """

    def __init__(self, codes: Mapping[int, int]) -> None:
        self.codes = codes
        self.index, self.code = next(iter(codes.items()))
        super().__init__(f"nf_tables: {os.strerror(self.code)}", retry=self.code in WORTH_RETRYING)


def attribute(kind: int, data: bytes) -> bytes:
    """Pack one attribute. Too long a one raises: of a wrapped length the kernel stores nothing."""
    return ATTRIBUTE.pack(len(data) + 4, kind) + data + bytes(-len(data) % 4)


def nest(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, (value & 0xFFFFFFFF).to_bytes(4))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, end = 0, len(data)
    while at < end:
        length, kind = ATTRIBUTE.unpack_from(data, at)
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


class Netfilter:
    """One netlink socket, for ever in the network namespace of the thread that opened it."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
            )
        except OSError as error:
            raise unopened(error) from error
        self._socket.bind((0, 0))
        self._socket.settimeout(TIMEOUT)
        for force, ordinary in (
            (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
            (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
        ):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, force, _BUFFER)
            except PermissionError:
                self._socket.setsockopt(socket.SOL_SOCKET, ordinary, _BUFFER)
        self._sequence = 1
        self.commits = 0  # transactions that were carried out

    @property
    def port(self) -> int:
        """The kernel names it as the author in the notifications of our own changes."""
        return int(self._socket.getsockname()[0])

    def commit(self, messages: Sequence[Message]) -> None:
        self.answer(self.post(messages))

    def post(self, messages: Sequence[Message]) -> range:
        """Send one transaction; `answer` takes what comes back."""
        sent = self._numbers(len(messages) + 2)
        # Errors come unasked; success is asked of the last: 5,000 answers overflow the buffer.
        last = len(messages) - 1
        packed = [_pack(_BEGIN, REQUEST, sent[0], b"", 0, SUBSYSTEM)]
        for index, (kind, flags, body) in enumerate(messages):
            wanted = flags | REQUEST | (ACK if index == last else 0)
            packed.append(_pack(SUBSYSTEM << 8 | kind, wanted, sent[index + 1], body))
        packed.append(_pack(_END, REQUEST, sent[-1], b"", 0, SUBSYSTEM))
        self._send(b"".join(packed))
        return sent

    def answer(self, sent: range) -> None:
        """Wait for the verdict. Raises what the kernel refused: then nothing was carried out."""
        codes: dict[int, int] = {}
        while True:
            for kind, _, sequence, payload in self._receive():
                # Numbers outside are late answers to a transaction that was given up.
                if kind != _ERROR or sequence not in sent:
                    continue
                index = sequence - sent[0] - 1
                if code := -_NUMBER.unpack_from(payload)[0]:
                    codes[index] = code
                if sequence == sent[-2] or (code and index == -1):
                    if codes:
                        raise _translated(codes)
                    self.commits += 1
                    return

    def ask(self, kind: int, body: bytes, flags: int = ACK) -> Iterator[bytes]:
        """Yield the body of every object in the answer. To be read to its end."""
        sequence = self._numbers(1)[0]
        self._send(_pack(SUBSYSTEM << 8 | kind, flags | REQUEST, sequence, body))
        while True:
            for answer, marks, number_, payload in self._receive():
                if number_ != sequence:
                    continue
                if marks & DUMP_INTR:
                    raise KernelError({0: errno.EINTR})
                if answer in {_ERROR, _DONE}:
                    code = -_NUMBER.unpack_from(payload)[0]
                    if code:
                        raise _translated({0: code})
                    return
                yield payload[_GENERIC.size :]

    def close(self) -> None:
        self._socket.close()

    def _numbers(self, count: int) -> range:
        first = self._sequence
        self._sequence = (first + count) & 0x3FFFFFFF
        return range(first, first + count)

    def _send(self, packed: bytes) -> None:
        try:
            self._socket.send(packed)
        except OSError as error:
            raise _translated({0: error.errno or errno.EIO}) from error

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError as error:
            raise ActionError(
                f"nf_tables did not answer within {TIMEOUT:.0f} s", retry=True
            ) from error
        except OSError as error:
            raise _translated({0: error.errno or errno.EIO}) from error
        at = 0
        while at < len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
            yield kind, flags, sequence, data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3


def _pack(
    kind: int, flags: int, sequence: int, body: bytes, family: int = INET, resource: int = 0
) -> bytes:
    length = _HEADER.size + _GENERIC.size + len(body)
    return (
        _HEADER.pack(length, kind, flags, sequence, 0) + _GENERIC.pack(family, 0, resource) + body
    )


def _translated(codes: Mapping[int, int]) -> F2bError:
    whole = codes.get(-1)
    if errno.EPERM in codes.values() or whole == errno.EACCES:
        return _not_permitted()
    return no_nf_tables() if whole == errno.EOPNOTSUPP else KernelError(codes)


def unopened(error: OSError) -> F2bError:
    """Why there is no socket to the kernel, in words."""
    if error.errno in {errno.EPERM, errno.EACCES}:
        return _not_permitted()
    if error.errno == errno.EAFNOSUPPORT:
        return ActionError(
            "the sandbox of this process forbids netlink sockets",
            hint="RestrictAddressFamilies= of the unit needs AF_NETLINK",
        )
    if error.errno == errno.EPROTONOSUPPORT:
        return no_nf_tables()
    return ActionError(f"cannot open a netlink socket: {error.strerror}", retry=True)


def _not_permitted() -> NotPermittedError:
    return NotPermittedError(
        "changing the firewall needs the capability CAP_NET_ADMIN",
        hint="run it as root, or start the container with --cap-add=NET_ADMIN",
    )


def no_nf_tables() -> ActionError:
    return ActionError(
        "this kernel has no nf_tables",
        hint="modprobe nf_tables on the host; it needs CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET",
    )
