"""What nf_tables is made of, as netlink messages: tables, chains, rules and sets of family inet.

Knows how the kernel wants things said, not what f2b wants to say. Pure.
The numbers are those of linux/netfilter/nf_tables.h.
"""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from f2b.actions.netlink import (
    APPEND,
    ATTRIBUTE,
    CREATE,
    EXCL,
    Message,
    attribute,
    attributes,
    nest,
    number,
    text,
)
from f2b.addresses import Family, Offender


class Kind(IntEnum):
    """Requests, and the objects that come back under the same numbers."""

    NEWTABLE = 0
    GETTABLE = 1
    DELTABLE = 2
    NEWCHAIN = 3
    GETCHAIN = 4
    DELCHAIN = 5
    NEWRULE = 6
    DELRULE = 8
    NEWSET = 9
    GETSET = 10
    DELSET = 11
    NEWSETELEM = 12
    GETSETELEM = 13
    DELSETELEM = 14
    GETGEN = 16


class SetFlag(IntEnum):
    ANONYMOUS = 0x1
    CONSTANT = 0x2
    INTERVAL = 0x4
    TIMEOUT = 0x10


class SetKind(NamedTuple):
    """What makes two sets of one name the same set."""

    key_type: int  # as nft prints it: 7 ipv4_addr, 8 ipv6_addr, 13 inet_service
    key_size: int
    flags: int
    counted: bool = False


class Hook(NamedTuple):
    """Where a base chain sits."""

    number: int
    priority: int


_KEYS = {Family.INET: (7, 4), Family.INET6: (8, 16)}
_INTERVAL_END = 1


def address_set(family: Family, flags: int, *, counted: bool = False) -> SetKind:
    return SetKind(*_KEYS[family], flags, counted)


class Table:
    """One table by name; its methods make the messages that change what is in it."""

    def __init__(self, name: str) -> None:
        self.named = text(1, name)
        self._anonymous = itertools.count(1)

    def create(self, comment: str) -> Message:
        """Fails if there is one: its mark would not be ours."""
        value = comment.encode() + b"\0"
        userdata = attribute(6, bytes([0, len(value)]) + value)
        return Message(Kind.NEWTABLE, CREATE | EXCL, self.named + userdata)

    def delete(self) -> Message:
        return Message(Kind.DELTABLE, 0, self.named)

    def base_chain(self, name: str, hook: Hook) -> Message:
        place = nest(4, number(1, hook.number), number(2, hook.priority))
        accept = number(5, 1)
        body = self.named + text(3, name) + place + accept + text(7, "filter")
        return Message(Kind.NEWCHAIN, CREATE, body)

    def chain(self, name: str) -> Message:
        return Message(Kind.NEWCHAIN, CREATE, self.named + text(3, name))

    def flush_chain(self, name: str) -> Message:
        return Message(Kind.DELRULE, 0, self.named + text(2, name))

    def delete_chain(self, name: str) -> Message:
        return Message(Kind.DELCHAIN, 0, self.named + text(3, name))

    def rule(self, chain: str, *expressions: bytes) -> Message:
        body = self.named + text(2, chain) + nest(4, *expressions)
        return Message(Kind.NEWRULE, CREATE | APPEND, body)

    def set(self, name: str, kind: SetKind, id_: int = 0) -> Message:
        """`id_` is how a look-up in the same transaction finds a set without a name."""
        body = (
            self.named
            + text(2, name)
            + number(3, kind.flags)
            + number(4, kind.key_type)
            + number(5, kind.key_size)
            + number(10, id_)
        )
        if kind.counted:
            body += nest(17, text(1, "counter"), nest(2))
        return Message(Kind.NEWSET, CREATE, body)

    def delete_set(self, name: str) -> Message:
        return Message(Kind.DELSET, 0, self.named + text(2, name))

    def flush_set(self, name: str) -> Message:
        return Message(Kind.DELSETELEM, 0, self.named + text(2, name))

    def add(self, set_name: str, elements: bytes, id_: int = 0) -> Message:
        body = self.named + text(2, set_name) + _set_id(id_) + nest(3, elements)
        return Message(Kind.NEWSETELEM, CREATE, body)

    def remove(self, set_name: str, elements: bytes) -> Message:
        return Message(Kind.DELSETELEM, 0, self.named + text(2, set_name) + nest(3, elements))

    def among_ports(self, ports: Iterable[int]) -> tuple[list[Message], bytes]:
        """A constant set of ports for one rule, and the expressions that look the packet's up in it."""
        id_ = next(self._anonymous)
        name = "__set%d"
        kind = SetKind(13, 2, SetFlag.ANONYMOUS | SetFlag.CONSTANT)
        elements = b"".join(_element(port.to_bytes(2)) for port in ports)
        made = [self.set(name, kind, id_), self.add(name, elements, id_)]
        return made, _DESTINATION_PORT + lookup(name, id_)


