"""Invariant 1 where answers are outstanding: the position stays behind, and what is read again counts once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b.addresses import parse
from f2b.daemon.reload import remember
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.detect.session import LIFETIME
from f2b.model import Decision, Entry, Failure, Position, Suspect
from f2b.store import Batch, Store
from tests.property.test_exactly_once import ADDRESSES, JAILS, entries, outcome, steps

Steps = list[tuple[tuple[str, str], int, float]]
Outcome = tuple[list[object], list[object]]

SOURCE = "0123456789abcdef" * 2


def journal(steps_: Steps) -> list[Entry]:
    """The same entries with cursors that can be compared."""
    return [
        entry._replace(cursor=f"s={SOURCE};i={number:x};b={SOURCE};m={number:x};t=1;x=1")
        for number, entry in enumerate(entries(steps_))
    ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes on beside the journal: answers that come so many entries late, unbans by hand, crashes."""

    delays: Sequence[int]
    unbans: Mapping[int, str]
    sizes: Sequence[int] = (1000,)
    crashes: frozenset[int] = frozenset()
    clock_steps: Sequence[float] = (0.0,)
    live: bool = False


class Life:
    """A daemon from a start to its crash, on a store that outlives it."""

    def __init__(self, path: Path, history: list[Entry], plan: Plan, now: float) -> None:
        self._history = history
        self._plan = plan
        self.store = Store(path)
        jails = [Jail(each) for each in JAILS]
        for jail in jails:
            remember(jail, self.store, now)
        self.engine = Engine(jails)
        self._holds = Holds()
        self._waiting: list[tuple[int, int, int, Jail, Failure]] = []
        self._position = self.store.position() or Position(None, 0.0)
        cursors = [entry.cursor for entry in history]
        at = self._position.cursor
        self.done = cursors.index(at) + 1 if at else 0
        oldest = min(self._position.time, self._position.sessions or self._position.time)
        for entry in history[: self.done]:
            if entry.time >= oldest - LIFETIME:
                self.engine.warm(entry)

    @property
    def over(self) -> bool:
        return self.done >= len(self._history) and not self._waiting

    def batch(self, size: int, now: float, unbanned: set[int]) -> tuple[Batch, set[int]]:
        """Read so many entries; what the transaction writes, and the unbans that it does."""
        before = self._position
        decisions: list[Decision] = []
        done: set[int] = set()
        for number in range(self.done, self.done + size):
            if number < len(self._history):
                decisions += self._feed(number, before, now)
            decisions += self._answers(number, now)
            if number in self._plan.unbans and number not in unbanned:
                who = parse(self._plan.unbans[number])
                decisions += self.engine.tick(now) + self.engine.unban(who, now)
                done.add(number)
        self.done += size
        last = self._history[min(self.done, len(self._history)) - 1]
        self._position = Position(last.cursor, last.time, self.engine.oldest_session())
        decisions += self.engine.tick(now)
        return Batch(tuple(decisions), self._holds.oldest() or self._position), done

    def _feed(self, number: int, before: Position, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        entry = self._history[number]
        delay = self._plan.delays[number % len(self._plan.delays)]
        for jail, failure in self.engine._finds(entry):
            assert not isinstance(failure, Suspect)
            if delay:
                ticket = self._holds.take(before)
                self._waiting.append((number + delay, number, ticket, jail, failure))
            else:
                decisions += self.engine.count(jail, failure, now)
        return decisions

    def _answers(self, number: int, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        due = sorted((each for each in self._waiting if each[0] <= number), key=lambda e: e[:3])
        for each in due:
            _, _, ticket, jail, failure = each
            decisions += self.engine.count(jail, failure, now)
            self._waiting.remove(each)
            self._holds.release(ticket)
        return decisions


def run(path: Path, history: list[Entry], plan: Plan) -> Outcome:
    """A crash comes when a batch is decided on and not committed; what is done by hand is done once."""
    unbanned: set[int] = set()
    life = Life(path, history, plan, 2e6)
    number, newest = 0, 0.0
    while not life.over:
        size = plan.sizes[number % len(plan.sizes)]
        # A clock does not go back because entries are read again.
        newest = max(newest, *(entry.time for entry in history[: life.done + size]))
        clock = newest if plan.live else history[-1].time + 1_000
        now = clock + plan.clock_steps[number % len(plan.clock_steps)]
        batch, done = life.batch(size, now, unbanned)
        if number in plan.crashes:
            life.store.close()
            life = Life(path, history, plan, now)
        else:
            life.store.commit(batch)
            unbanned |= done
        number += 1
    result = outcome(life.store)
    life.store.close()
    return result


def both(history: list[Entry], plan: Plan) -> tuple[Outcome, Outcome]:
    calm = replace(plan, sizes=(1000,), crashes=frozenset(), clock_steps=(0.0,))
    with TemporaryDirectory() as folder:
        return (
            run(Path(folder) / "disturbed", history, plan),
            run(Path(folder) / "calm", history, calm),
        )


histories = st.lists(steps, min_size=1, max_size=60)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5)
crashes = st.frozensets(st.integers(0, 25), max_size=8)
delays = st.lists(st.sampled_from([0, 0, 0, 1, 2, 5, 12, 40]), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(histories, delays, sizes, crashes, st.booleans())
def test_a_crash_while_answers_are_outstanding_changes_nothing(
    steps_: Steps,
    delays: list[int],
    sizes: list[int],
    crashes: frozenset[int],
    live: bool,  # noqa: FBT001
) -> None:
    plan = Plan(delays, {}, sizes, crashes, live=live)
    disturbed, calm = both(journal(steps_), plan)
    assert disturbed == calm


@settings(max_examples=60, deadline=None)
@given(
    histories,
    delays,
    sizes,
    crashes,
    st.dictionaries(st.integers(0, 60), st.sampled_from(ADDRESSES), max_size=4),
)
def test_nor_does_it_where_somebody_unbans_meanwhile(
    steps_: Steps,
    delays: list[int],
    sizes: list[int],
    crashes: frozenset[int],
    unbans: dict[int, str],
) -> None:
    """What an unban forgave is read again after the crash, and stays forgiven."""
    by_hand = {at % len(steps_): who for at, who in unbans.items()}
    disturbed, calm = both(journal(steps_), Plan(delays, by_hand, sizes, crashes))
    assert disturbed == calm


@settings(max_examples=40, deadline=None)
@given(histories, delays, delays)
def test_whenever_an_answer_comes_every_failure_is_stored_once(
    steps_: Steps, delays: list[int], others: list[int]
) -> None:
    history = journal(steps_)
    with TemporaryDirectory() as folder:
        rows = [
            [row[:4] for row in run(Path(folder) / str(n), history, Plan(each, {}))[0]]  # type: ignore[index]
            for n, each in enumerate((delays, others))
        ]
    jails = {jail.name for jail in JAILS if jail.filter.journalmatch}
    own = [[row for row in each if row[0] in jails] for each in rows]
    assert own[0] == own[1]


def test_the_test_would_notice_a_failure_that_is_counted_twice(tmp_path: Path) -> None:
    """Two failures beyond a position that is held, and a restart that does not know them: a ban at three."""
    history = journal([(("a", "bad 192.0.2.1"), 1, 1.0)] * 3)
    plan = Plan([40, 0, 0], {})
    life = Life(tmp_path / "db", history, plan, 2e6)
    life.store.commit(life.batch(3, 2e6, set())[0])
    life.store.close()
    for forgetful, banned in ((False, 0), (True, 1)):
        again = Life(tmp_path / "db", history, plan, 2e6)
        assert again.done == 0
        if forgetful:
            again.engine.jails["plain"].seen.clear()
        again.batch(3, 2e6, set())
        assert again.engine.jails["plain"].banned == banned
        again.store.close()
