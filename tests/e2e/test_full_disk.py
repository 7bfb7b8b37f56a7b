"""Invariant 6, protection before memory: whatever the disk does, bans come, and afterwards nothing is missing."""

import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.scenes import THREE
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

FIRST, SECOND, THIRD, HAND = "198.18.0.1", "198.18.0.2", "2001:db8:7::1", "198.18.0.9"
THIRDS = "2001:db8:7::/64"
SET, SET6, CUSTOM = "addr-set-sshd", "addr6-set-sshd-64", "addr-set-custom"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "f2b-test", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def on_disk(tmp_path: Path, disk: Path, server: Namespace, journal: Journal) -> Iterator[Daemon]:
    """A daemon with its database on that disk, which knows one ban already."""
    settings = {"dbfile": str(disk / "db")}
    daemon = Daemon(tmp_path / "f2b", journal.folder, server, jails=THREE, settings=settings)
    daemon.module = "tests.e2e.full_log"
    try:
        daemon.start()
        fail(journal, FIRST, 3)
        wait_until(lambda: banned(daemon, SET, FIRST), "the first ban")
        yield daemon
    finally:
        daemon.close()


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


def degraded(daemon: Daemon) -> str:
    return " ".join(asked(daemon, "status")["degraded"])


def failures(daemon: Daemon) -> Counter[str]:
    """How many are remembered of whom. A cursor is there once by the primary key."""
    rows = query(
        daemon.database, "SELECT offender, count(DISTINCT cursor) FROM failures GROUP BY offender"
    )
    return Counter(dict(rows))


def bans(daemon: Daemon) -> list[tuple[str, str, int]]:
    rows = query(daemon.database, "SELECT jail, offender, offence FROM bans ORDER BY 1, 2, 3")
    return [(jail, offender, offence) for jail, offender, offence in rows]


def attack(daemon: Daemon, journal: Journal) -> None:
    """Two more offenders; both are kept out at once, and status says that memory fails."""
    fail(journal, SECOND, 4)
    fail(journal, THIRD, 2)
    fail(journal, "2001:db8:7::2", 2)
    wait_until(lambda: banned(daemon, SET, SECOND), "a ban without memory", 5)
    wait_until(lambda: banned(daemon, SET6, "2001:db8:7::"), "an IPv6 ban without memory", 5)
    wait_until(lambda: "store: " in degraded(daemon), "degraded: store", 5)
    assert failures(daemon) == {FIRST: 3}
    assert bans(daemon) == [("sshd", FIRST, 1)]


def all_is_remembered(daemon: Daemon) -> bool:
    return failures(daemon) == {FIRST: 3, SECOND: 4, THIRDS: 4}


def assert_once(daemon: Daemon) -> None:
    assert bans(daemon) == [("sshd", FIRST, 1), ("sshd", SECOND, 1), ("sshd", THIRDS, 1)]
    # What is remembered is enforced a moment later.
    wait_until(lambda: len(elements(daemon.namespace)) == 3, "all three in the kernel", 2)
    wait_until(lambda: degraded(daemon) == "", "the end of degraded", 2)
    assert daemon.stop() == 0
    assert query(daemon.database, "PRAGMA integrity_check") == [("ok",)]


