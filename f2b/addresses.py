"""Addresses and networks as values: parsed once at the edge, compared and hashed as plain tuples below it."""

import re
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

_DOTTED = "%d.%d.%d.%d"  # a third of what ipaddress takes, and every row of a status says one
_MAPPED = bytes(10) + b"\xff\xff"
_new = tuple.__new__


class Family(IntEnum):
    """Address family, numbered as admins say it."""

    INET = 4
    INET6 = 6

    @property
    def bits(self) -> int:
        return 32 if self is Family.INET else 128


_INET, _INET6 = Family  # looked up in an enumeration they take as long as the rest of an address


class Offender(NamedTuple):
    """An address or a network. ``packed`` has its host bits cleared, in network byte order."""

    family: Family
    packed: bytes
    prefix: int

    @property
    def is_host(self) -> bool:
        return self.prefix == self.family.bits

    def masked(self, prefix: int) -> "Offender":
        """The network of that length around it; itself when it is that wide already."""
        if prefix >= self.prefix:
            return self
        return Offender(self.family, mask(self.packed, prefix), prefix)

    def covers(self, other: "Offender") -> bool:
        """Say whether every address of `other` is one of ours."""
        return (
            self.family is other.family
            and self.prefix <= other.prefix
            and mask(other.packed, self.prefix) == self.packed
        )

    def __str__(self) -> str:
        usual = self.family is Family.INET
        address = _DOTTED % tuple(self.packed) if usual else _compressed(self.packed)
        return address if self.is_host else f"{address}/{self.prefix}"


@lru_cache(maxsize=4096)
def _compressed(packed: bytes) -> str:
    return str(IPv6Address(packed))


def mask(packed: bytes, prefix: int) -> bytes:
    """Clear all bits after the first `prefix`."""
    size = len(packed)
    drop = size * 8 - prefix
    if not drop:
        return packed
    return ((int.from_bytes(packed) >> drop) << drop).to_bytes(size)


def parse(text: str) -> Offender:
    """Read an address or a network (``192.0.2.7``, ``[2001:db8::1]``, ``198.51.100.0/24``).

    Host bits of a network are cleared and an IPv4-mapped IPv6 address is its IPv4 address, as in fail2ban.
    Raises ValueError: a number alone, a zone index, leading zeros and host names are no addresses.
    """
    # Nearly all have neither brackets nor a length. A start reads 100,000: so it takes a tenth.
    try:
        if ":" not in text:
            return address(inet_pton(AF_INET, text))
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return _other(text)
    return address(packed if packed[:12] != _MAPPED else packed[12:])


def _other(text: str) -> Offender:
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if text.isdigit() or "%" in text:
        raise ValueError(f"{text!r} is neither an address nor a network")
    ip: IPv4Address | IPv6Address
    if "/" in text:
        interface = ip_interface(text)
        ip, prefix = interface.ip, interface.network.prefixlen
    else:
        # Whoever asks for either has it tried as IPv4 first.
        ip = IPv6Address(text) if ":" in text else ip_address(text)
        prefix = ip.max_prefixlen
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    if mapped is not None and prefix >= 96:
        return _offender(mapped, prefix - 96)
    return _offender(ip, prefix)


def address(packed: bytes) -> Offender:
    """A single address, as the kernel says it."""
    # What the constructor does, in half the time.
    fields = (_INET, packed, 32) if len(packed) == 4 else (_INET6, packed, 128)
    return _new(Offender, fields)


@lru_cache(maxsize=4096)
def parse_host(text: str) -> Offender | None:
    """Read a single address out of a log line; None for anything that is not exactly one address."""
    if "/" in text:
        return None
    try:
        return parse(text)
    except ValueError:
        return None


_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def is_name(text: str) -> bool:
    """Say whether this may be looked up as a host name. What ends in a number is one, badly written, and no name."""
    if len(text) > 253 or not _NAME.fullmatch(text):
        return False
    return not _NUMBER.fullmatch(text.rpartition(".")[2])


def _offender(address: IPv4Address | IPv6Address, prefix: int) -> Offender:
    family = Family.INET if address.version == 4 else Family.INET6
    return Offender(family, mask(address.packed, prefix), prefix)
