"""The people and jails of many tests, and the scenes that they begin with."""

import time

from tests.e2e.outcome import asked, elements
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

ONE, TWO, SIX = "198.18.0.1", "198.18.0.2", "2001:db8:7::1"
SET, SET6, CUSTOM = "addr-set-sshd", "addr6-set-sshd-64", "addr-set-custom"
HOUR, DAY, WEEK = 3600, 86_400, 604_800

THREE = """\
[sshd]
enabled = true
maxretry = 3
findtime = 1h
bantime = 1h
"""
"""Three failures bring a ban in jail sshd. (custom is enabled as shipped.)"""

MAIL = """\
[mail]
enabled = true
maxretry = 2
findtime = 1h
bantime = 1h
filter =
failregex = smtpd\\[\\d+\\]: bad login from <HOST>$
journalmatch = _COMM=smtpd
"""


def mail(journal: Journal, address: str, times: int = 1, *, ago: float = 0.0) -> None:
    for _ in range(times):
        journal.add(
            time.time() - ago,
            _COMM="smtpd", SYSLOG_IDENTIFIER="smtpd", _PID=7, MESSAGE=f"bad login from {address}",
        )  # fmt: skip
    journal.flush()


def left(daemon: Daemon, set_name: str, address: str) -> float:
    """Seconds until the kernel forgets the ban."""
    end = elements(daemon.namespace)[set_name, address]
    assert end is not None
    return end - time.time()


def ban(daemon: Daemon, journal: Journal, address: str = ONE, *, table: str = "f2b-table") -> None:
    fail(journal, address, 3)
    wait_until(lambda: asked(daemon)["sshd"], "a ban")
    wait_until(lambda: (SET, address) in elements(daemon.namespace, table), "a ban in the kernel")
