"""The loop keeps its pace whatever hostile lines do, and nothing is lost by it."""

import asyncio
import re
import time

import pytest

from f2b.config.settings import FilterSettings, Located, Reading
from f2b.daemon import slowlane
from f2b.detect.budget import BUDGET, COST
from tests.support.hostile import TRAPS
from tests.unit.daemon.pacing import BEFORE, DOMINO, FIBONACCI, Loop, first_regex, run, trapped
from tests.unit.decide.making import HERE, entry, jail, located


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowlane, "DEADLINE", 0.05)


@pytest.mark.parametrize("name", TRAPS)
def test_after_three_hostile_lines_an_ordinary_one_is_found(name: str) -> None:
    trap = TRAPS[name]
    loop = Loop(trapped(trap))

    async def body() -> None:
        loop.feed(trap.hostile, trap.hostile, trap.hostile)
        assert first_regex(loop).out
        loop.feed(trap.ordinary)
        assert loop.found == []
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
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
        await loop.settled()
        loop.feed("one xx", "two 192.0.2.7", "between", "two 192.0.2.8")
        await loop.settled()
        assert loop.offenders[0] == ("sshd", "192.0.2.7")
        _, ring = loop.engine.jails["sshd"].filter._readings[0]
        assert ring
        assert "one xx" not in ring.add("x\n", 1100.0)

    run(loop, body)


@pytest.mark.parametrize(("first", "offender"), [("xx", ".7"), (f"{'x' * 60}!", ".8")])
def test_the_second_reading_waits_for_the_answer_to_the_first(first: str, offender: str) -> None:
    """What the first takes the second must not take as well; where nobody knows, the second is asked."""
    settings = FilterSettings(
        name="x", reading=Reading.BOTH, journalmatch=located("_UID=0"),
        failregex=located(r"^a: (?:x|xx)* <HOST>(?:x|xx)*$", r"^(?:x|xx)+.* and <HOST>$"),
    )  # fmt: skip
    loop = Loop(jail(filter=settings, maxretry=9))

    async def body() -> None:
        loop.feed(*[f"{'x' * 60}!"] * 3)
        await loop.settled()
        assert first_regex(loop).out
        loop.feed(f"{first} 192.0.2.7" if first == "xx" else f"{first} and 192.0.2.8")
        await loop.settled()
        assert loop.offenders == [("sshd", f"192.0.2{offender}")]

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


# --- what is said ---


def test_a_quarantine_is_spoken_of_once_and_never_in_the_attackers_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loop = Loop(trapped(DOMINO))

    async def body() -> None:
        loop.feed(*[DOMINO.hostile] * 5)
        loop.pace.keep_house()
        loop.pace.keep_house()
        ((jail_name, row),) = loop.pace.quarantined()
        assert jail_name == "sshd"
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