def test_full_and_freed_again(disk: Path, on_disk: Daemon, journal: Journal) -> None:
    fill(disk)
    attack(on_disk, journal)
    wait_until(lambda: any("degraded: store" in line for line in on_disk.notified()), "STATUS=")
    assert "degraded: store" in on_disk.cli("status").stdout
    (disk / "filler").unlink()
    wait_until(lambda: all_is_remembered(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")
    assert_once(on_disk)


def test_a_ban_by_hand_while_full(disk: Path, on_disk: Daemon) -> None:
    fill(disk)
    on_disk.cli("ban", HAND)
    assert banned(on_disk, CUSTOM, HAND)
    (disk / "filler").unlink()
    wait_until(lambda: ("custom", HAND, 1) in bans(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")


def test_full_then_killed_then_freed(disk: Path, on_disk: Daemon, journal: Journal) -> None:
    fill(disk)
    attack(on_disk, journal)
    on_disk.kill()
    assert banned(on_disk, SET, SECOND), "the kernel goes on without us"
    (disk / "filler").unlink()
    on_disk.start()
    wait_until(lambda: all_is_remembered(on_disk), "what is read from the journal again")
    assert_once(on_disk)


def test_killed_and_started_while_full(disk: Path, on_disk: Daemon, journal: Journal) -> None:
    """A start restores what is remembered and bans what it reads, though it can write nothing."""
    fill(disk)
    on_disk.kill()
    on_disk.namespace.run(["nft", "flush", "ruleset"])
    on_disk.start()
    assert banned(on_disk, SET, FIRST)
    attack(on_disk, journal)
    (disk / "filler").unlink()
    wait_until(lambda: all_is_remembered(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")
    assert_once(on_disk)


def test_stopped_while_full(disk: Path, on_disk: Daemon, journal: Journal) -> None:
    """It says that it could not write everything, ends all the same, and reads it again at the next start."""
    fill(disk)
    attack(on_disk, journal)
    assert on_disk.stop(15) == 0
    assert "the rest is read from the journal again" in on_disk.log.read_text()
    assert banned(on_disk, SET, SECOND)
    (disk / "filler").unlink()
    on_disk.start()
    wait_until(lambda: all_is_remembered(on_disk), "what is read from the journal again")
    assert_once(on_disk)


def test_nothing_can_be_forgotten_while_full(
    disk: Path, on_disk: Daemon, journal: Journal
) -> None:
    """Forgetting needs room too; it is put off, and nothing else suffers."""
    on_disk.stop()
    on_disk.module = "tests.e2e.impatient"
    on_disk.start()
    fill(disk)
    with closing(sqlite3.connect(disk / "db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.execute("ROLLBACK")
    attack(on_disk, journal)
    (disk / "filler").unlink()
    wait_until(lambda: all_is_remembered(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")
    assert_once(on_disk)


def test_locked_by_somebody_else(disk: Path, on_disk: Daemon, journal: Journal) -> None:
    with closing(sqlite3.connect(disk / "db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        attack(on_disk, journal)
        time.sleep(1)
        assert degraded(on_disk)
        other.execute("ROLLBACK")
    wait_until(lambda: all_is_remembered(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")
    assert_once(on_disk)


@pytest.fixture
def hanging(tmp_path: Path, on_disk: Daemon) -> Callable[[], Path]:
    """Restart it on a disk that will hang while the file exists that this gives."""

    def hang() -> Path:
        switch = tmp_path / "hang"
        assert on_disk.stop() == 0
        on_disk.module = "tests.e2e.slow_store"
        on_disk.start(environment={"F2B_HANG": str(switch)})
        switch.touch()
        return switch

    return hang


def test_a_commit_that_hangs(
    on_disk: Daemon, journal: Journal, hanging: Callable[[], Path]
) -> None:
    switch = hanging()
    attack(on_disk, journal)
    assert "takes longer than 1 s" in degraded(on_disk)
    on_disk.cli("ban", HAND)
    assert banned(on_disk, CUSTOM, HAND), "a hanging disk holds up no command"
    on_disk.cli("unban", HAND)
    switch.unlink()
    wait_until(lambda: all_is_remembered(on_disk), "what was kept in memory")
    wait_until(lambda: not degraded(on_disk), "the end of degraded")
    on_disk.kill()
    assert bans(on_disk)[1:] == [("sshd", FIRST, 1), ("sshd", SECOND, 1), ("sshd", THIRDS, 1)]


def test_killed_while_a_commit_hangs(
    on_disk: Daemon, journal: Journal, hanging: Callable[[], Path]
) -> None:
    switch = hanging()
    attack(on_disk, journal)
    on_disk.kill()
    switch.unlink()
    on_disk.module = "f2b"
    on_disk.start()
    wait_until(lambda: all_is_remembered(on_disk), "what is read from the journal again")
    assert_once(on_disk)


def test_stopped_while_a_commit_hangs(
    on_disk: Daemon, journal: Journal, hanging: Callable[[], Path]
) -> None:
    """systemd gives it 20 s."""
    switch = hanging()
    attack(on_disk, journal)
    assert on_disk.stop(15) in {0, 1}
    assert banned(on_disk, SET, SECOND)
    switch.unlink()


def test_a_folder_that_cannot_be_written(disk: Path, on_disk: Daemon) -> None:
    on_disk.kill()
    os.sync()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    on_disk.start(ready=False)
    assert on_disk.process
    assert on_disk.process.wait(10) != 0
    said = on_disk.log.read_text().splitlines()[-1]
    assert "Read-only file system" in said
    assert str(disk) in said
    assert "Traceback" not in on_disk.log.read_text()
    assert banned(on_disk, SET, FIRST), "the wall stands"


def test_started_on_a_full_disk_after_a_clean_stop(
    disk: Path, on_disk: Daemon, journal: Journal
) -> None:
    """Now even the files beside the database must be made anew."""
    assert on_disk.stop() == 0
    fill(disk)
    on_disk.namespace.run(["nft", "flush", "ruleset"])
    on_disk.start()
    assert banned(on_disk, SET, FIRST)
    fail(journal, SECOND, 4)
    wait_until(lambda: banned(on_disk, SET, SECOND), "a ban without memory", 5)


def test_a_database_of_before_on_a_full_disk(
    disk: Path, on_disk: Daemon, journal: Journal, tmp_path: Path
) -> None:
    """What the newer version adds has no room yet: that is no reason to let everybody in."""
    note = tmp_path / "note"
    text = f"[Definition]\nactionban = echo <ip> >> {note}\nnorestored = 1\n"
    (on_disk.config / "action.d/note.conf").write_text(text)
    on_disk.jails.write_text(THREE + "action = %(action_)s\n  note\n")
    assert on_disk.stop() == 0
    with closing(sqlite3.connect(on_disk.database)) as old:
        old.executescript("DROP TABLE outbox; PRAGMA user_version = 1; VACUUM;")
    fill(disk)
    on_disk.namespace.run(["nft", "flush", "ruleset"])
    on_disk.start()
    assert banned(on_disk, SET, FIRST)
    fail(journal, SECOND, 4)
    wait_until(lambda: banned(on_disk, SET, SECOND), "a ban without memory", 5)
    wait_until(lambda: note.exists() and note.read_text() == f"{SECOND}\n", "the action", 5)
    (disk / "filler").unlink()
    wait_until(lambda: degraded(on_disk) == "", "the memory", 15)
    assert on_disk.stop() == 0
    assert failures(on_disk) == {FIRST: 3, SECOND: 4}
    assert bans(on_disk) == [("sshd", FIRST, 1), ("sshd", SECOND, 1)]
    assert query(on_disk.database, "PRAGMA user_version") == [(2,)]
    assert not list(disk.glob("*.corrupt-*"))
