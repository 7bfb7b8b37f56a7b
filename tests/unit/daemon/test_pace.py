"""The loop keeps its pace: hostile lines through the real timer, and through the child of the slow lane."""

import asyncio
import os
import re
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from f2b.config.settings import FilterSettings, Located
from f2b.daemon import slowlane
from f2b.daemon.events import Events, Level
from f2b.daemon.pace import Pace
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.detect.budget import BUDGET, COST, Regex
from f2b.model import Decision, Found, Position
from tests.support.hostile import TRAPS, Trap
from tests.unit.decide.making import HERE, entry, jail, located

FIBONACCI = r"(?:x|xx)*!"
BEFORE = Position("c0", 0.0)
DOMINO = TRAPS["domino"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "DEADLINE", 0.05)


class Loop:
    """An engine and a pace, and what is decided."""

    def __init__(self, *jails: Jail) -> None:
        self.engine = Engine(jails)
        self.holds = Holds()
        self.found: list[Found] = []
        events = Events("stderr", Level.WARNING, time.time)
        self.pace = Pace(self.engine, self.holds, events, self.carry_out, lambda: 2000.0)
        self.guard = self.engine.guard

    async def carry_out(self, decisions: Sequence[Decision]) -> None:
        self.found += [each for each in decisions if isinstance(each, Found)]

    def feed(self, *lines: str, warm: bool = False) -> None:
        entries = [(entry(line, 1000.0 + at), warm) for at, line in enumerate(lines)]
        while entries:
            fed = self.pace.feed(entries, BEFORE, 2000.0)
            self.found += [each for each in fed.decisions if isinstance(each, Found)]
            entries = entries[fed.entries :]

    async def settle(self, timeout: float = 20) -> None:
        """Wait until nothing waits any more."""
        async with asyncio.timeout(timeout):
            while self.holds:
                await asyncio.sleep(0.01)

    def child(self) -> int:
        process = self.pace.lane._child._process
        assert process
        return process.pid

    @property
    def offenders(self) -> list[tuple[str, str]]:
        return [(each.jail, str(each.offender)) for each in self.found]


def run(loop: Loop, body: Callable[[], Awaitable[None]]) -> None:
    async def together() -> None:
        loop.pace.start()
        task = asyncio.create_task(loop.pace.lane.run())
        try:
            await body()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    before = signal.getsignal(signal.SIGVTALRM)
    try:
        asyncio.run(together())
    finally:
        signal.signal(signal.SIGVTALRM, before)


def trapped(trap: Trap, *more: str, name: str = "sshd", **changes: object) -> Jail:
    regexes = located(trap.failregex, *more)
    settings = FilterSettings(name=name, failregex=regexes, journalmatch=located("_COMM=a"))
    return jail(name=name, filter=settings, maxretry=9, **changes)


def first_regex(loop: Loop, name: str = "sshd") -> Regex:
    regex: Regex = loop.engine.jails[name].filter.searcher.regexes[0]
    return regex


@pytest.mark.parametrize("name", TRAPS)
def test_after_three_hostile_lines_an_ordinary_one_is_found(name: str) -> None:
    trap = TRAPS[name]
    loop = Loop(trapped(trap))

    async def body() -> None:
        loop.feed(trap.hostile, trap.hostile, trap.hostile)
        assert first_regex(loop).out
        loop.feed(trap.ordinary)
        assert loop.found == []
        await loop.settle()
        assert loop.offenders == [("sshd", "192.0.2.7")]

    run(loop, body)


@pytest.mark.parametrize("name", TRAPS)
def test_a_hostile_line_takes_no_longer_than_the_budget(name: str) -> None:
    """CPU time; generous, for a machine that counts in hundredths of a second."""
    trap = TRAPS[name]
    loop = Loop(trapped(trap))

    async def body() -> None:
        before = time.thread_time()
        loop.feed(trap.hostile)
        assert time.thread_time() - before < 0.1

    run(loop, body)


@pytest.mark.parametrize("name", [name for name, trap in TRAPS.items() if trap.matching])
def test_a_line_that_would_match_is_no_danger_either(name: str) -> None:
    trap = TRAPS[name]
    loop = Loop(trapped(trap))

    async def body() -> None:
        loop.feed(*[trap.matching] * 4, trap.ordinary)
        await loop.settle()
        assert loop.offenders[-1] == ("sshd", "192.0.2.7")

    run(loop, body)


