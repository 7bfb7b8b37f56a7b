"""How long another jail's ban and the admin's command wait while somebody floods the log with hostile lines."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from f2b.cli import client
from f2b.protocol import Ping
from tests.bench.plan import Plan
from tests.bench.rows import Row, at_most
from tests.e2e.outcome import query
from tests.e2e.scenes import MAIL, mail
from tests.e2e.test_hostile import TRAPPED, say
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.hostile import TRAPS
from tests.support.netns import Namespace
from tests.support.processes import wait_until

LINES = 2000
POLYNOMIAL = TRAPS["polynomial"]
JAILS = f"""{TRAPPED}{MAIL}
[polynomial]
enabled = true
filter =
failregex = {POLYNOMIAL.failregex}
journalmatch = SYSLOG_IDENTIFIER=domino
"""
FLOODS = {
    "no flood": "nothing at all",
    "an exponential flood": TRAPS["domino"].hostile,
    "a polynomial flood": POLYNOMIAL.hostile,
    "a flood within the budget": "error" + " " * 450 + "!",
}


def floods(_plan: Plan) -> Iterable[Row]:
    for name, line in FLOODS.items():
        with (
            Namespace() as server,
            TemporaryDirectory() as room,
            Journal(Path(room, "journal")) as journal,
            Daemon(Path(room, "f2b"), journal.folder, server, jails=JAILS) as daemon,
        ):
            taken, longest = asyncio.run(_flooded(daemon, journal, line))
        # A quarantine, and the lines before it.
        yield Row(what=f"{name}: another jail's ban", ours=[taken], must=at_most(1))
        # It waits for some slices of 40 ms.
        yield Row(what=f"{name}: longest command", ours=[longest], must=at_most(0.5))


async def _flooded(daemon: Daemon, journal: Journal, line: str) -> tuple[float, float]:
    """How long the ban in the other jail takes from when it is logged, and how long commands take at most."""

    def attack() -> float:
        say(journal, *[line] * LINES)
        began = time.perf_counter()
        mail(journal, "198.18.0.1", 2)
        bans = "SELECT * FROM bans WHERE jail = 'mail'"
        wait_until(lambda: query(daemon.database, bans), "the ban", 60)
        return time.perf_counter() - began

    over = asyncio.Event()
    pings = asyncio.create_task(_longest_ping(daemon.folder / "f2b.sock", over))
    taken = await asyncio.to_thread(attack)
    await asyncio.sleep(1)
    over.set()
    return taken, await pings


async def _longest_ping(socket: Path, until: asyncio.Event) -> float:
    longest = 0.0
    while not until.is_set():
        began = time.perf_counter()
        await asyncio.to_thread(client.ask, socket, Ping())
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.005)
    return longest
