"""The child of the slow lane: killed, stopped, idle; and signals beside the loop's other work."""

import asyncio
import math
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from f2b.config.settings import FilterSettings, UseDns
from f2b.daemon import slowlane
from f2b.decide.engine import Slow
from f2b.detect.search import Question
from tests.support.hostile import TRAPS
from tests.unit.daemon.pacing import BEFORE, DOMINO, Loop, first_regex, run, trapped
from tests.unit.decide.making import entry, jail, located

PYTHON = sys.executable


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


def test_a_child_that_a_catch_up_asks_is_not_ended_for_idleness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slowlane, "IDLE", 0.3)
    monkeypatch.setattr(slowlane, "DEADLINE", 0.5)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        past = Slow("sshd", loop.engine.jails["sshd"].filter, entry(""), Question(DOMINO.hostile))
        await loop.pace.lane.ask(past)
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settled()
        assert loop.offenders == [("sshd", "192.0.2.7")]

    run(loop, body)


def test_a_child_that_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine with too many processes, or while Python is upgraded."""
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await asyncio.sleep(0.5)
        monkeypatch.setattr(sys, "executable", PYTHON)
        await loop.settled()
        assert loop.offenders == [("sshd", "192.0.2.7")]

    run(loop, body)
    assert "cannot be started: No such file or directory" in capsys.readouterr().err


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    """Whoever kills the child does not wait for the end of a line."""
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settled()
        process = loop.pace.lane._child._process
        assert process
        assert process.stdout
        process.stdout.feed_data(b'{"take": {"reg')
        loop.feed(DOMINO.ordinary)
        await loop.settled()
        assert len(loop.found) == 2

    run(loop, body)


def test_after_a_reload_nothing_is_asked_for_a_filter_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever mends a regex need not wait for what the old one left."""
    monkeypatch.setattr(slowlane, "DEADLINE", 2.0)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 50)
        assert len(loop.holds) == 50
        loop.engine.swap([trapped(DOMINO)], 2000.0)
        await loop.settled(8)

    run(loop, body)


def test_what_waits_has_little_room_however_long_the_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slowlane, "ROOM", 10_000)
    settings = FilterSettings(
        name="x", failregex=located(DOMINO.failregex), journalmatch=located("_COMM=a"), maxlines=20
    )
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        first_regex(loop).out = True
        loop.guard.quarantined[first_regex(loop)] = math.inf
        for _ in range(2):
            loop.feed(*["x" * 1000] * 20)
            assert loop.pace.lane.waiting("sshd") < 9
            await loop.settled()

    run(loop, body)
    assert loop.pace.lane.dropped["sshd"] > 20


def test_where_many_wait_none_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "DEADLINE", 5.0)
    monkeypatch.setattr(slowlane, "CROWD", 1)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        first_regex(loop).out = True
        loop.guard.quarantined[first_regex(loop)] = math.inf
        loop.feed(*[DOMINO.hostile] * 5, DOMINO.ordinary)
        await loop.settled(4)
        assert loop.offenders == [("sshd", "192.0.2.7")]

    run(loop, body)


# --- what is still to be asked ---


def test_a_late_answer_that_names_a_host_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        return [(None, None, None, "", ("192.0.2.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    settings = FilterSettings(
        name="x", failregex=located(DOMINO.failregex), journalmatch=located("_COMM=a"),
        usedns=UseDns.YES,
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary.replace("192.0.2.7", "evil.test"))
        await loop.settled()
        assert loop.offenders == [("sshd", "192.0.2.9")]

    run(loop, body)


def test_the_lane_does_not_wait_for_the_command_of_another_jail() -> None:
    loop = Loop(
        trapped(DOMINO, ignorecommand=("sleep", "30")),
        trapped(DOMINO, name="other"),
    )

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 6)
        await loop.settled()
        loop.feed(DOMINO.ordinary, DOMINO.ordinary)
        async with asyncio.timeout(10):
            while len(loop.found) < 2:
                await asyncio.sleep(0.01)
        assert loop.offenders == [("other", "192.0.2.7")] * 2
        assert len(loop.holds) == 2
        await loop.questions.stop()

    run(loop, body)
    assert loop.holds.oldest() == BEFORE


@pytest.mark.parametrize("stopped", [False, True])
def test_of_a_late_answer_a_command_is_asked(stopped: bool) -> None:  # noqa: FBT001
    """At a stop it is not asked any more, and the position stays before the entry."""
    loop = Loop(trapped(DOMINO, ignorecommand=("sh", "-c", "exit 1")))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3)
        await loop.settled()
        loop.feed(DOMINO.ordinary)
        if stopped:
            await loop.questions.stop()
            while loop.pace.lane.waiting("sshd"):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
        else:
            await loop.settled()

    run(loop, body)
    assert len(loop.found) == (not stopped)
    assert loop.holds.oldest() == (BEFORE if stopped else None)


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
