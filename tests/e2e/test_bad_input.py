"""What is wrong gets one clear message with the place and the way out, its exit status, and costs nothing."""

import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from f2b.schema import VERSION
from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.refusals import FILES, closed, refusal, settings, without
from tests.e2e.scenes import ONE, SET, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


def test_no_configuration(daemon: Daemon) -> None:
    shutil.rmtree(daemon.config)
    said = refusal(daemon, 78)
    assert (
        said
        == f"{daemon.config} cannot be read: No such file or directory (-c names another directory)"
    )


def test_an_empty_configuration(daemon: Daemon) -> None:
    shutil.rmtree(daemon.config)
    daemon.config.mkdir()
    assert "holds no jail.conf" in refusal(daemon, 78)


def test_a_configuration_that_may_not_be_read(daemon: Daemon) -> None:
    closed(daemon.config)
    assert "cannot be read: Permission denied" in refusal(daemon, 78, *without(FILES))


def test_a_file_that_may_not_be_read(daemon: Daemon) -> None:
    closed(daemon.config / "jail.conf")
    said = refusal(daemon, 78, *without(FILES))
    assert said.startswith("jail.conf: cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dbpurgeage = soon", "dbpurgeage needs a duration: "),
        ("table = a b", "table needs a name that nft can print"),
        ("latency = fats", "latency needs fast or balanced or quiet, got 'fats'"),
        ("journal = here", "journal needs system, namespace:NAME or an absolute directory, got"),
        ("socket = %(nothing)s", ""),
        ("[Definition", ""),
        ("nonsense", ""),
    ],
)
def test_f2b_conf(daemon: Daemon, line: str, said: str) -> None:
    settings(daemon, line)
    assert refusal(daemon, 78).startswith(f"f2b.d/last.local:2: {said}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bantime = soon", "jail.d/test.conf:3: bantime needs a duration: "),
        ("bantime = 0", "jail.d/test.conf:3: bantime needs a duration above zero"),
        ("findtime = -1", "jail.d/test.conf:3: findtime needs a duration above zero"),
        (
            "bantime.formula = ban.Tim",
            "jail.d/test.conf:3: bantime.formula needs a formula: 'ban.Tim' is not understood",
        ),
        (
            "maxretry = 0",
            "jail.d/test.conf:3: maxretry needs a whole number of at least 1, got '0'",
        ),
        (
            "ignoreip = 1",
            "jail.d/test.conf:3: ignoreip needs addresses, networks, host names and files, got '1'",
        ),
        ("failregex = Failed (", "jail.d/test.conf:3: bad regex: "),
        (
            "filter =\nfailregex = Failed\njournalmatch = *",
            "jail.d/test.conf:4: failregex captures no address",
        ),
        (
            "filter =\nfailregex = <HOST>",
            "jail.d/test.conf:2: filter '' has a failregex and no journalmatch",
        ),
        ("journalmatch = sshd", "jail.d/test.conf:3: journalmatch needs FIELD=value, got 'sshd'"),
        ("mode = fierce", "has no mode 'fierce'"),
        ("filter = nosuch", "there is no filter 'nosuch'"),
        ("bantime = %(nothing)s", "jail.d/test.conf:3: "),
        (
            "banaction = shorewall",
            "jail.d/test.conf:3: banaction 'shorewall' is no firewall of f2b's",
        ),
        ("banaction = nftables-multiport\nport = nosuchservice", "jail.d/test.conf:4: port "),
    ],
)
def test_a_jail(daemon: Daemon, journal: Journal, line: str, said: str) -> None:
    """check and reload refuse it; a start leaves it out, says so, and runs the others."""
    daemon.jails.write_text(
        f"[sshd]\nenabled = true\n{line}\n[second]\nenabled = true\nfilter = sshd\nmaxretry = 2\n"
    )
    done = daemon.cli("check", check=False)
    assert done.returncode == 78
    (told,) = (text for text in done.stdout.splitlines() if text.startswith("error: "))
    assert said in told
    daemon.start()
    assert said in daemon.log.read_text()
    fail(journal, ONE, 2)
    wait_until(lambda: banned(daemon, "addr-set-second", ONE), "a ban by the jail that works")
    (broken,) = (
        row["broken"] for row in asked(daemon, "status")["jails"] if row["name"] == "sshd"
    )
    assert said in broken
    done = daemon.cli("reload", check=False)
    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in daemon.log.read_text()


def test_all_errors_at_once(daemon: Daemon) -> None:
    daemon.jails.write_text("[sshd]\nenabled = perhaps\n[custom]\nbantime = soon\nmaxretry = x\n")
    errors = [
        line for line in daemon.cli("check", check=False).stdout.splitlines() if "error: " in line
    ]
    assert [line.split()[1] for line in errors] == [
        f"jail.d/test.conf:{number}:" for number in (2, 5, 4)
    ]


@pytest.mark.parametrize("section", ["DEFAULT", "sshd"])
def test_an_unknown_option(daemon: Daemon, section: str) -> None:
    """A warning with the place, and a guess; nothing stops."""
    daemon.jails.write_text(f"[{section}]\nmaxretries = 7\n")
    done = daemon.cli("check")
    assert "warning: jail.d/test.conf:2: " in done.stdout
    assert "maxretries" in done.stdout
    assert "did you mean maxretry?" in done.stdout
    daemon.start()
    assert "WARNING jail.d/test.conf:2: " in daemon.log.read_text()


def test_an_unknown_option_of_the_daemon(daemon: Daemon) -> None:
    settings(daemon, "dbfiel = /tmp/x")
    daemon.start()
    assert "WARNING f2b.d/last.local:2: " in daemon.log.read_text()
    assert "did you mean dbfile?" in daemon.log.read_text()


