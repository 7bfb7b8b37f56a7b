"""The text that regexes see: one line built from the fields of an entry, as fail2ban's journal backend builds it, or
the line that a program wrote itself and that stands in MESSAGE.

Everything in it may come from an attacker, so it has an upper length.
"""

import re
from collections.abc import Callable, Mapping

from f2b.config.settings import Reading
from f2b.detect import dates

CAP = 4096
TAIL = 1024
NAME = 256

FIELDS = (
    "MESSAGE", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "CONTAINER_ID", "_BOOT_ID", "_COMM", "_HOSTNAME", "_PID",
    "_SYSTEMD_UNIT", "_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP",
)  # fmt: skip
"""All that a filter looks at; what a journalmatch asks for comes to that."""

HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
PLAIN = re.compile(r"[!-~]+")
MICROSECONDS = re.compile(r"[0-9]{1,19}")

Fields = Mapping[str, bytes | list[bytes]]
Make = Callable[[str, Fields, int], str]
"""From the head, the fields and the upper length of the message to a line."""


def build(fields: Fields) -> str:
    r"""``host ident[pid]: message``, ended by a newline; inner newlines become the two characters ``\n``."""
    return Lines().read(built, fields, CAP)


def head(fields: Fields, process: str) -> str:
    """``host ident[pid]:``, which says whose line it is; what is absent is left out."""
    host = text(fields, "_HOSTNAME")[:NAME]
    ident = (text(fields, "SYSLOG_IDENTIFIER") or text(fields, "_COMM"))[:NAME]
    if not ident:
        return host
    program = f"{ident}[{_number(process)}]:" if process else f"{ident}:"
    return f"{host} {program}" if host else program


def pid(fields: Fields) -> str:
    """Whose process it was, as the program says or else journald."""
    said = text(fields, "SYSLOG_PID")[:NAME]
    if PLAIN.fullmatch(said):  # else somebody writes a message there
        return said
    known = text(fields, "_PID")[:NAME]
    return known if PLAIN.fullmatch(known) else ""


def built(head: str, fields: Fields, length: int) -> str:
    """As build, with the head that it has."""
    line = cap(text(fields, "MESSAGE"), length)
    if head.endswith("kernel:") and _is_kernel(fields):
        line = f"{_uptime(fields)} {line}"
    if head:
        line = f"{head} {line}"
    return line.replace("\n", "\\n") + "\n"


def message(head: str, fields: Fields, length: int) -> str:  # noqa: ARG001
    """MESSAGE alone, and without the date in it: what fail2ban's filters see of a line in a file."""
    return dates.cut(cap(text(fields, "MESSAGE"), length)).replace("\n", "\\n") + "\n"


def text(fields: Fields, name: str) -> str:
    """A field's value as text; repeated values joined by blanks, bytes that are no UTF-8 replaced, absent is empty."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, list):
        value = b" ".join(value)
    return value.decode("utf-8", "replace")


def cap(message: str, length: int = CAP) -> str:
    """Keep the head and the last KiB of an over-long message: padding in the middle then hides nothing."""
    if len(message) <= length:
        return message
    return message[: length - TAIL] + message[-TAIL:]


def _is_kernel(fields: Fields) -> bool:
    return (text(fields, "SYSLOG_IDENTIFIER") or text(fields, "_COMM")) == "kernel"


def _number(pid: str) -> str:
    """A number as C writes it is meant as that number; anything else stays."""
    if pid[0] != "0":  # as good as always, and every line comes through here
        return pid
    return str(int(pid, 16)) if HEXADECIMAL.fullmatch(pid) else pid


def _uptime(fields: Fields) -> str:
    stamp = text(fields, "_SOURCE_MONOTONIC_TIMESTAMP") or text(fields, "__MONOTONIC_TIMESTAMP")
    seconds = int(stamp) / 1e6 if MICROSECONDS.fullmatch(stamp) else 0.0
    return f"[{seconds:12.6f}]"


READINGS: Mapping[Reading, tuple[Make, ...]] = {
    Reading.BUILT: (built,),
    Reading.MESSAGE: (message,),
    Reading.BOTH: (built, message),
}
"""In the order in which they are tried; the next only where nothing at all matched."""


class Lines:
    """The lines of the entry at work: filters mostly ask for the same, one after the other, and that is made once."""

    def __init__(self) -> None:
        self._fields: Fields | None = None
        self._head = self._process = ""
        self._made: tuple[Make, int, str] | None = None

    def writer(self, fields: Fields) -> tuple[str, str]:
        """Whose line it is: the head of the line, and the process."""
        if fields is not self._fields:
            self._turn_to(fields)
        return self._head, self._process

    def read(self, make: Make, fields: Fields, length: int) -> str:
        if fields is not self._fields:
            self._turn_to(fields)
        made = self._made
        if made is None or made[0] is not make or made[1] != length:
            made = self._made = make, length, make(self._head, fields, length)
        return made[2]

    def _turn_to(self, fields: Fields) -> None:
        self._process = pid(fields)
        self._head = head(fields, self._process)
        self._fields, self._made = fields, None
