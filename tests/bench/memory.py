"""What a daemon that has nothing to do takes: memory, the time to be ready, an answer; and whether it grows by work."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench.daemons import Ours, Peer, Tail
from tests.bench.journals import journal
from tests.bench.meter import cost, resident, settle
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_most
from tests.bench.stock import jail_local, others
from tests.support.netns import Namespace
from tests.support.processes import wait_until

SMALL = 1000
REST = 2.0
"""Seconds until what a start needs is let go."""
FAMILIAR = 500
"""So few offenders are all known, to each of the jails, after half of a million entries."""


class Idle(NamedTuple):
    """Of each daemon: seconds until it was ready, and bytes a while later."""

    ready: list[float]
    size: list[float]
    their_ready: list[float]
    their_size: list[float]


def start(plan: Plan) -> Iterable[Row]:
    """From exec to READY, nothing kept from an earlier start; and the memory a while later."""
    ten, sixty = _idle(plan, 10), _idle(plan, 60)
    for jails, idle, must in ((10, ten, 0.3), (60, sixty, 0.6)):
        yield Row(
            what=f"exec to READY, {jails} jails", ours=idle.ready, peer=idle.their_ready,
            must=at_most(must),
        )  # fmt: skip
    yield Row(
        what="memory idle, 10 jails", unit="MB", ours=ten.size, peer=ten.their_size,
        must=at_most(40), aim=at_most(23),
    )  # fmt: skip
    yield Row(what="memory idle, 60 jails", unit="MB", ours=sixty.size, peer=sixty.their_size)


def _idle(plan: Plan, jails: int) -> Idle:
    folder = journal(SMALL)
    text = jail_local(others(jails - 3), banaction="nftables-multiport")
    found = Idle([], [], [], [])
    with (
        Namespace() as namespace,
        TemporaryDirectory() as room,
        Ours(Path(room, "ours"), namespace, text) as ours,
    ):
        for number in range(plan.rounds):
            ours.attach(folder, past=True)
            settle()
            found.ready.append(cost(lambda: ours.daemon.start(timeout=60)).wall)
            time.sleep(REST)
            found.size.append(resident(ours.pid) / 1e6)
            ours.daemon.stop()
            peer = Peer(Path(room, f"peer-{number}"), folder, namespace, text)
            seconds, size = _started(peer, jails)
            found.their_ready.append(seconds)
            found.their_size.append(size / 1e6)
    return found


def ping(plan: Plan) -> Iterable[Row]:
    """Each client is told where its daemon listens: f2b.conf says so only where it is not the usual place."""
    folder = journal(SMALL)
    ours, theirs, bare = [], [], []
    with Namespace() as namespace, TemporaryDirectory() as room:
        text = jail_local()
        peer = Peer(Path(room, "peer"), folder, namespace, text)
        with Ours(Path(room, "ours"), namespace, text) as daemon, peer.running():
            daemon.attach(folder)
            daemon.daemon.start()
            where = str(daemon.daemon.folder / "f2b.sock")
            tail = Tail(peer.log, "' started")
            wait_until(lambda: tail.has("' started", 3), "fail2ban")
            for _ in range(2 * plan.rounds + 1):
                settle()
                ours.append(cost(lambda: daemon.daemon.cli("--socket", where, "ping")).wall * 1000)
                theirs.append(cost(lambda: peer.client("ping")).wall * 1000)
                empty = [sys.executable, "-c", "pass"]
                bare.append(cost(lambda: subprocess.run(empty, check=True)).wall * 1000)  # noqa: B023
    yield Row(
        what="f2b ping; floor: python -c pass", unit="ms", ours=ours, peer=theirs, floor=bare,
        must=at_most(60),
    )  # fmt: skip


def flat(plan: Plan) -> Iterable[Row]:
    """The memory in the second half of a day's entries, when all offenders are known."""
    with (
        Namespace() as namespace,
        TemporaryDirectory() as room,
        Ours(Path(room), namespace, jail_local()) as ours,
    ):
        ours.attach(journal(plan.entries, offenders=FAMILIAR))
        sizes: list[float] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                if ours.daemon.process and ours.daemon.process.poll() is None:
                    sizes.append(resident(ours.pid) / 1e6)

        watcher = threading.Thread(target=watch)
        watcher.start()
        ours.run()
        over.set()
        watcher.join()
    half, tenth = len(sizes) // 2, max(1, len(sizes) // 10)
    yield Row(
        what=f"memory after {plan.entries:,} entries; floor: after half of them", unit="MB",
        ours=sizes[-tenth:], floor=sizes[half : half + tenth], judge=Judge.COST, must=at_most(1.1),
    )  # fmt: skip


def _started(peer: Peer, jails: int) -> tuple[float, float]:
    tail = Tail(peer.log, "' started")
    began = time.perf_counter()
    with peer.running() as process:
        wait_until(lambda: tail.has("' started", jails), "fail2ban", 60)
        seconds = time.perf_counter() - began
        time.sleep(REST)
        return seconds, resident(process.pid)
