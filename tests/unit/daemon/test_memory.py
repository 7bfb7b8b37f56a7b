"""What is read back from the store and what is forgotten: at a start, at a reload, every hour."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.config.load import Config
from f2b.config.settings import Counting
from f2b.daemon import purge as module
from f2b.daemon.catchup import CatchUps
from f2b.daemon.events import Events, Level
from f2b.daemon.pace import Pace
from f2b.daemon.purge import purge
from f2b.daemon.questions import Questions
from f2b.daemon.recorder import Recorder
from f2b.daemon.reload import Prepared, prepare, remember
from f2b.decide.assemble import assemble
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.model import Decision, Failure, Position
from f2b.store import Batch, Store
from tests.unit.config import tree
from tests.unit.decide.making import CUSTOM, bans, fail, failure, jail, lifted

A, B = "192.0.2.7", "192.0.2.9"
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "f2b.sqlite3")
    yield opened
    opened.close()


def at_work(store: Store, body: Callable[[Recorder], Awaitable[None]]) -> None:
    async def together() -> None:
        recorder = Recorder(store, lambda _: None)
        task = asyncio.create_task(recorder.run())
        try:
            await asyncio.wait_for(body(recorder), 10)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(together())


def stored(store: Store, decisions: Sequence[Decision]) -> list[Decision]:
    store.commit(Batch(tuple(decisions)))
    return [*decisions]


# --- at a start ---


def test_a_restart_counts_late_entries_as_the_live_run(store: Store) -> None:
    """What is stale is judged by the newest failure, even one that a ban has consumed."""
    live = jail(maxretry=2)
    stored(store, fail(live, A, 1000, 1001, now=2000))
    again = jail(maxretry=2)
    remember(again, store, 2000)
    for each in (live, again):
        assert bans(fail(each, B, 600, 601, now=2000)) == []


def test_a_restart_after_a_clock_that_was_ahead_counts(store: Store) -> None:
    stored(store, fail(jail(), A, 5e9))
    again = jail()
    remember(again, store, 1000)
    assert bans(fail(again, B, 1000, 1001, 1002))


# --- at a reload ---


def reloaded(store: Store, config: Config, engine: Engine) -> Prepared:
    prepared: list[Prepared] = []

    async def body(recorder: Recorder) -> None:
        prepared.append(await prepare(config, engine, recorder, store, "nftables", 1002))

    at_work(store, body)
    return prepared[0]


def running(directory: Path, findtime: int) -> tuple[Config, Engine]:
    config = tree.config(directory, f"[sshd]\nenabled = true\nmaxretry = 3\nfindtime = {findtime}")
    return config, Engine(assemble(config).jails)


def test_a_longer_findtime_counts_what_the_shorter_let_go(store: Store, tmp_path: Path) -> None:
    config, engine = running(tmp_path, 10)
    for address, time in ((A, 1.0), (B, 1000.0), (A, 1001.0)):
        stored(store, fail(engine.jail("sshd"), address, time))
    running(tmp_path, 100_000)
    reloaded(store, config, engine).swap(engine, 1002)
    assert dict(engine.jail("sshd").tally) == {parse(A): (1, 1001), parse(B): (1000,)}
    assert bans(fail(engine.jail("sshd"), A, 1002))


def test_two_reloads_that_find_a_jail_new_count_once(store: Store, tmp_path: Path) -> None:
    config, engine = running(tmp_path, 600)
    stored(store, fail(engine.jail("sshd"), A, 1000, 1001))
    empty = Engine([])
    first, second = (reloaded(store, config._replace(jails=()), empty) for _ in range(2))
    first.swap(empty, 1002)
    second.swap(empty, 1002)
    assert dict(empty.jail("sshd").tally) == {parse(A): (1000, 1001)}


# --- when a jail is gone ---


def test_the_past_of_a_jail_that_is_gone_is_read_again_when_it_comes_back(store: Store) -> None:
    store.commit(Batch(caught_up={"gone": "abc", "custom": "def"}))
    engine = Engine([jail(name="custom", filter=CUSTOM)])

    async def carry_out(_: Sequence[Decision]) -> None:
        return None

    async def body(recorder: Recorder) -> None:
        events = Events("stderr", Level.ERROR, lambda: 1000.0)
        questions = Questions(engine, Holds(), events, carry_out, lambda: 1000.0)
        pace = Pace(engine, Holds(), events, carry_out, questions.ask, lambda: 1000.0)
        catch_ups = CatchUps(recorder, store, questions.settle, lambda: 1000.0, pace)
        here = Position("c", 1000.0)
        await catch_ups.start([*engine.jails.values()], "/nowhere", here, engine, carry_out)
        await catch_ups.stop()

    at_work(store, body)
    assert store.fingerprints() == {}, "nor does one that reads nothing count as read"


# --- every hour ---


def ended(store: Store, count: int, at: float) -> Jail:
    """Bans that began at 1000, whose end was noticed then."""
    sshd = jail(maxretry=1)
    for number in range(count):
        stored(store, fail(sshd, f"192.0.2.{number}", 1000))
    stored(store, sshd.expire(at))
    return sshd


def forget(store: Store, sshd: Jail, age: float, now: float) -> None:
    at_work(store, lambda recorder: purge(Engine([sshd]), recorder, store, age=age, now=now))


@pytest.mark.parametrize(("now", "offence"), [(1000 + 4 * DAY, 2), (1000 + 5 * DAY, 1)])
def test_memory_and_store_forget_alike(store: Store, now: float, offence: int) -> None:
    """The end was noticed three days late, at the next start: for both that is when the ban ended."""
    sshd = ended(store, 1, 1000 + 3 * DAY + 1)
    forget(store, sshd, DAY, now)
    stored(store, fail(sshd, "192.0.2.0", now))
    again = jail(maxretry=1)
    again.restore([], store.bans("sshd"), now, now)
    assert (
        [ban.offence for ban in sshd.ledger] == [ban.offence for ban in again.ledger] == [offence]
    )


def test_who_was_forgotten_for_want_of_room_and_is_banned_again_stays_banned(store: Store) -> None:
    """At a restart an offence of before, with a higher number, must not pass for the last."""
    changes = {"maxretry": 1, "maxbans": 1, "bantime": 10}
    sshd = jail(**changes)
    for number, address in enumerate((A, A, *(f"192.0.2.{last}" for last in range(20, 25)))):
        time = 1000 + 400 * number
        stored(store, fail(sshd, address, time))
        stored(store, sshd.expire(time + 11))
    assert sshd.ledger.offences(parse(A)) == 0
    stored(store, fail(sshd, A, 9000))
    again = jail(**changes)
    again.restore([], store.bans("sshd"), 9000, 9001)
    assert [ban.offender for ban in again.ledger] == [parse(A)]


def test_a_ban_whose_end_nobody_noted_before_the_next_is_forgotten_too(store: Store) -> None:
    sshd = jail(maxretry=1)
    decisions = stored(store, fail(sshd, A, 1000, 3000, now=3000))
    assert [ban.start for ban in lifted(decisions)] == [1000]
    stored(store, sshd.expire(4000))
    forget(store, sshd, DAY, 4001 + DAY)
    assert list(store.bans("sshd")) == []


def test_bans_are_forgotten_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    sshd = ended(store, 5, 2000)
    forget(store, sshd, DAY, 2001 + DAY)
    assert [ban.offence for ban in bans(fail(sshd, "192.0.2.4", 3 * DAY))] == [1]


def test_failures_that_no_window_reaches_are_forgotten(store: Store) -> None:
    sshd = jail(findtime=2 * DAY)
    stored(store, fail(sshd, A, 1000, 1000 + DAY))
    forget(store, sshd, 60, 1000 + 2 * DAY + 301)
    assert [time for _, time in store.failures("sshd", 1e9, 1e9)] == [1000 + DAY]


def test_failures_that_an_estimate_still_looks_back_to_are_kept(store: Store) -> None:
    sshd = jail(findtime=DAY, counting=Counting.ESTIMATE)
    stored(store, fail(sshd, A, 1000, 1000 + DAY))
    forget(store, sshd, 60, 1000 + 4 * DAY)
    assert len(list(store.failures("sshd", 1e9, 1e9))) == 2
    forget(store, sshd, 60, 1000 + 4 * DAY + 301)
    assert [time for _, time in store.failures("sshd", 1e9, 1e9)] == [1000 + DAY]


# --- what is read again ---


def test_a_failure_beyond_the_position_counts_once(store: Store) -> None:
    """The position was held back by an entry that waited for an answer."""
    decisions = fail(jail(maxretry=2), A, 1000)
    store.commit(Batch(tuple(decisions), Position(None, 900)))
    again = jail(maxretry=2)
    remember(again, store, 2000)
    engine = Engine([again])
    assert engine.count(again, failure(A, 1000), 2000) == []
    assert bans(engine.count(again, failure(A, 1001), 2000))


def test_of_what_the_position_has_passed_nothing_is_kept(store: Store) -> None:
    cursors = [f"s={'0' * 32};i={number};b={'0' * 32};m=1;t=1;x=1" for number in (1, 2, 3)]
    live = jail()
    decisions = [
        decision
        for cursor in cursors
        for decision in live.count(Failure(parse(A), 1000, cursor), 2000)
    ]
    store.commit(Batch(tuple(decisions), Position(cursors[1], 1000)))
    again = jail()
    remember(again, store, 2000)
    assert again.seen == {(cursors[2], parse(A))}
