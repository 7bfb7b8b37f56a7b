"""What regexes may cost: strikes, quarantine, and searches that can be interrupted."""

import re
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.detect import budget
from f2b.detect.budget import (
    BUDGET,
    COST,
    QUARANTINE,
    STRIKES,
    WINDOW,
    Guard,
    OverBudget,
    Regex,
    anchored,
    searching,
)
from f2b.detect.failregex import compile_regex
from tests.support.hostile import TRAPS
from tests.unit.decide.making import located

TICK = 0.005


class Run:
    """Entries that take a while, without a clock of their own."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.cpu = self.now = 1000.0
        self.guard.wake(self.cpu)

    def entry(self, *parts: tuple[Regex, float]) -> bool:
        """Ask regexes for so many seconds each; say whether that was too much."""
        self.guard.begin()
        try:
            for regex, seconds in parts:
                self.guard.running = regex
                for _ in range(round(seconds / TICK)):
                    self.work(TICK)
                    self.guard.tick(self.cpu, self.now)
        except OverBudget:
            return True
        finally:
            self.guard.running = None
        return False

    def work(self, seconds: float) -> None:
        self.cpu += seconds
        self.now += seconds

    def wait(self, seconds: float) -> None:
        self.now += seconds


def regex() -> Regex:
    return Regex(re.compile("a"))


def test_an_entry_may_take_its_budget() -> None:
    run = Run()
    assert not run.entry((regex(), BUDGET))
    assert not run.guard.over


def test_beyond_it_the_search_ends() -> None:
    run, slow = Run(), regex()
    assert run.entry((slow, 10))
    assert run.cpu < 1000 + BUDGET + 3 * TICK
    assert run.guard.over
    assert slow.strikes == 1


def test_all_regexes_of_an_entry_share_its_budget() -> None:
    run = Run()
    many = [regex() for _ in range(10)]
    assert run.entry(*((each, BUDGET / 2) for each in many))
    assert sum(each.strikes for each in many) == 0, "no one took most of it"


def test_nothing_is_raised_where_nothing_is_searched() -> None:
    run = Run()
    run.guard.begin()
    for _ in range(100):
        run.work(TICK)
        run.guard.tick(run.cpu, run.now)


def test_the_next_entry_begins_anew() -> None:
    run, slow = Run(), regex()
    run.entry((slow, 10))
    assert not run.entry((slow, BUDGET / 2))
    assert not run.guard.over


def test_three_strikes_are_out() -> None:
    run, slow = Run(), regex()
    for number in range(STRIKES):
        assert not slow.out, number
        run.entry((slow, 10))
    assert slow.out
    assert run.guard.news == [slow]


def test_strikes_of_long_ago_are_forgotten() -> None:
    run, slow = Run(), regex()
    for _ in range(STRIKES - 1):
        run.entry((slow, 10))
    run.wait(QUARANTINE + 1)
    run.entry((slow, 10))
    assert not slow.out


def test_the_quarantine_ends() -> None:
    run, slow = Run(), regex()
    for _ in range(STRIKES):
        run.entry((slow, 10))
    assert run.guard.rearm(run.now + QUARANTINE / 2) == []
    assert run.guard.rearm(run.now + QUARANTINE) == [slow]
    assert not run.guard.quarantined
    run.entry((slow, 10))
    assert not slow.out, "it begins without strikes"


def test_many_searches_within_the_budget_are_too_much_together() -> None:
    run, slow = Run(), regex()
    entries = 0
    while not slow.out:
        assert not run.entry((slow, BUDGET - TICK))
        entries += 1
        assert entries < 1000
    assert slow.strikes == 0
    assert entries * (BUDGET - TICK) == pytest.approx(COST, rel=0.1)


def test_a_flood_of_cheap_searches_is_not() -> None:
    run, cheap = Run(), regex()
    for _ in range(2000):
        for _ in range(100):
            run.entry((cheap, 0))  # no tick falls into these
        run.entry((cheap, TICK))
    assert run.cpu > 1000 + 5 * COST
    assert not cheap.out


def test_the_cost_of_long_ago_is_forgotten() -> None:
    run, slow = Run(), regex()
    for _ in range(10):
        run.entry((slow, BUDGET - TICK))
        run.wait(0.9 * WINDOW)
    assert slow.cost < 0.1


# --- searches ---

PATTERNS = [
    "a", "a*?b", "^a|b", "(?<=a)b", r"\bb", "b$", "", "(?m)^b", r"(a|b)\1", "^a", "(?!a).", "(?i)A", "(?x) b # a",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text("ab\n", max_size=12))
def test_what_can_be_interrupted_finds_the_same(pattern: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "INTERRUPTIBLE", False)
        patch.setattr(budget, "SHORT", 0)
        compiled = re.compile(pattern)
        ours, theirs = searching(compiled)(text), compiled.search(text)
    assert (ours and ours.span()) == (theirs and theirs.span())


@pytest.mark.parametrize(
    ("pattern", "fixed"),
    [
        ("^a", True), (r"\Aa|b", False), ("^a|b", False), ("^(?:a|b)", True), (r"^a\|b", True),
        ("^[|]a", True), ("^[]|]", True), ("(?i)^a", True), ("(?m)^a", False), ("a", False),
        (r"^\(|b", False), ("(?x) ^a", False), ("(^a|b)", False), (r"^[\]|(]b", True),
    ],
)  # fmt: skip
def test_what_begins_at_the_start_is_known(pattern: str, *, fixed: bool) -> None:
    assert anchored(re.compile(pattern)) is fixed


@pytest.mark.parametrize("name", TRAPS)
def test_the_traps_are_real(name: str) -> None:
    """Each takes its ordinary line, so that a verdict on its hostile line means something."""
    trap = TRAPS[name]
    assert len(trap.hostile) <= 4096
    assert len(trap.matching) <= 4096
    assert trap.ordinary.endswith("192.0.2.7")


@pytest.mark.parametrize("name", TRAPS)
def test_a_search_can_be_interrupted_on_every_python(name: str) -> None:
    """By a signal that comes while it runs: with Python 3.11.2 a search may be deaf for seconds."""
    search = searching(compile_regex(located(TRAPS[name].failregex)[0]))

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
    try:
        began = time.thread_time()
        with pytest.raises(TimeoutError):
            search(f"server a: {TRAPS[name].hostile}\n")
        assert time.thread_time() - began < 0.2
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
