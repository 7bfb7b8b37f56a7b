"""Remembering, and protecting when that fails: against a real store on a real disk."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.daemon import recorder as module
from f2b.daemon.recorder import Recorder
from f2b.model import Ban, Banned, Decision, Failure, Found, Position
from f2b.store import Batch, Store

A = parse("192.0.2.7")


def found(number: int) -> Found:
    return Found("sshd", A, Failure(A, float(number), f"i={number}"), counts=True)


def ban(number: int) -> Banned:
    return Banned(Ban("sshd", parse(f"198.51.100.{number}"), 1.0, 2.0))


class Desk:
    """A recorder at work on a store; another process may lock it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.said: list[str] = []
        self.recorder = Recorder(self.store, self.said.append)

    async def record(self, *decisions: Decision, position: Position | None = None) -> None:
        await self.recorder.record(Batch(decisions, position))

    def stored(self) -> list[str]:
        rows = self.store._db.execute("SELECT cursor FROM failures ORDER BY time")
        return [cursor for (cursor,) in rows]

    @contextmanager
    def locked(self) -> Iterator[None]:
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(module, "RETRY", 0.02)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    made = Desk(tmp_path / "f2b.sqlite3")
    made.store._db.execute("PRAGMA busy_timeout = 0")
    yield made
    made.store.close()


def at_work(desk: Desk, body: Callable[[], Awaitable[None]]) -> None:
    """Run the body while the recorder runs."""

    async def together() -> None:
        task = asyncio.create_task(desk.recorder.run())
        try:
            await asyncio.wait_for(body(), 10)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(together())


def test_what_is_recorded_is_stored(desk: Desk) -> None:
    async def body() -> None:
        await desk.record(found(1), position=Position("i=1", 1.0))
        assert desk.stored() == ["i=1"]
        assert desk.recorder.committed == desk.store.position() == Position("i=1", 1.0)

    at_work(desk, body)


def test_batches_are_stored_in_their_order(desk: Desk) -> None:
    async def body() -> None:
        batches = (desk.record(found(n), position=Position(f"i={n}", n)) for n in range(50))
        await asyncio.gather(*batches)
        assert len(desk.stored()) == 50
        assert desk.store.position() == Position("i=49", 49)

    at_work(desk, body)


def test_a_batch_without_position_leaves_the_position(desk: Desk) -> None:
    async def body() -> None:
        await desk.record(position=Position("i=1", 1.0))
        await desk.record(found(2))
        assert desk.store.position() == Position("i=1", 1.0)

    at_work(desk, body)


