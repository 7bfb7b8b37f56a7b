"""An hour of a busy mail server's journal as export text: the same seed gives the same entries, 5 % of them failures.

Sessions of sshd, Postfix and Dovecot overlap, as they do on a busy host, each entry with the fields that journald
gives it. sshd logs as Debian has it (LogLevel INFO), and few log in there. Failures are what the stock filters of
Debian's fail2ban find; ours count some attempts once that those count twice. The last entry of each service is a
failure of SENTINEL: who has found it has read everything.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SENTINEL = "203.0.113.99"
SHARE = 0.05
OFFENDERS = 20_000
OVERLAP = 40
SPAN = 3600.0

_ENTRY = """\
__REALTIME_TIMESTAMP=%(time)d
__MONOTONIC_TIMESTAMP=%(number)d
_BOOT_ID={boot}
_MACHINE_ID=5be11a3c5fd34b02a2b8b5a6c0f1e3d4
_HOSTNAME=server
_TRANSPORT=syslog
PRIORITY=6
SYSLOG_FACILITY={facility}
SYSLOG_IDENTIFIER={identifier}
SYSLOG_PID=%(pid)d
SYSLOG_TIMESTAMP=Nov 22 10:58:54 
_PID=%(pid)d
_UID={uid}
_GID={uid}
_COMM={comm}
_EXE={exe}
_CMDLINE={exe} -n {identifier}
_CAP_EFFECTIVE=1ffffffffff
_SELINUX_CONTEXT=unconfined
_SYSTEMD_CGROUP=/system.slice/{unit}
_SYSTEMD_UNIT={unit}
_SYSTEMD_SLICE=system.slice
_SYSTEMD_INVOCATION_ID=615560c48c1345f38dcae5cc796b0336
_SOURCE_REALTIME_TIMESTAMP=%(sent)d
MESSAGE=%(message)s

