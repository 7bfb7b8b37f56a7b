"""The two daemons as processes, each on a configuration of its own kind, and what both find in a journal."""

import re
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from f2b.model import Position
from f2b.store import Batch, Store
from tests.bench.entries import SENTINEL
from tests.bench.journals import begin
from tests.bench.meter import cpu
from tests.bench.stock import PACKAGE, STOCK, THREE
from tests.e2e.outcome import query
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import end, mortal, wait_until

LONGEST = 600.0
_STARTED, _LAST = "' started", f"Found {SENTINEL}"

Found = Counter[tuple[str, str]]
"""How often which address was found in which jail."""


class Run(NamedTuple):
    """From exec to the verdict on the last failure: seconds, those until it was ready, and of CPU time from there."""

    wall: float
    ready: float
    cpu: float
    found: Found

    @property
    def reading(self) -> float:
        return self.wall - self.ready


class Peer:
    """fail2ban's server in the foreground, of Debian's package, which nobody installed."""

    def __init__(self, folder: Path, journal: Path, namespace: Namespace, jails: str) -> None:
        folder.mkdir(parents=True)
        self.config = folder / "etc"
        self.log = folder / "fail2ban.log"
        self._folder = folder
        self._namespace = namespace
        shutil.copytree(STOCK, self.config)
        (self.config / "jail.d/defaults-debian.conf").unlink()
        (self.config / "jail.local").write_text(jails)
        only_verdicts = "action =" if "banaction = null" in jails else ""
        (self.config / "jail.d/journal.local").write_text(
            f"[DEFAULT]\nbackend = systemd[journalpath={journal}]\n{only_verdicts}\n"
        )
        (self.config / "fail2ban.local").write_text(
            f"[DEFAULT]\ndbfile = {folder}/fail2ban.sqlite3\n"
        )

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        command = self._command("server", "--logtarget", str(self.log), "-x", "-f", "start")
        process = subprocess.Popen(
            mortal(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            end(process, 30)

    def client(self, *words: str) -> None:
        subprocess.run(self._command("client", *words), check=True, stdout=subprocess.DEVNULL)

    def _command(self, program: str, *words: str) -> list[str]:
        folder = self._folder
        command = [
            "env",
            f"PYTHONPATH={PACKAGE}/usr/lib/python3/dist-packages",
            "/usr/bin/python3",
            f"{PACKAGE}/usr/bin/fail2ban-{program}",
            *("-c", self.config, "-s", folder / "fail2ban.sock", "-p", folder / "fail2ban.pid"),
            *words,
        ]
        return self._namespace.command([str(word) for word in command])


class Tail:
    """How often words have come in a growing log; each part of it is read once."""

    def __init__(self, path: Path, *words: str) -> None:
        self._path = path
        self._at = 0
        self._seen = Counter(dict.fromkeys(words, 0))

    def has(self, word: str, times: int) -> bool:
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._at)
                lines, end, _ = log.read().rpartition(b"\n")
            self._at += len(lines + end)
            for each in self._seen:
                self._seen[each] += lines.count(each.encode())
        return self._seen[word] >= times


def peer_run(folder: Path, journal: Path, namespace: Namespace, jails: str) -> Run:
    """Let fail2ban read a journal."""
    daemon = Peer(folder, journal, namespace, jails)
    tail = Tail(daemon.log, _STARTED, _LAST)
    began = time.perf_counter()
    with daemon.running() as process:
        wanted = jails.count("enabled = true")
        wait_until(lambda: tail.has(_STARTED, wanted), "fail2ban's jails", LONGEST)
        ready, ready_cpu = time.perf_counter() - began, cpu(process.pid)
        wait_until(lambda: tail.has(_LAST, len(THREE)), "fail2ban's last failures", LONGEST)
        total, used = time.perf_counter() - began, cpu(process.pid)
    found = re.findall(r"\[(\S+)\] Found (\S+) - ", daemon.log.read_text())
    return Run(total, ready, used - ready_cpu, Counter(found))


class Ours(AbstractContextManager["Ours"]):
    """f2b on a journal, again and again: each run is the first one, or goes on where the journal begins."""

    def __init__(self, folder: Path, namespace: Namespace, jails: str, etc: Path = STOCK) -> None:
        self._source = folder / "journal"
        self._state = folder / "state"
        self._fresh = folder / "fresh"
        database = {"dbfile": str(self._state / "f2b.sqlite3")}
        self.daemon = Daemon(
            folder, self._source, namespace, jails=jails, etc=etc, settings=database
        )
        self._wanted = jails.count("enabled = true")

    @property
    def memory(self) -> Path:
        """The database that each run begins with a copy of."""
        return self._fresh / self.daemon.database.name

    @property
    def pid(self) -> int:
        assert self.daemon.process
        return self.daemon.process.pid

    def __exit__(self, *error: object) -> None:
        self.daemon.close()

    def attach(self, journal: Path, *, past: bool = False) -> None:
        """Put it before a journal. Without `past` its jails are known, so that all of it is live."""
        if not past and not self._fresh.exists():
            self.learn()
        shutil.rmtree(self._state, ignore_errors=True)
        if past:
            self._state.mkdir()
        else:
            shutil.copytree(self._fresh, self._state)
            with closing(Store(self.daemon.database)) as store:
                store.commit(Batch(position=Position(None, begin(journal))))
        self._point(journal)

    def learn(self) -> None:
        """A first start, with nothing to read: what is known then is what each later run begins with."""
        empty = self.daemon.folder / "empty"
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir()
        with Journal(empty):
            self._point(empty)
            self.daemon.start(timeout=60)
            count = "SELECT count(*) FROM jails"
            wait_until(
                lambda: query(self.daemon.database, count)[0][0] >= self._wanted, "the past", 60
            )
            wait_until((self._state / "sieve").exists, "the sieve", 60)
            self.daemon.stop()
        shutil.copytree(self._state, self._fresh)

    def _point(self, journal: Path) -> None:
        self._source.unlink(missing_ok=True)
        self._source.symlink_to(journal)

    def run(self) -> Run:
        """Start it and let it read everything; it still runs then."""
        began = time.perf_counter()
        self.daemon.start(timeout=60)
        ready, ready_cpu = time.perf_counter() - began, cpu(self.pid)
        with closing(sqlite3.connect(self.daemon.database, timeout=5)) as db:
            wait_until(lambda: _all_found(db), "our last failures", LONGEST)
            total, used = time.perf_counter() - began, cpu(self.pid)
            rows = db.execute("SELECT jail, address, count(*) FROM failures GROUP BY 1, 2")
            found = Counter({(jail, address): times for jail, address, times in rows})
        return Run(total, ready, used - ready_cpu, found)


def once(ours: Ours, folder: Path, *, past: bool = False) -> Run:
    ours.attach(folder, past=past)
    run = ours.run()
    ours.daemon.stop()
    return run


def _all_found(db: sqlite3.Connection) -> bool:
    # By the primary key: whoever asks a thousand times must not be the one who is slow.
    one = "SELECT 1 FROM failures WHERE jail = ? AND offender = ?"
    return all(db.execute(one, (jail, SENTINEL)).fetchone() for jail in THREE)
