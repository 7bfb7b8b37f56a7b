"""How long another jail's ban and the admin's command wait while somebody floods the log with hostile lines."""

import asyncio
import time
from pathlib import Path

import pytest

from f2b.cli import client
from f2b.protocol import Ping
from tests.e2e.outcome import asked, query
from tests.e2e.scenes import MAIL, mail
from tests.e2e.test_hostile import TRAPPED, say
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.hostile import TRAPS
from tests.support.netns import Namespace
from tests.support.processes import wait_until

LINES = 2000
CEILING = 1.0
"""Seconds that a ban may take in the midst of a flood: a quarantine, and the lines before it. Reached: 0.15 to 0.3."""
LONGEST = 0.5
"""Seconds that any command may take: it waits for some slices of 40 ms. Reached: 0.15 to 0.35."""
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
    "exponential": TRAPS["domino"].hostile,
    "polynomial": POLYNOMIAL.hostile,
    "within the budget": "error" + " " * 450 + "!",
}


async def longest_ping(socket: Path, until: asyncio.Event) -> float:
    longest = 0.0
    while not until.is_set():
        began = time.perf_counter()
        await asyncio.to_thread(client.ask, socket, Ping())
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.005)
    return longest


async def flooded(daemon: Daemon, journal: Journal, line: str) -> tuple[float, float]:
    """How long the ban in the other jail takes from when it is logged, and how long commands take at most."""

    def attack() -> float:
        say(journal, *[line] * LINES)
        began = time.perf_counter()
        mail(journal, "198.18.0.1", 2)
        bans = "SELECT * FROM bans WHERE jail = 'mail'"
        wait_until(lambda: query(daemon.database, bans), "the ban", 60)
        return time.perf_counter() - began

    over = asyncio.Event()
    pings = asyncio.create_task(longest_ping(daemon.folder / "f2b.sock", over))
    taken = await asyncio.to_thread(attack)
    await asyncio.sleep(1)
    over.set()
    return taken, await pings


@pytest.mark.root
@pytest.mark.parametrize("name", FLOODS)
def test_flood(name: str, tmp_path: Path) -> None:
    with (
        Namespace() as server,
        Journal(tmp_path / "journal") as journal,
        Daemon(tmp_path / "f2b", journal.folder, server, jails=JAILS) as daemon,
    ):
        taken, longest = asyncio.run(flooded(daemon, journal, FLOODS[name]))
        quarantined = sum(
            len(asked(daemon, "status", jail)["slow_lane"]["quarantined"])
            for jail in ("trapped", "polynomial")
        )
    print(
        f"\n{name:18} ban after {taken * 1000:6.0f} ms, longest command {longest * 1000:4.0f} ms, "
        f"{quarantined} regexes quarantined"
    )
    assert taken < CEILING
    assert longest < LONGEST