def _expression(name: str, *fields: bytes) -> bytes:
    return nest(1, text(1, name), nest(2, *fields))


def _meta(key: int) -> bytes:
    return _expression("meta", number(1, 1), number(2, key))


def equals(value: bytes) -> bytes:
    return _expression("cmp", number(1, 1), number(2, 0), nest(3, attribute(1, value)))


def _payload(base: int, offset: int, size: int) -> bytes:
    return _expression(
        "payload", number(1, 1), number(2, base), number(3, offset), number(4, size)
    )


def _verdict(code: int, chain: str = "") -> bytes:
    target = text(2, chain) if chain else b""
    return _expression("immediate", number(1, 0), nest(2, nest(2, number(1, code), target)))


DROP = _verdict(0)
RETURN = _verdict(-5)
TCP_RESET = _expression("reject", number(1, 1), attribute(2, b"\0"))
NO_ROUTE, PORT_UNREACHABLE, HOST_UNREACHABLE, ADMIN_PROHIBITED = range(4)
_DESTINATION_PORT = _payload(2, 2, 2)
_SOURCE = {
    Family.INET: _meta(15) + equals(b"\x02") + _payload(1, 12, 4),
    Family.INET6: _meta(15) + equals(b"\x0a") + _payload(1, 8, 16),
}


def reject(reason: int) -> bytes:
    """The kernel says it in ICMP or ICMPv6, as the packet is."""
    return _expression("reject", number(1, 2), attribute(2, bytes([reason])))


def jump(chain: str) -> bytes:
    return _verdict(-3, chain)


def protocol(value: int) -> bytes:
    return _meta(16) + equals(bytes([value]))


def port_range(low: int, high: int) -> bytes:
    if low == high:
        return _DESTINATION_PORT + equals(low.to_bytes(2))
    ends = [nest(3 + at, attribute(1, port.to_bytes(2))) for at, port in enumerate((low, high))]
    return _DESTINATION_PORT + _expression("range", number(1, 1), number(2, 0), *ends)


def lookup(set_name: str, id_: int = 0) -> bytes:
    return _expression("lookup", text(1, set_name), number(2, 1), _set_id(id_))


def _set_id(id_: int) -> bytes:
    # Only where it is meant: if no set has the name, the kernel goes by the id and finds another.
    return number(4, id_) if id_ else b""


def source(family: Family, prefix: int) -> bytes:
    """Load the network of that length around the sender.

    Tests the family first: the kernel would compare an IPv6 sender with the keys of an IPv4 set.
    """
    if prefix == family.bits:
        return _SOURCE[family]
    size = family.bits // 8
    netmask = (((1 << prefix) - 1) << (family.bits - prefix)).to_bytes(size)
    return _SOURCE[family] + _expression(
        "bitwise",
        number(1, 1),
        number(2, 1),
        number(3, size),
        nest(4, attribute(1, netmask)),
        nest(5, attribute(1, bytes(size))),
    )


# nest(1, nest(1, key), attributes 4 and 5: its time, and what is left of it, in ms); in one go: there are many.
_PLAIN = {Family.INET: struct.Struct("=HHHHHH4s"), Family.INET6: struct.Struct("=HHHHHH16s")}
_TIMED = {
    Family.INET: struct.Struct("=HHHHHH4sHH8s"),
    Family.INET6: struct.Struct("=HHHHHH16sHH8s"),
}
_RENEWED = {
    Family.INET: struct.Struct("=HHHHHH4sHH8sHH8s"),
    Family.INET6: struct.Struct("=HHHHHH16sHH8sHH8s"),
}


def timed_elements(family: Family, timeouts: Iterable[tuple[bytes, int]]) -> bytes:
    """Pack keys with their timeouts in milliseconds; 0 is for ever."""
    layout, key = _TIMED[family], 4 + family.bits // 8
    pack, size = layout.pack, layout.size
    return b"".join(
        [
            pack(size, 0x8001, key + 4, 0x8001, key, 1, packed, 12, 4, timeout.to_bytes(8))
            for packed, timeout in timeouts
        ]
    )


def renewed_elements(family: Family, timeouts: Sequence[tuple[bytes, int]]) -> bytes:
    """As timed_elements, for those that may stand there with the same timeout.

    From Linux 6.12 on their end moves, but for the same timeout only if what is left of it is said as well.
    """
    layout, key = _RENEWED[family], 4 + family.bits // 8
    pack, size = layout.pack, layout.size
    ending = [
        pack(size, 0x8001, key + 4, 0x8001, key, 1, packed, 12, 4, left, 12, 5, left)
        for packed, left in ((packed, ms.to_bytes(8)) for packed, ms in timeouts if ms)
    ]
    return b"".join(ending) + timed_elements(family, [each for each in timeouts if not each[1]])


