"""A daemon with 100,000 bans: how it starts, what mending takes, and how long others wait meanwhile."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from f2b.actions import nft
from f2b.actions.netlink import KernelError, Netfilter, text
from f2b.actions.nft import Kind, Table
from f2b.addresses import Family, parse
from f2b.cli import client
from f2b.model import Ban, Banned, Source
from f2b.protocol import Ping
from f2b.store import Batch, Store
from tests.bench.bench_nftables import BANS, MEMORY, waited
from tests.e2e.scenes import THREE
from tests.e2e.test_heal import cpu
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

WHOLE = 30.0
"""Seconds until the wall is whole again, with a rest of six times the repair before the second one."""
LONGEST = 0.5
"""Seconds for a ping. It is a connection and a few turns of the loop: bench_nftables.py measures the loop itself."""
ANSWER = 200e6
"""Bytes for an answer with all bans, which is one line of JSON. Reached: 125 MB."""
TABLE, SET = ["inet", "f2b-table"], "addr-set-custom"


def memory(daemon: Daemon, what: str) -> int:
    """Bytes: VmRSS now, VmHWM at most."""
    assert daemon.process
    text = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(rf"{what}:\s*(\d+) kB", text)
    assert found
    return int(found[1]) * 1024


def forget_peak(daemon: Daemon) -> int:
    assert daemon.process
    Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5")
    return memory(daemon, "VmRSS")


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


@contextmanager
def measured(daemon: Daemon, what: str, most: float = MEMORY) -> Iterator[None]:
    """Time, memory above what it was, and the longest ping."""
    before = forget_peak(daemon)
    pings = Pings(daemon)
    pings.start()
    assert daemon.process
    began, used = time.perf_counter(), cpu(daemon.process.pid)
    yield
    used = cpu(daemon.process.pid) - used
    took, longest = time.perf_counter() - began, pings.end()
    more = memory(daemon, "VmHWM") - before
    print(
        f"{what:24} {took:5.2f} s, {used:4.2f} of a processor, {more / 1e6:5.1f} MB more, "
        f"longest ping {longest * 1000:4.0f} ms"
    )
    assert more < most, what
    assert longest < LONGEST, what


def filled(daemon: Daemon) -> None:
    """A memory with as many bans by hand."""
    daemon.start()
    daemon.stop()
    now = time.time()
    bans = (
        Ban(
            "custom",
            parse(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"),
            now,
            now + 3600,
            1,
            Source.HAND,
        )
        for n in range(BANS)
    )
    with closing(Store(daemon.database)) as store:
        store.commit(Batch(tuple(map(Banned, bans))))


@pytest.mark.root
def test_a_hundred_thousand_bans(tmp_path: Path) -> None:
    def held(address: str) -> bool:
        # nft would list the whole set for that.
        key = nft.plain_elements(Family.INET, [parse(address).packed])
        question = Table(TABLE[1]).named + text(2, SET) + nft.only(key)
        with suppress(KernelError):
            return bool([*door.ask(Kind.GETSETELEM, question)])
        return False

    def count() -> int:
        return server.run(["nft", "list", "set", *TABLE, SET], check=False).count("expires")

    ends = "10.0.0.0", f"10.{BANS - 1 >> 16}.{BANS - 1 >> 8 & 255}.{BANS - 1 & 255}"
    with (
        Namespace() as server,
        Journal(tmp_path / "journal") as journal,
        closing(Daemon(tmp_path / "f2b", journal.folder, server, jails=THREE)) as daemon,
    ):
        with server.inside():
            door = Netfilter()
        filled(daemon)
        began = time.perf_counter()
        daemon.start(timeout=60)
        print(f"\nready after {time.perf_counter() - began:.1f} s", end=", ")
        assert count() == BANS
        assert "changed the wall" not in daemon.log.read_text(), "it was ourselves"
        time.sleep(2)
        print(f"idle {memory(daemon, 'VmRSS') / 1e6:.0f} MB")
        with measured(daemon, "flushed and restored"):
            server.run(["nft", "flush", "ruleset"])
            wait_until(lambda: all(map(held, ends)), "the ends of the list", WHOLE)
        assert count() == BANS
        with measured(daemon, "compared"):
            server.run(["nft", "flush", "chain", *TABLE, "jail-sshd"])
            wait_until(
                lambda: "sshd" in server.run(["nft", "list", "chain", *TABLE, "jail-sshd"]),
                "mending",
                WHOLE,
            )
        time.sleep(3)
        with measured(daemon, "a listing by nft"):
            assert count() == BANS
        with measured(daemon, "f2b status custom", ANSWER):
            assert daemon.cli("status", "custom", "--json").stdout.count('"offender"') == BANS
        with measured(daemon, "f2b unban --all"):
            daemon.cli("unban", "--all")
            wait_until(lambda: not any(map(held, ends)), "an empty set", WHOLE)
        assert count() == 0
        door.close()
