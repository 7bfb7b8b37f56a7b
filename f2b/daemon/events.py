"""What the daemon says of itself: to the journal with fields, or to stderr where there is no journal to write to.

Owns the log socket. It never blocks: lines that journald cannot take at once wait for it, beyond MOST_WAITING they are
dropped and counted, and of what an attacker can cause (Found lines) only so many a second are written.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from f2b.model import Ban, Banned, Decision, Found, Lifted, Prolonged, Reason

JOURNAL = Path("/run/systemd/journal/socket")
FOUND_PER_SECOND = 200
GOODBYE = 0.5
MOST_WAITING = 20_000
"""Lines that wait for journald: its socket holds 512 of them (10 where nobody raised net.unix.max_dgram_qlen)."""

MESSAGE_IDS = {
    "found": "9a7f6c0f7f0e4d0c8e0a3a9a5f2f1b01",
    "ban": "9a7f6c0f7f0e4d0c8e0a3a9a5f2f1b02",
    "unban": "9a7f6c0f7f0e4d0c8e0a3a9a5f2f1b03",
    "prolong": "9a7f6c0f7f0e4d0c8e0a3a9a5f2f1b04",
    "quarantine": "8daa4692f7e4499585bf88a127ee35d5",
}


class Level(IntEnum):
    """syslog's priorities."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


class Events:
    """The daemon's log. `target` is auto, journal or stderr; `threshold` the least important level written."""

    def __init__(self, target: str, threshold: Level, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.threshold = threshold
        self._socket = _journal_socket(target)
        self._waiting: deque[bytes] = deque()
        self._second = 0
        self._found = 0
        self.dropped = 0

    def decided(self, decision: Decision) -> None:
        """Log a decision, in fail2ban's words."""
        match decision:
            case Found(jail, _, failure):
                if self._budget():
                    fields = {"F2B_FAILURE_CURSOR": failure.cursor}
                    self._event(
                        "found",
                        Level.INFO,
                        jail,
                        f"Found {failure.address}",
                        str(failure.address),
                        fields,
                    )
            case Banned(ban, enforce):
                text = (
                    f"Ban {ban.offender}"
                    if enforce
                    else f"Ban {ban.offender} (over by now, not enforced)"
                )
                self._ban("ban", ban, text)
            case Prolonged(ban) if self._budget():
                self._ban(
                    "prolong",
                    ban,
                    f"Prolong {ban.offender} until {_clock_text(ban.until)}",
                    Level.INFO,
                )
            case Lifted(ban, reason):
                text = f"Unban {ban.offender}"
                self._ban("unban", ban, text if reason is Reason.EXPIRED else f"{text} ({reason})")
            case _:
                pass

    def quarantined(self, jail: str, text: str, place: str) -> None:
        """Warn of a regex; `place` is where it is written."""
        fields = {
            "F2B_EVENT": "quarantine",
            "F2B_JAIL": jail,
            "F2B_REGEX": place,
            "MESSAGE_ID": MESSAGE_IDS["quarantine"],
        }
        self.write(Level.WARNING, f"[{jail}] {text}", fields)

    def error(self, text: str) -> None:
        self.write(Level.ERROR, text)

    def warning(self, text: str) -> None:
        self.write(Level.WARNING, text)

    def notice(self, text: str) -> None:
        self.write(Level.NOTICE, text)

    def info(self, text: str) -> None:
        self.write(Level.INFO, text)

    def write(self, level: Level, text: str, fields: Mapping[str, str] | None = None) -> None:
        if level > self.threshold:
            return
        if self._socket is None:
            stamp = (
                datetime.fromtimestamp(self._clock(), UTC)
                .astimezone()
                .strftime("%Y-%m-%d %H:%M:%S")
            )
            try:
                sys.stderr.write(f"{stamp} {level.name:7} {text}\n")
                sys.stderr.flush()
            except OSError:
                self.dropped += 1
            return
        record = {
            "MESSAGE": text,
            "PRIORITY": str(int(level)),
            "SYSLOG_IDENTIFIER": "f2b",
            **(fields or {}),
        }
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(b"".join(_field(name, value) for name, value in record.items()))
        if len(self._waiting) == 1 and not self._flush():
            try:
                asyncio.get_running_loop().add_writer(self._socket, self._go_on)
            except RuntimeError:  # before the loop runs nobody would call us
                self._waiting.clear()
                self.dropped += 1

    def finish(self, timeout: float = GOODBYE) -> None:
        """Give journald so many seconds for what waits; a line that it does not take then is lost."""
        if self._socket is None or not self._waiting:
            return
        self._socket.settimeout(timeout)
        self._flush()
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def _flush(self) -> bool:
        """Write what waits, until there is none or journald takes no more."""
        assert self._socket is not None
        while self._waiting:
            try:
                self._socket.send(self._waiting[0])
            except (BlockingIOError, TimeoutError):
                return False
            except OSError:
                self.dropped += 1
            self._waiting.popleft()
        return True

    def _go_on(self) -> None:
        assert self._socket is not None
        if self._flush():
            asyncio.get_running_loop().remove_writer(self._socket)

    def _ban(self, event: str, ban: Ban, text: str, level: Level = Level.NOTICE) -> None:
        fields = {
            "F2B_UNTIL": "" if ban.until is None else f"{ban.until:.6f}",
            "F2B_OFFENCE": str(ban.offence),
            "F2B_FAILURES": str(ban.failures),
            "F2B_SOURCE": ban.source,
        }
        self._event(event, level, ban.jail, text, str(ban.offender), fields)

    def _event(
        self,
        event: str,
        level: Level,
        jail: str,
        text: str,
        offender: str,
        fields: Mapping[str, str],
    ) -> None:
        named = {
            "F2B_EVENT": event,
            "F2B_JAIL": jail,
            "F2B_OFFENDER": offender,
            "MESSAGE_ID": MESSAGE_IDS[event],
        }
        self.write(level, f"[{jail}] {text}", {**named, **fields})

    def _budget(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            if self._found > FOUND_PER_SECOND:
                self.info(
                    f"{self._found - FOUND_PER_SECOND} more Found lines of one second left out"
                )
            self._second, self._found = second, 0
        self._found += 1
        return self._found <= FOUND_PER_SECOND


def _journal_socket(target: str) -> socket.socket | None:
    if target == "stderr" or (target == "auto" and "JOURNAL_STREAM" not in os.environ):
        return None
    sock = socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
    try:
        sock.connect(os.fspath(JOURNAL))
    except OSError:
        sock.close()
        return None
    return sock


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def _clock_text(until: float | None) -> str:
    if until is None:
        return "for ever"
    return datetime.fromtimestamp(until, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
