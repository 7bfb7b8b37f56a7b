"""The installed filters and raw ones in every reading: containers' lines are found, and forged ones are not."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from f2b.config.load import load
from f2b.config.settings import Reading
from f2b.decide.assemble import assemble
from f2b.decide.engine import Engine
from f2b.model import Entry, Found
from tests.conformance.samples import ETC

A, FORGED = "192.0.2.7", "198.51.100.66"
ISO = "2026-01-01T00:00:00.123456+00:00"
OLD = "Jan  1 00:00:00"
DOCKER = "CONTAINER_NAME=mailserver _SYSTEMD_UNIT=docker.service"
SERVICES = {"postfix": "postfix/smtpd", "dovecot": "dovecot", "sshd": "sshd"}
WEB = r"""[Definition]
failregex = ^<HOST> - \S+ \[\] "[A-Z]+ /admin[^"]*" 40[134]\b
            ^ \[error\] \d+#\d+: \*\d+ user "<F-USER>[^"]*</F-USER>": password mismatch, client: <HOST>, server:
journalmatch = CONTAINER_NAME=web _SYSTEMD_UNIT=docker.service
"""


def engine(directory: Path, jail_local: str) -> Engine:
    """The installed configuration with a jail.local and a filter for a web server."""
    shutil.copy(ETC / "jail.conf", directory)
    shutil.copytree(ETC / "filter.d", directory / "filter.d")
    (directory / "filter.d/web.conf").write_text(WEB)
    (directory / "jail.local").write_text(f"[DEFAULT]\nmaxretry = 100\n{jail_local}")
    assembly = assemble(load(directory))
    assert [str(problem) for problem in assembly.problems] == []
    return Engine(assembly.jails)


def mailserver(directory: Path, reading: Reading, *names: str) -> Engine:
    """docker-mailserver's log in the journal, and the host's own services where both are read."""
    match = f"%(known/journalmatch)s\n  {DOCKER}" if reading is not Reading.MESSAGE else DOCKER
    section = f"enabled = true\nmode = aggressive\nreading = {reading}\njournalmatch = {match}\n"
    return engine(directory, "".join(f"[{name}]\n{section}" for name in names or SERVICES))


def counted(engine: Engine, *entries: Entry) -> Counter[str]:
    """How often each address failed."""
    decisions = (each for entry in entries for each in engine.feed(entry, entry.time))
    return Counter(str(each.failure.address) for each in decisions if isinstance(each, Found))


def contained(message: str, container: str = "mailserver", time: float = 1000.0) -> Entry:
    """As Docker's journald driver writes it."""
    return _entry(
        message, time, _HOSTNAME="host", SYSLOG_IDENTIFIER="c0ffee123456", _PID="812", _COMM="dockerd",
        _SYSTEMD_UNIT="docker.service", _UID="0", CONTAINER_NAME=container, CONTAINER_ID="c0ffee123456",
    )  # fmt: skip


def native(service: str, message: str, time: float = 1000.0) -> Entry:
    unit = {"postfix": "postfix.service", "dovecot": "dovecot.service", "sshd": "ssh.service"}
    return _entry(
        message, time, _HOSTNAME="host", SYSLOG_IDENTIFIER=SERVICES[service], _PID="30", _COMM="smtpd",
        _SYSTEMD_UNIT=unit[service], _UID="0" if service != "postfix" else "102",
        _EXE="/usr/lib/postfix/sbin/smtpd",
    )  # fmt: skip


def _entry(message: str, time: float, **fields: str) -> Entry:
    named = {name: text.encode() for name, text in {**fields, "MESSAGE": message}.items()}
    return Entry(f"{message}@{time}", time, named)


def said(service: str, user: str = "root", address: str = A) -> str:
    """A failed login as the service puts it."""
    return {
        "postfix": f"warning: unknown[{address}]: SASL LOGIN authentication failed: "
        f"UGFzc3dvcmQ6, sasl_username={user}",
        "dovecot": "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
        f"user=<{user}>, method=PLAIN, rip={address}, lip=172.17.0.2, TLS, session=<PN+UYdtgsbHGM2QN>",
        "sshd": f"Failed password for invalid user {user} from {address} port 4711 ssh2",
    }[service]


