"""docker-mailserver's own jail file, word for word, and what its users see of it."""

import time

import pytest

from tests.e2e.outcome import asked, banned, elements
from tests.e2e.scenes import CUSTOM, DAY, ONE, TWO, WEEK, left
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


MAILSERVER = """\
[DEFAULT]

# "bantime" is the number of seconds that a host is banned.
bantime = 1w

# A host is banned if it has generated "maxretry" during the last "findtime" seconds.
findtime = 1w

maxretry = 6

ignoreip = 127.0.0.1/8

banaction = nftables-allports

[dovecot]
enabled = true

[postfix]
enabled = true
mode = extra

[custom]
enabled = true
bantime = 180d
port = smtp,pop3,pop3s,imap,imaps,submission,submissions,sieve
"""


def sasl(journal: Journal, address: str, ago: float = 0.0) -> None:
    journal.add(
        time.time() - ago,
        SYSLOG_IDENTIFIER="postfix/smtps/smtpd", _COMM="smtpd", _PID=30, _UID=102,
        _EXE="/usr/lib/postfix/sbin/smtpd", _SYSTEMD_UNIT="postfix.service",
        MESSAGE=f"warning: unknown[{address}]: SASL PLAIN authentication failed: (reason unavailable), "
        "sasl_username=user1@example.test",
    )  # fmt: skip
    journal.flush()


def imap(journal: Journal, address: str, ago: float = 0.0) -> None:
    journal.add(
        time.time() - ago,
        SYSLOG_IDENTIFIER="dovecot", _COMM="log", _PID=31, _UID=0, _SYSTEMD_UNIT="dovecot.service",
        MESSAGE="imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
        f"user=<user1@example.test>, method=PLAIN, rip={address}, lip=172.17.0.2, TLS, session=<PN+UYdtgsbHGM2QN>",
    )  # fmt: skip
    journal.flush()


def test_docker_mailservers_jail_file_word_for_word(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.unlink()
    (daemon.config / "jail.local").write_text(MAILSERVER)
    for day in (6, 5, 4, 3, 2):
        sasl(journal, ONE, ago=day * DAY)
        imap(journal, TWO, ago=(day + 2) * DAY)
    imap(journal, TWO)
    daemon.start()
    # dovecot and sshd as shipped, TWO has but four failures within a week.
    wait_until(
        lambda: asked(daemon, "status", "postfix")["catching_up"] is None, "the past of a week"
    )
    assert elements(daemon.namespace) == {}
    sasl(journal, ONE)
    wait_until(lambda: banned(daemon, "addr-set-postfix", ONE), "the ban by mode extra")
    assert left(daemon, "addr-set-postfix", ONE) == pytest.approx(WEEK, abs=10)
    assert not banned(daemon, "addr-set-dovecot", TWO)
    for _ in range(2):
        imap(journal, TWO)
    wait_until(lambda: banned(daemon, "addr-set-dovecot", TWO), "dovecot's ban")
    assert daemon.cli("ban", "192.0.66.7").stdout == "Banned 192.0.66.7 in custom\n"
    assert left(daemon, CUSTOM, "192.0.66.7") == pytest.approx(180 * DAY, abs=10)
    rules = [
        line.strip()
        for line in daemon.namespace.run(
            ["nft", "list", "table", "inet", "f2b-table"]
        ).splitlines()
    ]
    assert "meta l4proto tcp ip saddr @addr-set-postfix reject" in rules
    assert "meta l4proto tcp ip saddr @addr-set-dovecot reject" in rules
    assert "meta l4proto tcp ip saddr @addr-set-custom reject" in rules


CONTAINED = """\
[DEFAULT]
maxretry = 2
reading = message
journalmatch = CONTAINER_NAME=mailserver _SYSTEMD_UNIT=docker.service

[dovecot]
enabled = true

[postfix]
enabled = true
mode = extra
"""


def contained(journal: Journal, message: str, container: str = "mailserver") -> None:
    """What Docker's journald driver makes of a line of the container's mail.log."""
    journal.add(
        time.time(),
        SYSLOG_IDENTIFIER="c0ffee123456", _COMM="dockerd", _PID=812, _UID=0, _SYSTEMD_UNIT="docker.service",
        CONTAINER_NAME=container, CONTAINER_ID="c0ffee123456", MESSAGE=message,
    )  # fmt: skip
    journal.flush()


def test_the_log_of_its_container_is_read_on_the_host(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.unlink()
    (daemon.config / "jail.local").write_text(CONTAINED)
    daemon.start()
    failed = "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs)"
    for container in ("other", "other", "mailserver", "mailserver"):
        address = ONE if container == "mailserver" else TWO
        contained(
            journal,
            f"2026-01-01T00:00:00.123456+00:00 mail dovecot: {failed}: user=<root>, method=PLAIN, "
            f"rip={address}, lip=172.17.0.2, TLS, session=<PN+UYdtgsbHGM2QN>",
            container,
        )
        contained(
            journal,
            f"Jan  1 00:00:00 mail postfix/smtps/smtpd[123]: warning: unknown[{address}]: SASL PLAIN "
            "authentication failed: (reason unavailable), sasl_username=user1@example.test",
            container,
        )
    wait_until(lambda: banned(daemon, "addr-set-dovecot", ONE), "dovecot's ban")
    wait_until(lambda: banned(daemon, "addr-set-postfix", ONE), "postfix' ban")
    assert asked(daemon, "status", "postfix")["reading"] == "message"
    for jail in ("dovecot", "postfix"):
        assert asked(daemon, "status", jail)["found"] == 2
        assert not banned(daemon, f"addr-set-{jail}", TWO)