def test_the_other_regexes_of_the_filter_go_on_at_once() -> None:
    loop = Loop(trapped(DOMINO, "bad <HOST>$"))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 4, "bad 192.0.2.9")
        assert loop.offenders == [("sshd", "192.0.2.9")]

    run(loop, body)


def test_what_the_deadline_ends_leaves_the_regexes_after_it() -> None:
    loop = Loop(trapped(DOMINO, "! from <HOST>$"))

    async def body() -> None:
        loop.feed(f"{DOMINO.hostile} from 192.0.2.9")
        assert loop.found == []
        await loop.settle()
        assert loop.offenders == [("sshd", "192.0.2.9")]

    run(loop, body)


def test_another_jail_does_not_wait() -> None:
    loop = Loop(trapped(DOMINO), jail(name="other", maxretry=9))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 50, "bad 192.0.2.9")
        assert loop.offenders == [("other", "192.0.2.9")]
        assert loop.holds

    run(loop, body)


def test_a_jail_that_comes_after_the_budget_is_asked_late() -> None:
    loop = Loop(trapped(DOMINO), jail(name="other", maxretry=9))

    async def body() -> None:
        loop.feed(f"{DOMINO.hostile} bad 192.0.2.9")
        await loop.settle()
        assert loop.offenders == [("other", "192.0.2.9")]
        assert all(
            regex.strikes == 0 for regex in loop.engine.jails["other"].filter.searcher.regexes
        )

    run(loop, body)


def test_what_is_ignored_is_ignored_in_the_slow_lane_too() -> None:
    settings = FilterSettings(
        name="x", failregex=located(DOMINO.failregex), ignoreregex=located("refused from 192.0.2.7"),
        journalmatch=located("_COMM=a"),
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary, DOMINO.ordinary.replace(".7", ".8"))
        await loop.settle()
        assert loop.offenders == [("sshd", "192.0.2.8")]

    run(loop, body)


@pytest.mark.parametrize("where", ["prefregex", "ignoreregex"])
def test_a_slow_prefregex_or_ignoreregex_sends_every_line_to_the_slow_lane(where: str) -> None:
    slow = Located(r"a: (?:x|xx)*$|bad" if where == "prefregex" else r"(?:x|xx)*!", HERE)
    settings = FilterSettings(
        name="x", failregex=located("bad <HOST>"), journalmatch=located("_COMM=a"),
        prefregex=slow if where == "prefregex" else None,
        ignoreregex=(slow,) if where == "ignoreregex" else (),
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))
    hostile = (
        f"bad 192.0.2.8 {'x' * 60}" if where == "ignoreregex" else f"{'x' * 60}? bad 192.0.2.8"
    )

    async def body() -> None:
        loop.feed(hostile, hostile, hostile, "bad 192.0.2.7")
        assert loop.found == []
        await loop.settle()
        # Where ignoreregex cannot say, the failure counts: else a hostile end of a line would hide any attack.
        hidden = [("sshd", "192.0.2.8")] * 3 if where == "ignoreregex" else []
        assert loop.offenders == [*hidden, ("sshd", "192.0.2.7")]

    run(loop, body)