@pytest.mark.parametrize(
    "words", [("bam", ONE), ("ban",), ("status", "a", "b"), ("--nosuch",), ("unban",)]
)
def test_usage(daemon: Daemon, words: tuple[str, ...]) -> None:
    refusal(daemon, 64, words=words)


@pytest.mark.parametrize(
    "words", [(), ("status",), ("ban", ONE), ("unban", ONE), ("reload",), ("ping",)]
)
def test_no_daemon(daemon: Daemon, words: tuple[str, ...]) -> None:
    said = refusal(daemon, 69, words=words)
    assert said.startswith("f2b is not running: ")
    assert "systemctl start f2b" in said


# --- database -----------------------------------------------------------------------------------


def stopped(daemon: Daemon) -> None:
    """With all of the memory in one file: whoever is the last to close a database sees to that."""
    assert daemon.stop() == 0
    query(daemon.database, "SELECT * FROM position")


def garbage(path: Path) -> None:
    path.write_bytes(b"This is not a database. " * 500)


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 - 100])


def bad_page(path: Path) -> None:
    """Everything after the schema's page is noise."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def bad_schema(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xa5" * 3996 + content[4096:])


@pytest.mark.parametrize("harm", [garbage, truncated, bad_page, bad_schema])
def test_a_corrupt_database(
    daemon: Daemon, journal: Journal, harm: Callable[[Path], None]
) -> None:
    """It is set aside; what findtime covers is read again, and bans that the kernel holds stay."""
    daemon.start()
    fail(journal, ONE, 3)
    fail(journal, TWO, 2)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    wait_until(lambda: len(query(daemon.database, "SELECT * FROM failures")) == 5, "five failures")
    stopped(daemon)
    harm(daemon.database)
    spoilt = daemon.database.read_bytes()
    daemon.start()
    aside = daemon.database.with_name("f2b.sqlite3.corrupt-1")
    assert f"{daemon.database} was corrupt: moved to {aside}" in daemon.log.read_text()
    assert aside.read_bytes() == spoilt
    wait_until(lambda: banned(daemon, SET, ONE), "what is within findtime")
    fail(journal, TWO)
    wait_until(lambda: banned(daemon, SET, TWO), "two failures before, one after")
    assert len(query(daemon.database, "SELECT * FROM failures")) == 6
    stopped(daemon)
    garbage(daemon.database)
    daemon.start()
    assert aside.read_bytes() == spoilt
    assert daemon.database.with_name("f2b.sqlite3.corrupt-2").exists()
    assert "Traceback" not in daemon.log.read_text()


def test_a_corrupt_database_lifts_no_ban(daemon: Daemon) -> None:
    """The kernel still has what memory has not: it is taken over."""
    daemon.start()
    daemon.cli("ban", "-t", "1d", ONE, "203.0.113.0/24", "2001:db8:7::/64")
    daemon.cli("ban", "-t", "-1", TWO)
    before = elements(daemon.namespace)
    stopped(daemon)
    garbage(daemon.database)
    daemon.start()
    after = elements(daemon.namespace)
    assert after.keys() == before.keys()
    assert after["addr-set-custom", ONE] == pytest.approx(before["addr-set-custom", ONE], abs=2.5)
    assert after["addr-set-custom", TWO] is None
    assert [row["offender"] for row in asked(daemon)["custom"]] == [
        ONE,
        TWO,
        "203.0.113.0/24",
        "2001:db8:7::/64",
    ]


def test_an_empty_database(daemon: Daemon) -> None:
    daemon.database.touch()
    daemon.start()
    assert not list(daemon.folder.glob("*.corrupt*"))


def test_a_database_of_a_newer_version(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    stopped(daemon)
    with closing(sqlite3.connect(daemon.database)) as db:
        db.execute("PRAGMA user_version = 99")
    before = daemon.database.read_bytes()
    said = refusal(daemon, 78)
    assert f"was written by a newer f2b (schema 99, this one knows {VERSION})" in said
    assert "install that version again" in said
    assert daemon.database.read_bytes() == before
    assert banned(daemon, SET, ONE)


def test_a_database_of_somebody_else(daemon: Daemon) -> None:
    with closing(sqlite3.connect(daemon.database)) as db:
        db.execute("CREATE TABLE precious (thing)")
    before = daemon.database.read_bytes()
    assert f"{daemon.database} is not a database of f2b" in refusal(daemon, 78)
    assert daemon.database.read_bytes() == before


# --- the wall -----------------------------------------------------------------------------------


def test_a_table_of_somebody_else(daemon: Daemon) -> None:
    daemon.namespace.run(
        ["nft", "-f", "-"], stdin="table inet f2b-table {\nchain theirs {\ncounter\n}\n}\n"
    )
    before = daemon.namespace.run(["nft", "list", "ruleset"])
    said = refusal(daemon, 78)
    assert "the nftables table inet f2b-table is not f2b's" in said
    assert "--takeover" in said
    assert "table =" in said
    assert daemon.namespace.run(["nft", "list", "ruleset"]) == before


def test_no_refusal_spoils_anything(daemon: Daemon, journal: Journal) -> None:
    """After all of these the daemon starts as if nothing had been."""
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    daemon.stop()
    before = elements(daemon.namespace)
    refusal(daemon, 77, *without("net_admin"))
    jails = daemon.jails.read_text()
    daemon.jails.write_text("nonsense\n")
    refusal(daemon, 78)
    daemon.jails.write_text(jails)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(daemon.folder / "f2b.sock"))
        other.listen()
        refusal(daemon, 78)
    fail(journal, TWO, 3)
    daemon.start()
    wait_until(lambda: banned(daemon, SET, TWO), "what was logged meanwhile")
    assert elements(daemon.namespace)[SET, ONE] == pytest.approx(before[SET, ONE], abs=2.5)
