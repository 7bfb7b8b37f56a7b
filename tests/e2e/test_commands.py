"""What an admin does by hand, and how the answers look."""

import os
import pty
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.scenes import CUSTOM, DAY, HOUR, ONE, SET, SET6, SIX, THREE, TWO, WEEK, ban, left
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace, link
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


@pytest.fixture
def networked(daemon: Daemon) -> Iterator[Daemon]:
    """It has an address, a neighbour and a gateway."""
    with Namespace() as router:
        link(
            daemon.namespace, ["198.51.100.1/24", "2001:db8:1::1/64"], router, ["198.51.100.2/24"]
        )
        daemon.namespace.run(["ip", "route", "add", "default", "via", "198.51.100.2"])
        daemon.jails.write_text(THREE + "[DEFAULT]\nignoreip = 127.0.0.1/8 192.0.2.0/24\n")
        daemon.start()
        yield daemon


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("198.51.100.1", "an address of this machine"),
        ("127.0.0.1", "an address of this machine"),
        ("2001:db8:1::1", "an address of this machine"),
        ("198.51.100.2", "the default gateway"),
        ("198.51.100.0/24", "the default gateway"),
        ("192.0.2.7", "in ignoreip of jail custom"),
        ("192.0.2.128/25", "in ignoreip of jail custom"),
    ],
)
def test_a_ban_by_hand_does_not_lock_out_the_owner(
    networked: Daemon, address: str, why: str
) -> None:
    done = networked.cli("ban", "203.0.113.5", address, check=False)
    assert done.returncode == 64
    assert why in done.stderr
    assert "--force" in done.stderr
    assert elements(networked.namespace) == {}, "all or nothing"
    assert networked.cli("ban", "--force", address).stdout == f"Banned {address} in custom\n"
    assert len(elements(networked.namespace)) == 1


