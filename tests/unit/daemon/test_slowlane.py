"""The child of the slow lane: killed, stopped, idle; and signals beside the loop's other work."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from f2b.daemon import slowlane
from tests.support.hostile import TRAPS
from tests.unit.daemon.pacing import DOMINO, Loop, first_regex, run, trapped


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "DEADLINE", 0.05)


# --- the child ---


def test_a_child_that_is_killed_is_replaced() -> None:
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3)
        await loop.settled()
        loop.feed(DOMINO.ordinary)
        await loop.settled()
        os.kill(loop.child(), signal.SIGKILL)
        loop.feed(DOMINO.ordinary, DOMINO.ordinary)
        await loop.settled()
        assert len(loop.found) == 3

    run(loop, body)


def test_a_child_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "PATIENCE", 2.0)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settled()
        os.kill(loop.child(), signal.SIGSTOP)
        loop.feed(DOMINO.ordinary)
        await loop.settled()
        assert len(loop.found) == 2

    run(loop, body)


def test_an_idle_child_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "IDLE", 0.05)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settled()
        child = loop.child()
        async with asyncio.timeout(5):
            while await asyncio.to_thread(Path(f"/proc/{child}").exists):
                await asyncio.sleep(0.01)
        loop.feed(DOMINO.ordinary)
        await loop.settled()
        assert len(loop.found) == 2

    run(loop, body)


def test_the_queue_of_a_jail_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slowlane, "CEILING", 5)
    loop = Loop(trapped(DOMINO), trapped(TRAPS["exponential"], name="other"))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 20, TRAPS["exponential"].hostile)
        await loop.settled()
        assert loop.pace.slow("sshd")["not_judged"] >= 15
        assert loop.pace.slow("other")["not_judged"] <= 1

    run(loop, body)
    assert capsys.readouterr().err.count("lines not judged") >= 1


# --- what Python does not promise ---


def test_ticks_harm_no_worker_thread(tmp_path: Path) -> None:
    """The store commits while regexes run: the signal goes to the main thread alone."""
    loop = Loop(trapped(DOMINO))
    blocked: list[bool] = []

    def write() -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        blocked.append(signal.SIGVTALRM in mask)
        with closing(sqlite3.connect(tmp_path / "db")) as db:
            db.execute("CREATE TABLE numbers (n)")
            for number in range(60):
                with db:
                    db.execute("INSERT INTO numbers VALUES (?)", (number,))

    async def body() -> None:
        writing = asyncio.create_task(asyncio.to_thread(write))
        while not writing.done():
            first_regex(loop).out = False
            loop.guard.quarantined.clear()
            loop.feed(DOMINO.hostile)
            await asyncio.sleep(0)
        await writing

    run(loop, body)
    assert blocked == [True]