def test_sessions_go_on_in_the_slow_lane() -> None:
    settings = FilterSettings(
        name="x", prefregex=Located(r"^<F-MLFID>\S+ \w+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$", HERE),
        failregex=located("^<F-NOFAIL>from</F-NOFAIL> <HOST>$", "^bad (?:x|xx)*$"),
        journalmatch=located("_COMM=a"),
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        loop.feed(*[f"s1 bad {'x' * 60}!"] * 3, "s2 from 192.0.2.7", "s2 bad xx")
        assert loop.found == []
        await loop.settle()
        assert loop.offenders == [("sshd", "192.0.2.7")]

    run(loop, body)


def test_lines_that_a_late_answer_covers_are_gone() -> None:
    settings = FilterSettings(
        name="x", maxlines=5, journalmatch=located("_COMM=a"),
        failregex=located("^a: one (?:x|xx)*$<SKIPLINES>^a: two <HOST>$"),
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        loop.feed(*[f"one {'x' * 60}!"] * 3)
        assert first_regex(loop).out
        await loop.settle()
        loop.feed("one xx", "two 192.0.2.7", "between", "two 192.0.2.8")
        await loop.settle()
        assert loop.offenders[0] == ("sshd", "192.0.2.7")
        ring = loop.engine.jails["sshd"].filter._ring
        assert ring
        assert "one xx" not in ring.add("x\n", 1100.0)

    run(loop, body)


def test_warming_up_remembers_and_decides_nothing() -> None:
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary, warm=True)
        assert not loop.holds
        while loop.pace.lane.waiting("sshd"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert loop.found == []

    run(loop, body)


# --- the child ---


def test_a_child_that_is_killed_is_replaced() -> None:
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3)
        await loop.settle()
        loop.feed(DOMINO.ordinary)
        await loop.settle()
        os.kill(loop.child(), signal.SIGKILL)
        loop.feed(DOMINO.ordinary, DOMINO.ordinary)
        await loop.settle()
        assert len(loop.found) == 3

    run(loop, body)


def test_a_child_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "PATIENCE", 2.0)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settle()
        os.kill(loop.child(), signal.SIGSTOP)
        loop.feed(DOMINO.ordinary)
        await loop.settle()
        assert len(loop.found) == 2

    run(loop, body)


def test_an_idle_child_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "IDLE", 0.05)
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 3, DOMINO.ordinary)
        await loop.settle()
        child = loop.child()
        async with asyncio.timeout(5):
            while await asyncio.to_thread(Path(f"/proc/{child}").exists):
                await asyncio.sleep(0.01)
        loop.feed(DOMINO.ordinary)
        await loop.settle()
        assert len(loop.found) == 2

    run(loop, body)


def test_the_queue_of_a_jail_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slowlane, "CEILING", 5)
    loop = Loop(trapped(DOMINO), trapped(TRAPS["exponential"], name="other"))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 20, TRAPS["exponential"].hostile)
        await loop.settle()
        assert loop.pace.slow("sshd")["not_judged"] >= 15
        assert loop.pace.slow("other")["not_judged"] <= 1

    run(loop, body)
    assert capsys.readouterr().err.count("lines not judged") >= 1


# --- what is said ---


def test_a_quarantine_is_spoken_of_once_and_never_in_the_attackers_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 5)
        loop.pace.keep_house()
        loop.pace.keep_house()
        (row,) = loop.pace.quarantined("sshd")
        assert row["regex"] == str(HERE)
        assert 500 < row["left"] <= 600

    run(loop, body)
    said = capsys.readouterr().err
    assert said.count("quarantined for 10 min") == 1
    assert f"[sshd] the regex at {HERE} takes too long" in said
    assert "user user" not in said


def within_budget() -> str:
    """A message that keeps FIBONACCI busy for half the budget on this machine: each x more takes 1.6 times as long."""
    search = re.compile(FIBONACCI).search
    message = "x" * 15
    while True:
        before = time.thread_time()
        search(message)
        if time.thread_time() - before > BUDGET / 3:
            return message
        message += "x"


def test_a_flood_of_lines_within_the_budget_ends_in_quarantine_too() -> None:
    loop = Loop(jail(filter=FilterSettings(
        name="x", failregex=located(f"{FIBONACCI} <HOST>"), journalmatch=located("_COMM=a"),
    ), maxretry=9))  # fmt: skip
    message = within_budget()

    async def body() -> None:
        before = time.thread_time()
        loop.feed(*[message] * 1000)
        assert first_regex(loop).out
        assert time.thread_time() - before < 3 * COST
        assert len(loop.holds) > 500

    run(loop, body)


def test_a_slice_ends_while_there_is_more() -> None:
    """Others have their turn: each of these lines takes less than the budget, all together would take a second."""
    loop = Loop(jail(filter=FilterSettings(
        name="x", failregex=located(f"{FIBONACCI} <HOST>"), journalmatch=located("_COMM=a"),
    ), maxretry=9))  # fmt: skip
    message = within_budget()
    lines = [(entry(message, float(at)), False) for at in range(50)]

    async def body() -> None:
        slices = []
        while lines:
            fed = loop.pace.feed(lines, BEFORE, 2000.0)
            assert fed.last == lines[fed.entries - 1][0]
            slices.append(fed.entries)
            del lines[: fed.entries]
        assert max(slices) < 10

    run(loop, body)


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