def test_a_ban_by_hand_does_not_lock_out_the_caller(
    networked: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.77 50022 198.51.100.1 22")
    for address in ("203.0.113.77", "203.0.113.0/24"):
        done = networked.cli("ban", address, check=False)
        assert done.returncode == 64
        assert "logged in from" in done.stderr
    networked.cli("ban", "203.0.113.78")
    networked.cli("ban", "--force", "203.0.113.77")
    assert len(elements(networked.namespace)) == 2


def test_own_addresses_that_come_later_are_own_too(networked: Daemon) -> None:
    networked.namespace.run(["ip", "address", "add", "203.0.113.9/32", "dev", "eth0"])

    def refused() -> bool:
        return networked.cli("ban", "203.0.113.9", check=False).returncode == 64

    wait_until(refused, "an own address")
    wait_until(
        lambda: (
            "203.0.113.9"
            in networked.namespace.run(["nft", "list", "set", "inet", "f2b-table", "own-addr"])
        ),
        "an own address in the kernel",
    )


def test_bans_by_hand(daemon: Daemon) -> None:
    daemon.start()
    said = daemon.cli(
        "ban", "203.0.113.7", "2001:db8::7", "203.0.113.64/26", "2001:db8:9::/48"
    ).stdout
    assert said.splitlines() == [
        "Banned 203.0.113.7 in custom",
        "Banned 2001:db8::7 in custom",
        "Banned 203.0.113.64/26 in custom",
        "Banned 2001:db8:9::/48 in custom",
    ]
    assert elements(daemon.namespace).keys() == {
        (CUSTOM, "203.0.113.7"),
        ("addr6-set-custom", "2001:db8::7"),
        ("addr-set-custom-26", "203.0.113.64"),
        ("addr6-set-custom-48", "2001:db8:9::"),
    }
    assert left(daemon, CUSTOM, "203.0.113.7") == pytest.approx(WEEK, abs=10)
    assert (
        daemon.cli("ban", "-t", "1h", "203.0.113.7").stdout
        == "203.0.113.7 is banned in custom already\n"
    )
    assert left(daemon, CUSTOM, "203.0.113.7") == pytest.approx(WEEK, abs=10)
    daemon.cli("ban", "sshd", "-t", "90", "203.0.113.8")
    assert left(daemon, SET, "203.0.113.8") == pytest.approx(90, abs=5)
    daemon.cli("ban", "-t", "1d", "sshd", "203.0.113.8")
    assert left(daemon, SET, "203.0.113.8") == pytest.approx(DAY, abs=5)
    assert daemon.cli("ban", "nosuch", "203.0.113.8", check=False).returncode == 64
    assert daemon.cli("ban", "203.0.113.8", "-t", "soon", check=False).returncode == 64
    assert daemon.cli("ban", "203.0.113.8", "example.org", check=False).returncode == 64


def test_a_short_ban_ends(daemon: Daemon) -> None:
    daemon.start()
    daemon.cli("ban", "-t", "1", "203.0.113.7")
    wait_until(
        lambda: "[custom] Unban 203.0.113.7\n" in daemon.log.read_text(), "the end of the ban", 5
    )
    wait_until(lambda: elements(daemon.namespace) == {}, "the end in the kernel", 5)
    assert asked(daemon)["custom"] == []


def test_unban(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    fail(journal, SIX, 3)
    wait_until(lambda: banned(daemon, SET6, "2001:db8:7::"), "the ban of a /64")
    daemon.cli("ban", ONE)
    done = daemon.cli("unban", ONE)
    assert done.stdout == f"Unbanned {ONE} from sshd\nUnbanned {ONE} from custom\n"
    assert elements(daemon.namespace).keys() == {(SET6, "2001:db8:7::")}
    # Any address of a counted network stands for all of it.
    assert daemon.cli("unban", "2001:db8:7::abcd").stdout == "Unbanned 2001:db8:7::/64 from sshd\n"
    assert elements(daemon.namespace) == {}
    done = daemon.cli("unban", ONE, check=False)
    assert (done.returncode, done.stdout) == (1, f"{ONE} is not banned\n")
    # It begins anew: two more failures are no ban, three are.
    fail(journal, ONE, 2)
    wait_until(lambda: asked(daemon, "status", "sshd")["found"] == 8, "eight failures")
    assert asked(daemon)["sshd"] == []
    fail(journal, ONE, 1)
    wait_until(lambda: banned(daemon, SET, ONE), "the second ban")
    assert asked(daemon)["sshd"][0]["offence"] == 1


def test_unban_of_networks(daemon: Daemon) -> None:
    daemon.start()
    daemon.cli("ban", "203.0.113.0/24", "203.0.113.7", "198.51.100.7")
    done = daemon.cli("unban", "203.0.113.7", check=False)
    assert done.returncode == 1
    assert "203.0.113.7 is still kept out by 203.0.113.0/24 in custom" in done.stdout
    daemon.cli("ban", "203.0.113.7")
    daemon.cli("unban", "203.0.112.0/23")
    assert elements(daemon.namespace).keys() == {(CUSTOM, "198.51.100.7")}
    daemon.cli("ban", "sshd", "198.51.100.7")
    said = daemon.cli("unban", "--jail", "custom", "198.51.100.7", check=False).stdout
    assert "198.51.100.7 is still kept out by 198.51.100.7 in sshd" in said
    assert elements(daemon.namespace).keys() == {(SET, "198.51.100.7")}
    daemon.cli("ban", "203.0.113.0/24")
    daemon.cli("unban", "--all")
    assert elements(daemon.namespace) == {}
    assert daemon.cli("unban", check=False).returncode == 64


def test_a_ban_that_ends_while_it_is_down(daemon: Daemon) -> None:
    daemon.start()
    daemon.cli("ban", "-t", "1", "203.0.113.7")
    daemon.stop()
    time.sleep(1.2)
    daemon.start()
    wait_until(
        lambda: "[custom] Unban 203.0.113.7\n" in daemon.log.read_text(), "the end of the ban", 5
    )
    assert query(daemon.database, "SELECT reason FROM bans") == [("expired",)]
    assert asked(daemon)["custom"] == []


def test_an_unban_survives_a_kill(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    daemon.cli("unban", ONE)
    daemon.kill()
    daemon.start()
    assert elements(daemon.namespace) == {}
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "another ban")
    assert asked(daemon)["sshd"][0]["offender"] == TWO
    ban(daemon, journal)
    assert [row["offence"] for row in asked(daemon)["sshd"]] == [1, 1]


def test_flush(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    done = daemon.cli("flush", check=False)
    assert done.returncode == 64
    assert "stop it first" in done.stderr
    assert banned(daemon, SET, ONE)
    daemon.stop()
    daemon.namespace.run(["nft", "add", "table", "inet", "mine"])
    assert daemon.cli("flush").stdout == "Removed table inet f2b-table\n"
    assert daemon.namespace.run(["nft", "list", "tables"]) == "table inet mine\n"
    assert "There is no wall of f2b" in daemon.cli("flush").stdout
    daemon.namespace.run(["nft", "add", "table", "inet", "f2b-table"])
    assert "There is no wall of f2b" in daemon.cli("flush").stdout, "somebody else's table"
    assert "f2b-table" in daemon.namespace.run(["nft", "list", "tables"])


# --- how answers look ---------------------------------------------------------------------------


def test_every_command_speaks_json(daemon: Daemon, journal: Journal) -> None:
    assert asked(daemon, "ping")["exit"] == 69
    daemon.start()
    ban(daemon, journal)
    assert daemon.process
    assert asked(daemon, "ping") == {"pong": True, "version": "0.1.0", "pid": daemon.process.pid}
    (row,) = asked(daemon)["sshd"]
    assert row.items() >= {
        "offender": ONE, "offence": 1, "failures": 3, "source": "counted", "enforced": True,
    }.items()  # fmt: skip
    assert row["until"] - row["start"] == HOUR
    status = asked(daemon, "status")
    assert status["degraded"] == []
    assert status["backend"] == "nftables"
    assert [each["name"] for each in status["jails"]] == ["sshd", "custom"]
    counted = {**row, "packets": 0, "bytes": 0}
    assert asked(daemon, "status", "sshd")["bans"] == [counted]
    assert asked(daemon, "ban", TWO) == {
        "jail": "custom",
        "banned": [TWO],
        "already": [],
        "unenforced": {},
    }
    assert asked(daemon, "unban", TWO, "203.0.113.1") == {
        "unbanned": [{"jail": "custom", "offender": TWO}],
        "not_banned": ["203.0.113.1"],
        "still_banned": [],
    }
    assert asked(daemon, "reload") == {"warnings": []}
    assert asked(daemon, "check") == {"jails": ["sshd", "custom"], "problems": []}
    assert asked(daemon, "status", "nosuch")["exit"] == 64
    assert asked(daemon, "flush")["exit"] == 64
    daemon.stop()
    assert asked(daemon, "flush") == {"table": "f2b-table", "removed": True}


def test_plain_text_in_a_pipe(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    assert daemon.cli().stdout == "Nobody is banned.\n"
    ban(daemon, journal)
    for words in ((), ("status",), ("status", "sshd")):
        said = daemon.cli(*words).stdout
        assert said.isascii()
        assert "\x1b" not in said
        assert "sshd" in said
    head, row = daemon.cli().stdout.splitlines()
    assert head.split()[:2] == ["JAIL", "BANNED"]
    assert row.split()[:2] == ["sshd", ONE]
    assert row.split()[-1] == "enforced"


def test_a_table_on_a_terminal(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    ban(daemon, journal)
    for words in ((), ("status",), ("status", "sshd")):
        said = on_a_terminal(daemon.namespace.command(daemon.cli_command(*words)))
        assert "╭" in said
        assert "╰" in said
        assert "Traceback" not in said
        assert (ONE in said) == (words != ("status",))


def on_a_terminal(argv: list[str]) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said = b""
    try:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
    finally:
        os.close(ours)
        process.wait(20)
    assert process.returncode == 0, said
    return said.decode()
