"""The socket to ip_set: makes sets of networks, fills and lists them. Owns no state but the socket.

Packed by hand, as in netlink.py. One set of type hash:net takes addresses and networks of every length, overlapping
ones too. Unlike nf_tables there are no transactions, and times are whole seconds.
"""

import errno
import math
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from f2b.actions.netlink import (
    ACK,
    DUMP,
    NETLINK_NETFILTER,
    REQUEST,
    attribute,
    attributes,
    nest,
    number,
    text,
    unopened,
)
from f2b.addresses import Family, Offender
from f2b.errors import ActionError, NotPermittedError

SUBSYSTEM = 6
CREATE, DESTROY, LIST, ADD, DEL, ASK_PROTOCOL = 2, 3, 7, 9, 10, 1
LONGEST = 2_147_483
"""Seconds. A longer time would be cut without a word."""

_PROTOCOL = attribute(1, b"\x06")  # every kernel since 2.6.39 takes it
_SETNAME, _TYPENAME, _REVISION, _FAMILY, _DATA, _ADT, _LINENO = 2, 3, 4, 5, 7, 8, 9
_IP, _CIDR, _TIMEOUT, _FLAGS, _MAXELEM, _ELEMENT_LINENO = 1, 3, 6, 8, 19, 9
_BYTES, _PACKETS = 24, 25
_COUNTERS = 8
_REVISION_3 = b"\x03"  # hash:net counts since then: Linux 3.10
_BIG_ENDIAN = 0x4000
_PLACES = 1 << 22
_AT_ONCE = 1000  # in a message: a list of attributes holds 65,535 bytes
_WAIT = 10.0
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_GENERIC = 4
_NATIVE = struct.Struct("=i")
_CODES = {
    4097: "the message is malformed",
    4098: "this kernel has no sets of type hash:net",
    4100: "it is in use",
    4352: "the set is full",
}
_MISSING = 4103
_NUMBERS = {Family.INET: socket.AF_INET, Family.INET6: socket.AF_INET6}


class Member(NamedTuple):
    """An element: the seconds left to it (None: for ever), and the packets and bytes that it stopped."""

    left: float | None
    stopped: tuple[int, int]


class SetError(ActionError):
    """The kernel's no; `line` is the element it was about, counted from 1, or 0."""

    def __init__(self, code: int, line: int = 0) -> None:
        self.code, self.line = code, line
        self.why = _CODES.get(code) or (os.strerror(code) if code < 4096 else f"error {code}")
        super().__init__(f"ip_set: {self.why}", retry=True)