def plain_elements(family: Family, keys: Iterable[bytes]) -> bytes:
    layout, key = _PLAIN[family], 4 + family.bits // 8
    pack, size = layout.pack, layout.size
    return b"".join([pack(size, 0x8001, key + 4, 0x8001, key, 1, packed) for packed in keys])


def only(elements: bytes) -> bytes:
    """Ask for these elements, instead of all."""
    return nest(3, elements)


def counted_element(key: bytes, timeout: int | None, counter: bytes) -> bytes:
    """One element that goes on counting from where another left off (`Element.counter`)."""
    rest = attribute(4, timeout.to_bytes(8)) if timeout is not None else b""
    return nest(1, nest(1, attribute(1, key)), rest, nest(7, counter) if counter else b"")


def intervals(networks: Sequence[Offender]) -> bytes:
    """Pack networks, none of which overlaps another, for a set with the flag INTERVAL."""
    return b"".join(
        _interval(net.packed, _last(net.packed, net.family.bits - net.prefix)) for net in networks
    )


def _last(packed: bytes, host_bits: int) -> bytes:
    return (int.from_bytes(packed) | (1 << host_bits) - 1).to_bytes(len(packed))


def _element(key: bytes, flags: int = 0) -> bytes:
    return nest(1, nest(1, attribute(1, key)), number(3, flags) if flags else b"")


def _interval(first: bytes, last: bytes) -> bytes:
    """The kernel stores the first key and the first one after, which the last network has not."""
    if last == b"\xff" * len(last):
        return _element(first)
    return _element(first) + _element(
        (int.from_bytes(last) + 1).to_bytes(len(last)), _INTERVAL_END
    )


class Element(NamedTuple):
    """One element as the kernel tells it. `left` in seconds, None: for ever."""

    key: bytes
    left: float | None
    counter: bytes
    end: bool = False

    def counted(self) -> tuple[int, int]:
        """Packets and bytes. Read on demand: comparing 100,000 elements needs no counter."""
        return _counted(self.counter)


@lru_cache(maxsize=256)  # most have stopped nothing, and so need no figures of their own
def _counted(counter: bytes) -> tuple[int, int]:
    if not counter:
        return 0, 0
    fields = dict(attributes(dict(attributes(counter))[2]))
    return int.from_bytes(fields[2]), int.from_bytes(fields[1])


def read_elements(body: bytes) -> Iterator[Element]:
    """Read one message of a dump of elements. Without a generator for each: there are a hundred thousand."""
    header = ATTRIBUTE.unpack_from
    for kind, elements in attributes(body):
        if kind != 3:
            continue
        at = 0
        while at < len(elements):
            end = at + header(elements, at)[0]
            inner, key, left, counter, last = at + 4, b"", None, b"", False
            while inner < end:
                length, what = header(elements, inner)
                what &= 0x3FFF
                if what == 1:
                    key = elements[inner + 8 : inner + length]
                elif what == 5:
                    left = int.from_bytes(elements[inner + 4 : inner + length]) / 1000
                elif what == 7:
                    counter = elements[inner + 4 : inner + length]
                elif what == 3:
                    last = bool(elements[inner + 7] & _INTERVAL_END)
                inner += (length + 3) & ~3
            yield Element(key, left, counter, last)
            at = (end + 3) & ~3


def read_intervals(family: Family, elements: Iterable[Element]) -> set[Offender]:
    """The networks that a set with the flag INTERVAL holds, in as few as they can be said in."""
    bits = family.bits
    # Where one ends another may begin.
    ends = sorted((int.from_bytes(each.key), not each.end) for each in elements)
    found = set()
    for at, (first, starts) in enumerate(ends):
        if not starts:
            continue
        low, high = first, ends[at + 1][0] if at + 1 < len(ends) else 1 << bits
        while low < high:
            free = min((low & -low or 1 << bits).bit_length(), (high - low).bit_length()) - 1
            found.add(Offender(family, low.to_bytes(bits // 8), bits - free))
            low += 1 << free
    return found


def read_name(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def read_comment(fields: dict[int, bytes]) -> str:
    """The comment of a table: the first of the values in its user data."""
    data = fields.get(6, b"")
    return read_name(data[2:]) if data[:1] == b"\0" else ""


def read_set(fields: dict[int, bytes]) -> SetKind:
    # The kernel adds one that says "with expressions".
    flags = int.from_bytes(fields.get(3, b"")) & 0xFF
    return SetKind(
        int.from_bytes(fields[4]), int.from_bytes(fields[5]), flags, counted=17 in fields
    )


def read_hook(fields: dict[int, bytes]) -> Hook | None:
    """None for a chain that is only jumped to."""
    if 4 not in fields:
        return None
    hook = dict(attributes(fields[4]))
    return Hook(int.from_bytes(hook[1]), int.from_bytes(hook[2], signed=True))
