"""The text that regexes see: one line built from the fields of an entry, as fail2ban's journal backend builds it.

Everything in it may come from an attacker, so it has an upper length.
"""

import re
from collections.abc import Mapping

CAP = 4096
TAIL = 1024
NAME = 256

NUMBER = re.compile(r"0|[1-9][0-9]{0,18}|0[xX][0-9a-fA-F]{1,16}")
MICROSECONDS = re.compile(r"[0-9]{1,19}")

Fields = Mapping[str, bytes | list[bytes]]


def build(fields: Fields, length: int = CAP) -> str:
    r"""``host ident[pid]: message``, ended by a newline; inner newlines become the two characters ``\n``."""
    tokens = []
    if host := text(fields, "_HOSTNAME")[:NAME]:
        tokens.append(host)
    if ident := (text(fields, "SYSLOG_IDENTIFIER") or text(fields, "_COMM"))[:NAME]:
        pid = (text(fields, "SYSLOG_PID") or text(fields, "_PID"))[:NAME]
        tokens.append(f"{ident}[{_number(pid)}]:" if pid else f"{ident}:")
        if tokens[-1] == "kernel:":
            tokens.append(_uptime(fields))
    tokens.append(cap(text(fields, "MESSAGE"), length))
    return " ".join(tokens).replace("\n", "\\n") + "\n"


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


def _number(pid: str) -> str:
    """A number as C writes it is meant as that number; anything else stays."""
    return str(int(pid, 0)) if NUMBER.fullmatch(pid) else pid


def _uptime(fields: Fields) -> str:
    stamp = text(fields, "_SOURCE_MONOTONIC_TIMESTAMP") or text(fields, "__MONOTONIC_TIMESTAMP")
    seconds = int(stamp) / 1e6 if MICROSECONDS.fullmatch(stamp) else 0.0
    return f"[{seconds:12.6f}]"