class Sets:
    """One netlink socket, for ever in the network namespace of the thread that opened it."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
            )
        except OSError as error:
            if error.errno == errno.EPROTONOSUPPORT:
                raise _no_ip_set() from error
            raise unopened(error) from error
        self._socket.bind((0, 0))
        self._socket.settimeout(_WAIT)
        self._sequence = 0
        try:
            self._ask(ASK_PROTOCOL, b"")
        except SetError as error:
            self.close()
            if error.code in {errno.EINVAL, errno.EOPNOTSUPP}:
                raise _no_ip_set() from error
            raise
        except NotPermittedError:
            self.close()
            raise

    def create(self, name: str, family: Family) -> None:
        """Make the set, if it is not there."""
        body = text(_SETNAME, name) + text(_TYPENAME, "hash:net")
        body += attribute(_REVISION, _REVISION_3) + attribute(_FAMILY, bytes([_NUMBERS[family]]))
        body += nest(
            _DATA,
            number(_TIMEOUT | _BIG_ENDIAN, 0),
            number(_FLAGS | _BIG_ENDIAN, _COUNTERS),
            number(_MAXELEM | _BIG_ENDIAN, _PLACES),
        )
        try:
            self._ask(CREATE, body, family=family)
        except SetError as error:
            if error.code in {errno.EEXIST, _MISSING}:
                raise ActionError(
                    f"the set {name} is there, and of another kind",
                    hint=f"ipset destroy {name}",
                    retry=True,
                ) from error
            raise

    def destroy(self, name: str) -> None:
        """Remove the set; no error when it is not there, or in use by rules of somebody else."""
        try:
            self._ask(DESTROY, text(_SETNAME, name))
        except SetError as error:
            if error.code not in {errno.ENOENT, 4100}:
                raise

    def put(self, name: str, elements: Sequence[tuple[Offender, float | None]]) -> dict[int, str]:
        """Add them with the seconds that are left to each, or move their end; what was refused, by index."""
        return self._change(ADD, name, [_element(each, left) for each, left in elements])

    def remove(self, name: str, offenders: Sequence[Offender]) -> dict[int, str]:
        """Take them out; no error when they are not there."""
        return self._change(DEL, name, [_element(each, None, timed=False) for each in offenders])

    def read(self, name: str, family: Family) -> Iterator[tuple[Offender, Member]]:
        """Whom the set holds."""
        for body in self._ask(LIST, text(_SETNAME, name), DUMP):
            for kind, listed in attributes(body):
                if kind == _ADT:
                    for _, element in attributes(listed):
                        yield _read_element(dict(attributes(element)), family)

    def close(self) -> None:
        self._socket.close()

    def _change(self, command: int, name: str, elements: Sequence[bytes]) -> dict[int, str]:
        refused: dict[int, str] = {}
        at = 0
        while at < len(elements):
            part = elements[at : at + _AT_ONCE]
            numbered = (
                nest(_DATA, element, number(_ELEMENT_LINENO | _BIG_ENDIAN, line))
                for line, element in enumerate(part, 1)
            )
            body = text(_SETNAME, name) + attribute(_LINENO, bytes(4)) + nest(_ADT, *numbered)
            try:
                self._ask(command, body)
            except SetError as error:
                if not 0 < error.line <= len(part):
                    raise
                # Those before it are done; go on behind it.
                at += error.line
                if not (command == DEL and error.code == _MISSING):
                    refused[at - 1] = error.why
            else:
                at += len(part)
        return refused

    def _ask(
        self, command: int, body: bytes, flags: int = ACK, family: Family = Family.INET
    ) -> list[bytes]:
        """The bodies of the answer."""
        self._sequence += 1
        whole = bytes([_NUMBERS[family], 0, 0, 0]) + _PROTOCOL + body
        header = _HEADER.pack(
            _HEADER.size + len(whole), SUBSYSTEM << 8 | command, flags | REQUEST, self._sequence, 0
        )
        found: list[bytes] = []
        try:
            self._socket.send(header + whole)
            while not self._take(self._socket.recv(1 << 18), found):
                pass
        except TimeoutError as error:
            raise ActionError(f"ip_set did not answer within {_WAIT:.0f} s", retry=True) from error
        except OSError as error:
            raise SetError(error.errno or errno.EIO) from error
        return found

    def _take(self, data: bytes, found: list[bytes]) -> bool:
        """Keep what one datagram brings; True when the answer is complete."""
        at = 0
        while at < len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
            payload = data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3
            if sequence != self._sequence:
                continue  # a late answer to a question that was given up
            if kind in {_ERROR, _DONE}:
                if code := -_NATIVE.unpack_from(payload)[0] if len(payload) >= 4 else 0:
                    raise _refusal(code, payload)
                return True
            found.append(payload[_GENERIC:])
        return False


def _no_ip_set() -> ActionError:
    return ActionError("this kernel has no ip_set", hint="modprobe ip_set_hash_net on the host")


def _refusal(code: int, payload: bytes) -> SetError | NotPermittedError:
    if code == errno.EPERM:
        return NotPermittedError(
            "changing the firewall needs the capability CAP_NET_ADMIN",
            hint="run it as root, or start the container with --cap-add=NET_ADMIN",
        )
    # Our own message comes back, with the element's own number, byte for byte, written into it.
    line = dict(attributes(payload[4 + _HEADER.size + _GENERIC :])).get(_LINENO, bytes(4))
    return SetError(code, int.from_bytes(line))


def _element(offender: Offender, left: float | None, *, timed: bool = True) -> bytes:
    version = 1 if offender.family is Family.INET else 2
    data = nest(_IP, attribute(version | _BIG_ENDIAN, offender.packed))
    data += attribute(_CIDR, bytes([offender.prefix]))
    if timed:
        seconds = 0 if left is None else min(LONGEST, max(1, math.ceil(left)))
        data += number(_TIMEOUT | _BIG_ENDIAN, seconds)
    return data


def _read_element(fields: dict[int, bytes], family: Family) -> tuple[Offender, Member]:
    ((_, packed),) = attributes(fields[_IP])
    prefix = fields[_CIDR][0] if _CIDR in fields else family.bits
    left = int.from_bytes(fields.get(_TIMEOUT, b"\0"))
    packets, bytes_ = (int.from_bytes(fields.get(kind, b"\0")) for kind in (_PACKETS, _BYTES))
    return Offender(family, packed, prefix), Member(float(left) or None, (packets, bytes_))
