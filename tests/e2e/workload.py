"""A day's attack in a minute: entries as sshd, Postfix and Dovecot write them, of many offenders, among noise.

The same seed gives the same entries. Sessions overlap, as they do on a busy host.
"""

import random
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.support.export import Journal, Value

JAILS = """\
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 192.0.2.0/28

[sshd]
enabled = true
maxretry = 4
findtime = 10m
bantime = 2h

[postfix]
enabled = true
mode = extra
maxretry = 3
findtime = 12
bantime = 1d

[dovecot]
enabled = true
maxretry = 5
findtime = 1h
bantime = 1w

[recidive]
enabled = true
maxretry = 2
findtime = 1d
bantime = -1
"""
"""Three jails that read the journal, one with a window shorter than the attack, and one that reads their bans."""

READERS = 3
OVERLAP = 40
USERS = ("admin", "guest", "oracle", "test user", "postgres", "pi", "from 192.0.2.1 port 22")

Fields = dict[str, Value]


class Line(NamedTuple):
    """One entry; its sender wrote it `late` seconds before, or (`stamped`) the journal's own stamp is that much off."""

    fields: Fields
    late: float = 0.0
    stamped: bool = False


def attack(entries: int, offenders: int, seed: int = 2) -> list[Line]:
    """So many entries of so many offenders: hosts, and /64 networks with four hosts each."""
    dice = random.Random(seed)
    sessions = _sessions(dice, [_hosts(number) for number in range(offenders)])
    opened = [next(sessions) for _ in range(OVERLAP)]
    lines: list[Line] = []
    while len(lines) < entries - 1:
        place = dice.randrange(OVERLAP)
        fields = next(opened[place], None)
        if fields is None:
            opened[place] = next(sessions)
        else:
            lines.append(_timed(dice, fields, steady=len(lines) < entries // 10))
    # That the last entry is a failure lets everybody see when all of it is read.
    return [*lines, Line(sshd(99_999, "Failed password for root from 203.0.113.99 port 99 ssh2"))]


def write(journal: Journal, lines: Sequence[Line]) -> None:
    """Now, with what is late or out of order."""
    for fields, late, stamped in lines:
        now = time.time()
        source = (
            {} if stamped or not late else {"_SOURCE_REALTIME_TIMESTAMP": int((now - late) * 1e6)}
        )
        journal.add(now - late if stamped else now, **fields, **source)
    journal.flush()


def fail(journal: Journal, address: str, times: int = 1, *, ago: float = 0.0) -> None:
    """Wrong passwords on sshd, of one connection each."""
    for _ in range(times):
        line = sshd(
            10_000 + journal.added, f"Failed password for root from {address} port 4711 ssh2"
        )
        journal.add(time.time() - ago, **line)
    journal.flush()


def _hosts(number: int) -> list[str]:
    """Every third offender is an IPv6 network."""
    if number % 3:
        return [f"198.18.{number // 250}.{number % 250 + 1}"]
    return [f"2001:db8:{number:x}:1::{host:x}" for host in (1, 0xBAD, 0xC0DE, 0xFFFF0001)]


def _timed(dice: random.Random, fields: Fields, *, steady: bool) -> Line:
    luck = dice.random()
    if luck < 0.1:
        return Line(fields, dice.uniform(0.01, 20))
    if luck < 0.12 and not steady:
        return Line(fields, dice.uniform(0.01, 2), stamped=True)
    return Line(fields)


def _sessions(dice: random.Random, offenders: list[list[str]]) -> Iterator[Iterator[Fields]]:
    services = (_ssh_password, _ssh_unknown_user, _ssh_no_password, _smtp, _imap)
    process = 1000
    while True:
        process += 1
        luck = dice.random()
        if luck < 0.25:
            yield _noise(dice, process)
            continue
        number = dice.randrange(len(offenders))
        address = dice.choice(offenders[number]) if luck > 0.28 else f"192.0.2.{number % 16}"
        # Most stay with one service; some try another one, and make recidive see them.
        home = (0, 1, 2, 3, 3, 3, 4, 4, 4)[number % 9]
        service = services[home] if dice.random() < 0.8 else dice.choice(services)
        yield service(dice, process, address)


def sshd(process: int, message: str) -> Fields:
    return entry("sshd", process, message, _COMM="sshd", _SYSTEMD_UNIT="ssh.service", _UID=0)


def _ssh_password(dice: random.Random, process: int, address: str) -> Iterator[Fields]:
    port = dice.randint(1024, 65535)
    for _ in range(dice.randint(1, 3)):
        yield sshd(process, f"Failed password for root from {address} port {port} ssh2")
    yield sshd(
        process, f"Connection closed by authenticating user root {address} port {port} [preauth]"
    )


def _ssh_unknown_user(dice: random.Random, process: int, address: str) -> Iterator[Fields]:
    """The first line's address is not trusted: it waits for the next one."""
    port, user = dice.randint(1024, 65535), dice.choice(USERS)
    yield sshd(process, f"Invalid user {user} from {address} port {port}")
    yield sshd(
        process,
        f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 rhost={address}",
    )
    for _ in range(dice.randint(1, 2)):
        yield sshd(
            process, f"Failed password for invalid user {user} from {address} port {port} ssh2"
        )
    yield sshd(
        process, f"Connection closed by invalid user {user} {address} port {port} [preauth]"
    )


def _ssh_no_password(dice: random.Random, process: int, address: str) -> Iterator[Fields]:
    """A failure only for who remembers the first line when the last one comes."""
    port, user = dice.randint(1024, 65535), dice.choice(USERS)
    yield sshd(process, f"Invalid user {user} from {address} port {port}")
    yield sshd(
        process, f"Connection closed by invalid user {user} {address} port {port} [preauth]"
    )


def _smtp(dice: random.Random, process: int, address: str) -> Iterator[Fields]:
    def smtpd(message: str) -> Fields:
        path = "/usr/lib/postfix/sbin/smtpd"
        return entry(
            "postfix/smtpd", process, message,
            _COMM="smtpd", _EXE=path, _SYSTEMD_UNIT="postfix@-.service", _UID=102,
        )  # fmt: skip

    client = f"unknown[{address}]"
    yield smtpd(f"connect from {client}")
    for _ in range(dice.randint(1, 2)):
        yield smtpd(
            f"warning: {client}: SASL LOGIN authentication failed: (reason unavailable), sasl_username=root"
        )
    yield smtpd(f"lost connection after AUTH from {client}")
    yield smtpd(f"disconnect from {client} ehlo=1 auth=0/1 commands=1/2")


def _imap(dice: random.Random, process: int, address: str) -> Iterator[Fields]:
    pam = f"pam_unix(dovecot:auth): authentication failure; tty=dovecot ruser=root rhost={address}"
    unit = "dovecot.service"
    yield entry("auth", process, pam, _COMM="auth", _SYSTEMD_UNIT=unit, _UID=0)
    yield entry(
        "dovecot", 756,
        f"imap-login: Disconnected: Connection closed (auth failed, {dice.randint(1, 3)} attempts in 4 secs): "
        f"user=<root>, method=PLAIN, rip={address}, lip=198.51.100.1, session=<PN+UYdtgsbHGM2QN>",
        _COMM="log", _SYSTEMD_UNIT=unit, _UID=0,
    )  # fmt: skip


def _noise(dice: random.Random, process: int) -> Iterator[Fields]:
    match dice.randrange(4):
        case 0:
            yield sshd(
                process,
                "Accepted publickey for alice from 192.0.2.200 port 50000 ssh2: ED25519 SHA256:abc",
            )
            yield sshd(
                process,
                "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
            )
        case 1:
            yield entry(
                "cron",
                process,
                "(root) CMD (true)",
                _COMM="cron",
                _SYSTEMD_UNIT="cron.service",
                _UID=0,
            )
        case 2:
            # A user who would like others to be banned.
            forged = "Failed password for root from 192.0.2.77 port 7 ssh2"
            yield entry(
                "sshd",
                process,
                forged,
                _COMM="logger",
                _SYSTEMD_UNIT="user@1000.service",
                _UID=1000,
            )
        case _:
            yield entry("kernel", 0, "eth0: link becomes ready", _TRANSPORT="kernel")


def entry(identifier: str, process: int, message: str, **trusted: Value) -> Fields:
    return {
        "SYSLOG_IDENTIFIER": identifier, "SYSLOG_PID": process, "_PID": process, **trusted, "MESSAGE": message,
    }  # fmt: skip
