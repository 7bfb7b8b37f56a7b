"""Failures that wait for a name server or a command: nobody else waits, and a crash loses and doubles nothing."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, query
from tests.e2e.scenes import MAIL, ONE, SET, THREE, TWO, mail
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

MAIL_SET = "addr-set-mail"
HOSTS = f"127.0.0.1 localhost\n{ONE} client.test\n{TWO} client.test\n198.18.0.3 office.test\n"


class Named(Namespace):
    """A machine that knows the names in a hosts file of its own, and no others."""

    def __init__(self, hosts: Path) -> None:
        self._hosts = hosts
        super().__init__()

    def command(self, argv: Sequence[str]) -> list[str]:
        bind = f'mount --bind {self._hosts} /etc/hosts && exec "$@"'
        private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", bind, "sh"]
        return super().command([*private, *argv])


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return path


@pytest.fixture
def server(hosts: Path) -> Iterator[Namespace]:
    with Named(hosts) as server:
        yield server


def counter(daemon: Daemon, name: str) -> int:
    return int(asked(daemon, "status")["counters"][name])


def test_a_name_counts_for_all_its_addresses(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(MAIL + "usedns = warn\n")
    daemon.start()
    mail(journal, "client.test", 2)
    mail(journal, "nobody.test", 2)
    mail(journal, "4", 2)
    wait_until(lambda: banned(daemon, MAIL_SET, ONE), "the ban of one address")
    wait_until(lambda: banned(daemon, MAIL_SET, TWO), "the ban of the other")
    wait_until(lambda: counter(daemon, "names_unanswered") == 2, "no answer")
    assert counter(daemon, "invalid_addresses") == 2
    wait_until(lambda: counter(daemon, "questions_waiting") == 0, "all answers")
    assert len(query(daemon.database, "SELECT * FROM failures WHERE jail = 'mail'")) == 4
    assert daemon.log.read_text().count("'client.test' was looked up") == 1


def test_without_usedns_a_name_is_nobody(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(MAIL)
    daemon.start()
    mail(journal, "client.test", 2)
    mail(journal, ONE, 2)
    wait_until(lambda: banned(daemon, MAIL_SET, ONE), "a ban")
    assert not banned(daemon, MAIL_SET, TWO)


def test_a_command_lets_off(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(
        MAIL + f'ignorecommand = test "<ip>" = {ONE}\nignorecache = key="<ip>"\n'
    )
    daemon.start()
    mail(journal, ONE, 5)
    mail(journal, TWO, 5)
    wait_until(lambda: banned(daemon, MAIL_SET, TWO), "a ban")
    wait_until(lambda: asked(daemon, "status", "mail")["ignored"] == 5, "five that are let off")
    assert not banned(daemon, MAIL_SET, ONE)


def test_a_command_that_hangs_delays_no_other_jail(daemon: Daemon, journal: Journal) -> None:
    daemon.jails.write_text(THREE + MAIL + "ignorecommand = sleep 600\n")
    daemon.start()
    mail(journal, ONE, 50)
    wait_until(lambda: counter(daemon, "questions_waiting") == 50, "questions")
    before = time.monotonic()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "the ban of another jail", 5)
    assert time.monotonic() - before < 1.5
    before = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - before < 3
    assert not query(daemon.database, "SELECT * FROM failures WHERE jail = 'mail'")


@pytest.mark.parametrize("end", [Daemon.kill, Daemon.stop])
def test_an_open_question_is_asked_again_after_the_end(
    daemon: Daemon, journal: Journal, tmp_path: Path, end: object
) -> None:
    """What came behind it was stored, and counts once."""
    answer = tmp_path / "answer"
    script = f"until [ -e {answer} ]; do sleep 0.05; done; exit 1"
    daemon.jails.write_text(
        THREE
        + MAIL.replace("maxretry = 2", "maxretry = 3")
        + f"ignorecommand = sh -c '{script}'\n"
    )
    daemon.start()
    mail(journal, ONE, 2)
    fail(journal, TWO, 2)
    wait_until(lambda: counter(daemon, "questions_waiting") == 2, "questions")
    wait_until(lambda: len(query(daemon.database, "SELECT * FROM failures")) == 2, "two failures")
    assert callable(end)
    end(daemon)
    daemon.start()
    wait_until(lambda: counter(daemon, "questions_waiting") == 2, "the same questions")
    answer.touch()
    wait_until(lambda: len(query(daemon.database, "SELECT * FROM failures")) == 4, "the answers")
    wait_until(lambda: counter(daemon, "questions_waiting") == 0, "all answers")
    assert not query(daemon.database, "SELECT * FROM bans")
    mail(journal, ONE)
    fail(journal, TWO)
    wait_until(lambda: banned(daemon, MAIL_SET, ONE), "a ban at the third failure")
    wait_until(lambda: banned(daemon, SET, TWO), "a ban at the third failure")
    assert query(daemon.database, "SELECT failures FROM bans") == [(3,), (3,)]


@pytest.mark.slow
def test_names_and_lists_in_ignoreip(daemon: Daemon, journal: Journal, hosts: Path) -> None:
    friends = daemon.config / "friends"
    friends.write_text(f"{ONE} # the boss\nnonsense\n")
    daemon.jails.write_text(THREE + "ignoreip = office.test late.test file:friends\n")
    daemon.start()
    for address in (ONE, TWO, "198.18.0.3", "198.18.0.4"):
        fail(journal, address, 3)
    wait_until(lambda: banned(daemon, SET, "198.18.0.4"), "the ban of a stranger")
    assert [ban["offender"] for ban in asked(daemon)["sshd"]] == [TWO, "198.18.0.4"]
    assert "friends:2: 'nonsense' is neither an address nor a network" in daemon.log.read_text()
    friends.write_text(f"{TWO}\n")
    wait_until(lambda: not banned(daemon, SET, TWO), "a new friend is let in")
    assert "late.test cannot be looked up" in daemon.log.read_text()
    hosts.write_text(HOSTS + "198.18.0.4 late.test\n")
    wait_until(lambda: not banned(daemon, SET, "198.18.0.4"), "the name has an address", 20)


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing_and_count_nothing_twice(
    daemon: Daemon, journal: Journal
) -> None:
    """Failures that are asked about, by address and by name, between failures that are not."""
    rounds = 6
    most = rounds * 4 * 3 + 1
    daemon.jails.write_text(
        THREE.replace("maxretry = 3", f"maxretry = {most}")
        + MAIL.replace("maxretry = 2", f"maxretry = {most}")
        + "usedns = yes\nignorecommand = sh -c 'sleep 0.03; exit 1'\n"
    )
    for number in range(rounds):
        daemon.start()
        for _ in range(4):
            mail(journal, "client.test", 2)
            fail(journal, ONE, 3)
            mail(journal, ONE, 1)
            time.sleep(0.02 * number)
        daemon.kill()
    daemon.start()
    expected = rounds * 4 * (2 * 2 + 3 + 1)
    failures = "SELECT count(*) FROM failures"
    wait_until(lambda: query(daemon.database, failures) == [(expected,)], "every failure", 30)
    wait_until(lambda: counter(daemon, "questions_waiting") == 0, "all answers")
    bans = "SELECT jail, failures FROM bans ORDER BY jail"
    assert not query(daemon.database, bans), "one failure is missing"
    fail(journal, ONE)
    mail(journal, ONE)
    wait_until(lambda: len(query(daemon.database, bans)) == 2, "a ban in each jail")
    assert query(daemon.database, bans) == [("mail", most), ("sshd", most)]