"""  # noqa: W291 - syslog's stamp has room for another clock


class Program(NamedTuple):
    """Who logs. `comm`, `exe` and `uid` are what journald finds out about it."""

    unit: str
    identifier: str
    comm: str
    exe: str
    uid: int = 0
    facility: int = 2

    def template(self, boot: str) -> str:
        return _ENTRY.format(boot=boot, **self._asdict())


def _postfix(name: str) -> Program:
    return Program(
        "postfix.service", f"postfix/{name}", name, f"/usr/lib/postfix/sbin/{name}", 102
    )


SSHD = Program("ssh.service", "sshd", "sshd", "/usr/sbin/sshd", facility=4)
SMTPD, CLEANUP, QMGR, LMTP = map(_postfix, ("smtpd", "cleanup", "qmgr", "lmtp"))
DOVECOT = Program("dovecot.service", "dovecot", "log", "/usr/lib/dovecot/log")
AUTH = Program("dovecot.service", "auth", "auth", "/usr/lib/dovecot/auth", facility=10)
CRON = Program("cron.service", "CRON", "cron", "/usr/sbin/cron", facility=9)
SYSTEMD = Program("init.scope", "systemd", "systemd", "/usr/lib/systemd/systemd", facility=3)

Session = Sequence[tuple[Program, str]]


class Attack(NamedTuple):
    """What an attacker leaves, and how many failures that is."""

    session: Session
    failures: int


USERS = ("admin", "oracle", "test", "postgres", "pi", "ubuntu", "git", "deploy", "ftpuser")


class Writer:
    """`for text in Writer(boot).entries(1000, end): …`. `others` are units that log noise alone."""

    def __init__(
        self,
        boot: str,
        others: Sequence[str] = (),
        *,
        share: float = SHARE,
        offenders: int = OFFENDERS,
        seed: int = 2,
    ) -> None:
        self._dice = random.Random(seed)
        self._templates: dict[Program, str] = {}
        self._boot = boot
        self._share = share
        self._offenders = offenders
        self._others = [
            Program(f"{name}.service", name, name, f"/usr/sbin/{name}") for name in others
        ]
        self._noise = [_login, *[_mail] * 6, *[_imap] * 6, _scan, _probe, _house]

    def entries(self, count: int, end: float) -> Iterator[bytes]:
        step = SPAN / count * 1e6
        begin = (end - SPAN) * 1e6
        for number, (pid, program, message) in enumerate(self.lines(count)):
            time = int(begin + number * step)
            template = self._templates.get(program)
            if template is None:
                template = self._templates[program] = program.template(self._boot)
            yield (
                template
                % {
                    "time": time,
                    "number": number * 1000 + 1,
                    "pid": pid,
                    "sent": time - 20,
                    "message": message,
                }
            ).encode()

    def lines(self, count: int) -> Iterator[tuple[int, Program, str]]:
        """Overlapping sessions, attacks among them as often as the share of failures wants it."""
        last = list(sentinels())
        opened: list[tuple[int, Iterator[tuple[Program, str]]]] = []
        failures, pid = 0, 1000
        for number in range(count - len(last)):
            while True:
                while len(opened) < OVERLAP:
                    session: Session
                    if failures < self._share * (number + OVERLAP):
                        session, more = self._attack()
                        failures += more
                    else:
                        session = self._quiet()
                    pid += 1
                    opened.append((1000 + pid % 60_000, iter(session)))
                place = self._dice.randrange(OVERLAP)
                who, rest = opened[place]
                line = next(rest, None)
                if line is not None:
                    break
                opened[place] = opened[-1]
                opened.pop()
            yield who, *line
        yield from ((999, *line) for line in last)

    def _attack(self) -> Attack:
        # Squared: some try again and again, most are seen once or twice.
        number = int(self._dice.random() ** 2 * self._offenders)
        address = f"198.18.{number >> 8}.{number & 255}"
        if number % 10 == 0:
            address = f"2001:db8:{number:x}::{number % 7 + 1:x}"
        kind = self._dice.choice((_root, _root, _stranger, _stranger, _sasl, _relay, _wrong))
        return kind(self._dice, address)

    def _quiet(self) -> Session:
        if self._others and self._dice.random() < 0.5:
            return _other(self._dice, self._dice.choice(self._others))
        return self._dice.choice(self._noise)(
            self._dice, f"198.51.100.{self._dice.randrange(250)}"
        )


def sentinels() -> Session:
    """One failure for each of the jails sshd, postfix and dovecot."""
    dice = random.Random(0)
    return (
        (SSHD, f"Failed password for root from {SENTINEL} port 99 ssh2"),
        _sasl(dice, SENTINEL).session[1],
        _wrong(dice, SENTINEL).session[1],
    )


# --- attacks: the failures that fail2ban's stock filters find ------------------------------------


def _root(dice: random.Random, address: str) -> Attack:
    port = dice.randint(1024, 65535)
    lines = [
        f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}  user=root",
        f"Failed password for root from {address} port {port} ssh2",
        f"Connection closed by authenticating user root {address} port {port} [preauth]",
    ]
    return Attack([(SSHD, line) for line in lines], 1)


def _stranger(dice: random.Random, address: str) -> Attack:
    port, user = dice.randint(1024, 65535), dice.choice(USERS)
    lines = [
        f"Invalid user {user} from {address} port {port}",
        "pam_unix(sshd:auth): check pass; user unknown",
        f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address} ",
        f"Failed password for invalid user {user} from {address} port {port} ssh2",
        f"Connection closed by invalid user {user} {address} port {port} [preauth]",
    ]
    return Attack([(SSHD, line) for line in lines], 2)


def _sasl(dice: random.Random, address: str) -> Attack:
    client, user = f"unknown[{address}]", dice.choice(USERS)
    lines = [
        f"connect from {client}",
        f"warning: {client}: SASL LOGIN authentication failed: (reason unavailable), sasl_username={user}",
        f"lost connection after AUTH from {client}",
        f"disconnect from {client} ehlo=1 auth=0/1 commands=1/2",
    ]
    return Attack([(SMTPD, line) for line in lines], 1)


def _relay(dice: random.Random, address: str) -> Attack:
    client = f"unknown[{address}]"
    to = f"{dice.choice(USERS)}@example.net"
    lines = [
        f"connect from {client}",
        (
            f"NOQUEUE: reject: RCPT from {client}: 554 5.7.1 <{to}>: Relay access denied; "
            f"from=<spam@example.com> to=<{to}> proto=ESMTP helo=<ylmf-pc>"
        ),
        f"lost connection after RCPT from {client}",
        f"disconnect from {client} ehlo=1 mail=1 rcpt=0/1 commands=2/3",
    ]
    return Attack([(SMTPD, line) for line in lines], 1)


def _wrong(dice: random.Random, address: str) -> Attack:
    user = dice.choice(USERS)
    return Attack(
        [
            (
                AUTH,
                (
                    "pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot "
                    f"ruser={user} rhost={address}  user={user}"
                ),
            ),
            (
                DOVECOT,
                (
                    "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 4 secs): "
                    f"user=<{user}>, method=PLAIN, rip={address}, lip=198.51.100.1, session=<PN+UYdtgsbHGM2QN>"
                ),
            ),
        ],
        2,
    )


# --- and those who do nothing wrong --------------------------------------------------------------


def _login(dice: random.Random, address: str) -> Session:
    port = dice.randint(1024, 65535)
    lines = [
        f"Accepted publickey for alice from {address} port {port} ssh2: ED25519 SHA256:Uyl0uNvCIqRkTzFQ0Jd3lzZC0gQ",
        "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
        f"Received disconnect from {address} port {port}:11: disconnected by user",
        f"Disconnected from user alice {address} port {port}",
        "pam_unix(sshd:session): session closed for user alice",
    ]
    return [(SSHD, line) for line in lines]


def _probe(dice: random.Random, address: str) -> Session:
    port = dice.randint(1024, 65535)
    return [
        (SSHD, f"Connection reset by {address} port {port} [preauth]"),
    ]


def _mail(dice: random.Random, address: str) -> Session:
    queue = f"{dice.getrandbits(40):010X}"
    client = f"mail{address[-1]}.example.org[{address}]"
    return [
        (SMTPD, f"connect from {client}"),
        (SMTPD, f"{queue}: client={client}"),
        (CLEANUP, f"{queue}: message-id=<{queue}.{dice.getrandbits(32)}@example.org>"),
        (QMGR, f"{queue}: from=<news@example.org>, size={dice.randrange(99999)}, nrcpt=1 (queue active)"),
        (SMTPD, f"disconnect from {client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"),
        (
            LMTP,
            (f"{queue}: to=<bob@example.com>, relay=mail.example.com[private/dovecot-lmtp], "
            "delay=0.21, delays=0.17/0.01/0.01/0.03, dsn=2.0.0, status=sent (250 2.0.0 <bob> Saved)"),
        ),
        (QMGR, f"{queue}: removed"),
    ]  # fmt: skip


def _scan(dice: random.Random, address: str) -> Session:
    client = f"unknown[{address}]"
    after = dice.choice(("EHLO", "CONNECT", "STARTTLS"))
    return [
        (SMTPD, f"connect from {client}"),
        (SMTPD, f"lost connection after {after} from {client}"),
        (SMTPD, f"disconnect from {client} ehlo=1 commands=1"),
    ]


def _imap(dice: random.Random, address: str) -> Session:
    session, process = f"{dice.getrandbits(60):015x}", dice.randint(1000, 60_000)
    return [
        (
            DOVECOT,
            (
                f"imap-login: Login: user=<bob>, method=PLAIN, rip={address}, lip=198.51.100.1, "
                f"mpid={process}, TLS, session=<{session}>"
            ),
        ),
        (
            DOVECOT,
            (
                f"imap(bob)<{process}><{session}>: Disconnected: Logged out in={dice.randrange(999)} "
                "out=4711 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0"
            ),
        ),
    ]


def _house(dice: random.Random, _: str) -> Session:
    return [
        (CRON, "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
        (CRON, "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
        (CRON, "pam_unix(cron:session): session closed for user root"),
        (SYSTEMD, f"run-{dice.getrandbits(32):x}.scope: Deactivated successfully."),
    ]


def _other(dice: random.Random, program: Program) -> Session:
    address = f"198.51.100.{dice.randrange(250)}"
    return [
        (program, f"client {address}:{dice.randint(1024, 65535)} connected"),
        (program, f'{address} - bob "GET /index.html?page={dice.randrange(99)} HTTP/1.1" 200 4711 "Mozilla/5.0"'),
        (program, f"request {dice.getrandbits(32):08x} of user bob done in {dice.randrange(900)} ms"),
        (program, f"client {address} disconnected"),
    ]  # fmt: skip