def test_a_store_that_fails_does_not_stop_enforcing(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await asyncio.wait_for(desk.record(found(1), position=Position("i=1", 1.0)), 2)
            assert desk.recorder.degraded
            assert "locked" in desk.recorder.degraded
            assert desk.recorder.committed is None

    at_work(desk, body)


def test_a_store_that_hangs_does_not_stop_enforcing(desk: Desk) -> None:
    desk.store._db.execute("PRAGMA busy_timeout = 2000")

    async def body() -> None:
        with desk.locked():
            await asyncio.wait_for(desk.record(found(1)), 1)
            assert desk.recorder.degraded
            assert "a commit takes longer than" in desk.recorder.degraded
        assert await desk.recorder.finish(5)

    at_work(desk, body)
    assert desk.stored() == ["i=1"]


def test_while_degraded_nothing_waits(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await desk.record(found(0))
            await asyncio.wait_for(
                asyncio.gather(*map(desk.record, map(found, range(1, 200)))), 0.5
            )

    at_work(desk, body)


def test_when_it_works_again_everything_is_written_once(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            for number in range(5):
                await desk.record(found(number), position=Position(f"i={number}", number))
            await asyncio.sleep(0.1)
            assert desk.stored() == []
        await until(lambda: desk.recorder.degraded is None)
        assert desk.stored() == [f"i={number}" for number in range(5)]
        assert desk.recorder.committed == desk.store.position() == Position("i=4", 4)

    at_work(desk, body)


def test_the_admin_hears_of_it_once_and_of_its_end(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await desk.record(found(1))
            await asyncio.sleep(0.2)
        await until(lambda: desk.recorder.degraded is None)

    at_work(desk, body)
    begin, end = desk.said
    assert begin.startswith("degraded: store: ")
    assert "database is locked" in begin
    assert end.startswith("the store works again, ")


def test_what_was_not_written_is_nowhere_after_a_crash(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await desk.record(found(1), ban(1), position=Position("i=1", 1.0))

    at_work(desk, body)
    desk.store.close()
    desk.store = Store(desk.path)
    assert (desk.stored(), list(desk.store.bans("sshd"))) == ([], [])
    assert desk.store.position() is None


def test_at_the_ceiling_failures_are_dropped_and_bans_never(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CEILING", 10)

    async def body() -> None:
        with desk.locked():
            for number in range(20):
                await desk.record(found(number), ban(number))
        await until(lambda: desk.recorder.degraded is None)

    at_work(desk, body)
    assert len(desk.stored()) == 5
    assert desk.recorder.dropped == 15
    assert len(list(desk.store.bans("sshd"))) == 20


def test_below_the_ceiling_again_nothing_is_dropped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CEILING", 10)

    async def body() -> None:
        for number in range(30):
            await desk.record(found(number))

    at_work(desk, body)
    assert (len(desk.stored()), desk.recorder.dropped) == (30, 0)


def test_what_comes_while_the_store_is_locked_is_one_transaction(desk: Desk) -> None:
    """However long the lock lasts: positions every few seconds must not pile up."""
    commits: list[str] = []

    async def body() -> None:
        with desk.locked():
            await desk.record(position=Position("i=0", 0))
            desk.store._db.set_trace_callback(commits.append)
            for number in range(1, 1000):
                await desk.record(position=Position(f"i={number}", number))
        await until(lambda: desk.recorder.degraded is None)

    at_work(desk, body)
    assert desk.store.position() == Position("i=999", 999)
    assert commits.count("COMMIT") == 2


def test_a_jail_that_is_gone_meanwhile_is_forgotten(desk: Desk) -> None:
    async def body() -> None:
        await desk.recorder.record(Batch(caught_up={"gone": "abc", "sshd": "def"}))
        with desk.locked():
            await desk.recorder.record(Batch(caught_up={"gone": "xyz"}))
            await desk.recorder.record(Batch(caught_up={"gone": None}))
        assert await desk.recorder.finish(5)

    at_work(desk, body)
    assert desk.store.fingerprints() == {"sshd": "def"}


def test_finishing_with_nothing_to_write(desk: Desk) -> None:
    async def body() -> None:
        assert await desk.recorder.finish(0.1)

    at_work(desk, body)


def test_finishing_writes_what_waits(desk: Desk) -> None:
    async def body() -> None:
        recording = asyncio.create_task(desk.record(found(1)))
        await asyncio.sleep(0)
        assert await desk.recorder.finish(2)
        assert desk.stored() == ["i=1"]
        await recording

    at_work(desk, body)


def test_finishing_does_not_wait_for_ever(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await desk.record(found(1))
            assert not await asyncio.wait_for(desk.recorder.finish(0.2), 2)

    at_work(desk, body)


def test_finishing_tries_again_while_degraded(desk: Desk) -> None:
    async def body() -> None:
        with desk.locked():
            await desk.record(found(1))
            assert desk.recorder.degraded
        assert await desk.recorder.finish(5)

    at_work(desk, body)
    assert desk.stored() == ["i=1"]


def test_others_may_use_the_store_between_two_commits(desk: Desk) -> None:
    async def body() -> None:
        recording = [asyncio.create_task(desk.record(found(n))) for n in range(20)]
        counts = [await desk.recorder.between(lambda: len(desk.stored())) for _ in range(5)]
        await asyncio.gather(*recording)
        assert counts == sorted(counts)

    at_work(desk, body)


def test_who_is_cancelled_keeps_their_turn_until_the_thread_ends(desk: Desk) -> None:
    done: list[str] = []

    def slow() -> None:
        done.append("in")
        time.sleep(0.2)
        done.append("out")

    async def body() -> None:
        first = asyncio.create_task(desk.recorder.between(slow))
        await until(lambda: bool(done))
        first.cancel()
        await desk.recorder.between(lambda: done.append("second"))
        assert first.cancelled()

    at_work(desk, body)
    assert done == ["in", "out", "second"]


def test_what_others_raise_reaches_them_alone(desk: Desk) -> None:
    async def body() -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.recorder.between(lambda: 1 // 0)
        await desk.record(found(1))
        assert desk.stored() == ["i=1"]

    at_work(desk, body)


def test_the_log_is_carried_over_beside_the_commits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[float] = []

    def slow() -> None:
        time.sleep(0.3)
        carried.append(time.monotonic())

    monkeypatch.setattr(desk.store, "carry_over", slow)

    async def body() -> None:
        await desk.record(found(1))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await desk.record(found(2))
        assert time.monotonic() - began < 0.2
        assert not carried
        assert await desk.recorder.finish(5)
        assert len(carried) == 1

    at_work(desk, body)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