def line(service: str, user: str = "root", address: str = A, date: str = ISO) -> str:
    """The same as syslog writes it into a file, or to the standard output of a container."""
    return f"{date} mail {SERVICES[service]}[30]: {said(service, user, address)}"


FORGERIES = [
    "{line}",
    "x\n{line}",
    "x {said}",
    "{date}",
    "{head}",
    "> {said}",
    "x, rip={forged}, lip=1.2.3.4",
    "x from {forged} port 22 ssh2",
    "x[{forged}]: SASL LOGIN authentication failed: x",
]


def forgery(form: str, service: str, date: str) -> str:
    head = f"{date} mail {SERVICES[service]}[30]: "
    bare = said(service, address=FORGED)
    return form.format(line=head + bare, said=bare, date=date, head=head, forged=FORGED)


@pytest.mark.parametrize("date", [ISO, OLD])
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("reading", [Reading.MESSAGE, Reading.BOTH])
def test_a_mail_server_in_a_container_is_read(
    tmp_path: Path, reading: Reading, service: str, date: str
) -> None:
    running = mailserver(tmp_path, reading, service)
    entry = contained(line(service, date=date))
    assert counted(running, entry) == {A: 1}
    assert counted(running, contained(line(service, date=date), container="other")) == {}


@pytest.mark.parametrize("service", SERVICES)
def test_the_host_and_the_container_can_be_read_by_one_jail(tmp_path: Path, service: str) -> None:
    running = mailserver(tmp_path, Reading.BOTH, service)
    assert counted(running, native(service, said(service)), contained(line(service))) == {A: 2}


@pytest.mark.parametrize("form", FORGERIES)
@pytest.mark.parametrize("date", [ISO, OLD])
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("reading", Reading)
def test_a_forged_user_is_nobody_else(
    tmp_path: Path, reading: Reading, service: str, date: str, form: str
) -> None:
    running = mailserver(tmp_path, reading)
    user = forgery(form, service, date)
    found = counted(
        running,
        contained(line(service, user, date=date)),
        native(service, said(service, user), 1001),
        contained(said(service, user), time=1002),
    )
    assert found == {A: 2 if reading is Reading.BOTH else 1}


GET = "[01/Jan/2026:00:00:00 +0000]"
ERROR = "2026/01/01 00:00:00 [error] 7#7: *1 user"
MISMATCH = "password mismatch, client: {}, server:".format


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (f'{A} - - {GET} "GET /admin HTTP/1.1" 404 1 "-" "-"', A),
        (f'{ERROR} "x": {MISMATCH(A)} _', A),
        (f'{A} - - {GET} "GET / HTTP/1.1" 200 1 "-" "-"', None),
        (f'{A} - {FORGED} {GET} "GET /admin HTTP/1.1" 404 1 "-" "-"', A),
        (
            f'{A} - - {GET} "GET /?{FORGED} - - {GET} \\x22GET /admin HTTP/1.1\\x22 404 1" 200 1',
            None,
        ),
        (
            f'{A} - - {GET} "GET / HTTP/1.1" 200 1 "{FORGED} - - {GET} \\x22GET /admin\\x22 404"',
            None,
        ),
        (f'{ERROR} "x\\x22: {MISMATCH(FORGED)} _": {MISMATCH(A)} _', A),
        (f'{ERROR} "{ERROR} \\x22x\\x22: {MISMATCH(FORGED)} _": {MISMATCH(A)} _', A),
    ],
)
def test_a_web_server_in_a_container_is_read(
    tmp_path: Path, message: str, found: str | None
) -> None:
    running = engine(tmp_path, "[web]\nenabled = true\n")
    assert running.jails["web"].settings.filter.reading is Reading.MESSAGE
    assert counted(running, contained(message, "web")) == ({found: 1} if found else {})


@pytest.mark.parametrize("name", ["sshd", "postfix", "dovecot", "pam-generic"])
def test_installed_filters_read_what_journald_built(tmp_path: Path, name: str) -> None:
    running = engine(tmp_path, f"[{name}]\nenabled = true\n")
    assert running.jails[name].settings.filter.reading is Reading.BUILT
