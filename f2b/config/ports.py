"""Port and protocol lists: numbers, ranges and service names in, sorted and merged ranges out."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from f2b.config.values import listed, needs

Range = tuple[int, int]

# What stock jails name: these hold also where /etc/services is missing or old, as in containers.
_KNOWN = {
    "ftp": 21, "ftp-data": 20, "ftps": 990, "ftps-data": 989, "ssh": 22, "telnet": 23, "smtp": 25,
    "domain": 53, "http": 80, "pop3": 110, "imap": 143, "imap2": 143, "imap3": 220, "https": 443,
    "smtps": 465, "ssmtp": 465, "submissions": 465, "submission": 587, "ldap": 389, "ldaps": 636,
    "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194, "mysql": 3306, "sieve": 4190,
    "sip": 5060, "sips": 5061, "postgresql": 5432,
}  # fmt: skip
_SERVICES = Path("/etc/services")
_SERVICE = re.compile(r"^([^\s#]+)\s+([0-9]{1,5})/\w+([^#\n]*)", re.MULTILINE)
_ALL = ((0, 65535), (1, 65535))


def ports(text: str) -> tuple[Range, ...]:
    """Read ``smtp,465,6000:6010``. All ports are the empty tuple."""
    ranges = merged(_range(item) for item in listed(text))
    if not ranges:
        raise needs("ports", text, "write numbers, names or ranges, such as ssh,2222,6000:6010")
    return () if ranges[0] in _ALL else ranges


def protocols(text: str) -> tuple[str, ...]:
    """Read ``tcp,udp``. All protocols are the empty tuple."""
    names = sorted({name.lower() for name in listed(text)})
    if "all" in names:
        return ()
    if not names or not set(names) <= {"tcp", "udp"}:
        raise needs("tcp, udp or all", text)
    return tuple(names)


def _range(text: str) -> Range:
    if port := _port(text):
        return port, port
    ends = re.fullmatch(r"(\w+)[:-](\w+)", text)
    first, last = (_port(ends[1]), _port(ends[2])) if ends else (None, None)
    if first is None or last is None:
        raise needs("ports", text, "neither a number up to 65535 nor a name in /etc/services")
    if first > last:
        raise needs("the lower port first", text)
    return first, last


def _port(text: str) -> int | None:
    if re.fullmatch("[0-9]{1,5}", text):
        return int(text) if int(text) <= 65535 else None
    return _KNOWN.get(text.lower()) or _services().get(text.lower())


@cache
def _services() -> dict[str, int]:
    """The names and aliases of /etc/services; of two ports with a name, the first counts."""
    try:
        text = _SERVICES.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[str, int] = {}
    for name, port, aliases in _SERVICE.findall(text):
        for word in (name, *aliases.split()):
            found.setdefault(word.lower(), int(port))
    return found


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, with those that overlap made one, since the kernel refuses overlaps."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
