"""A daemon with 100,000 bans: what mending takes, its memory meanwhile, and how long others wait."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from f2b.actions import nft
from f2b.actions.netlink import KernelError, Netfilter, text
from f2b.actions.nft import Kind, Table
from f2b.addresses import Family, parse
from f2b.cli import client
from f2b.protocol import Ping
from tests.bench.bulk import SET, TABLE, fill, listed, offenders
from tests.bench.meter import waited
from tests.bench.plan import Plan
from tests.bench.rows import Row, at_most
from tests.e2e.scenes import THREE
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

WHOLE = 30.0
"""Seconds until the wall is whole again, with a rest of six times the repair before the second one."""
LONGEST = 0.5
"""Seconds for a ping. It is a connection and a few turns of the loop: wall.py measures the loop itself."""
MEMORY, ANSWER, LIFTED = 30.0, 200.0, 40.0
"""Megabytes for a repair, for an answer with all bans, which is one line of JSON, and to lift all of them.

Half of the last stays: who was banned is remembered.
"""


class Pings(threading.Thread):
    """One after the other, until the end. Without the time in which somebody else had the processor."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self._socket = daemon.folder / "f2b.sock"
        assert daemon.process
        self._pid = daemon.process.pid
        self._over = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        while not self._over.wait(0.005):
            began, before = time.perf_counter(), self._waited()
            client.ask(self._socket, Ping())
            took = time.perf_counter() - began - (self._waited() - before)
            self.longest = max(self.longest, took)

    def _waited(self) -> float:
        return waited() + waited(self._pid)

    def end(self) -> float:
        self._over.set()
        self.join()
        return self.longest


class Course:
    """What happens to a daemon, one thing after the other, and what each costs it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.rows: list[Row] = []

    @contextmanager
    def measured(self, what: str, most: float = MEMORY) -> Iterator[None]:
        """Time, memory above what it was, and the longest ping."""
        before = self._forget_peak()
        pings = Pings(self._daemon)
        pings.start()
        began = time.perf_counter()
        yield
        took, longest = time.perf_counter() - began, pings.end()
        more = (self._memory("VmHWM") - before) / 1e6
        self.rows += [
            Row(what=what, ours=[took], must=at_most(WHOLE)),
            Row(what=f"{what}: longest ping", ours=[longest], must=at_most(LONGEST)),
            Row(what=f"{what}: memory", unit="MB", ours=[more], must=at_most(most)),
        ]

    def _memory(self, what: str) -> int:
        """Bytes: VmRSS now, VmHWM at most."""
        found = re.search(rf"{what}:\s*(\d+) kB", (self._process / "status").read_text())
        assert found
        return int(found[1]) * 1024

    def _forget_peak(self) -> int:
        (self._process / "clear_refs").write_text("5")
        return self._memory("VmRSS")

    @property
    def _process(self) -> Path:
        assert self._daemon.process
        return Path(f"/proc/{self._daemon.process.pid}")


def mending(plan: Plan) -> Iterable[Row]:
    with (
        Namespace() as server,
        TemporaryDirectory() as room,
        Journal(Path(room, "journal")) as journal,
        closing(Daemon(Path(room, "f2b"), journal.folder, server, jails=THREE)) as daemon,
    ):
        fill(daemon, bans=plan.elements)
        daemon.start(timeout=60)
        assert "changed the wall" not in daemon.log.read_text(), "it was ourselves"
        time.sleep(2)
        course = Course(daemon)
        _disturb(course, daemon, server, plan.elements)
        yield from course.rows


def _disturb(course: Course, daemon: Daemon, server: Namespace, bans: int) -> None:
    hold = _holder(server)
    ends = [str(offender) for offender in (offenders(bans)[0], offenders(bans)[-1])]
    chain = ["chain", *TABLE, "jail-sshd"]
    with course.measured("flushed by others and restored"):
        server.run(["nft", "flush", "ruleset"])
        wait_until(lambda: all(map(hold, ends)), "the ends of the list", WHOLE)
    assert listed(server) == bans
    with course.measured("a rule put back, all compared"):
        server.run(["nft", "flush", *chain])
        wait_until(lambda: "sshd" in server.run(["nft", "list", *chain]), "mending", WHOLE)
    time.sleep(3)
    with course.measured("a listing by nft"):
        assert listed(server) == bans
    with course.measured("f2b status custom --json", ANSWER):
        assert daemon.cli("status", "custom", "--json").stdout.count('"offender"') == bans
    with course.measured("f2b unban --all", LIFTED):
        daemon.cli("unban", "--all")
        wait_until(lambda: not any(map(hold, ends)), "an empty set", WHOLE)
    assert listed(server) == 0


def _holder(server: Namespace) -> Callable[[str], bool]:
    """Ask the kernel for one element; nft would list the whole set for that."""
    with server.inside():
        door = Netfilter()

    def hold(address: str) -> bool:
        key = nft.plain_elements(Family.INET, [parse(address).packed])
        question = Table(TABLE[1]).named + text(2, SET) + nft.only(key)
        with suppress(KernelError):
            return bool([*door.ask(Kind.GETSETELEM, question)])
        return False

    return hold
