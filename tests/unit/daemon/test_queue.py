"""The order of an action's work, and what becomes of what fails."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import pytest

from f2b.actions.command import Runner
from f2b.addresses import parse
from f2b.config.settings import ActionCommands, ActionSettings
from f2b.daemon import queue as queue_module
from f2b.daemon.queue import AT_ONCE, AnyRunner, Job, Queue, Surroundings, Turns
from f2b.errors import ActionError, HopelessError
from f2b.model import Ban
from f2b.outbox import Row, Step

NOW = 1000.0
COMMANDS = ActionCommands(ban="x", unban="x")


class Told(Runner):
    """Notes what it is told; `refused` are addresses that fail."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            ActionSettings(jail="sshd", name="a", inet4=COMMANDS, inet6=COMMANDS, **more),
            dict,
            set(),
        )
        self.told: list[str] = []
        self.refused: set[str] = set()
        self.anew = False

    async def carry_out(self, step: str, values: Mapping[str, str]) -> bool:
        self.told.append(f"{step} {values['ip']}")
        await asyncio.sleep(0)
        if values["ip"] in self.refused:
            raise ActionError("no")
        anew, self.anew = self.anew, False
        return anew


def row(address: str, step: Step = Step.BAN, at: float = NOW) -> Row:
    return Row(at, "a", step, Ban("sshd", parse(address), 1, 2))


class Scene:
    """A queue, what it says, and the rows that it has done."""

    def __init__(self, runner: Told) -> None:
        self.runner = runner
        self.done: list[Row] = []
        self.said: list[str] = []
        self.bans: list[Row] = []

        async def describe(job: Job, _: AnyRunner) -> Mapping[str, str]:
            return {"ip": str(job.offender), "family": "inet4"}

        async def done(finished: Row) -> None:
            self.done.append(finished)

        def in_force(_: ActionSettings) -> Iterable[Row]:
            return self.bans

        around = Surroundings(
            Turns(), describe, in_force, lambda row: row in self.bans, done, self.said.append, lambda: NOW
        )  # fmt: skip
        self.queue = Queue(runner, around)


def play(scene: Scene, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        task = asyncio.create_task(scene.queue.run())
        await part()
        scene.queue.retire(drain=False, flush=False)
        await asyncio.wait_for(task, 2)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "BACKOFF", (0.01, 0.02))


def test_a_failure_holds_up_its_own_offender_alone() -> None:
    scene = Scene(Told())
    scene.runner.refused = {"192.0.2.1"}

    async def part() -> None:
        rows = [row("192.0.2.1"), row("192.0.2.1", Step.UNBAN), row("192.0.2.2")]
        scene.queue.add(map(Job, rows))
        await until(lambda: len(scene.runner.told) > 3)
        assert set(scene.runner.told) == {"ban 192.0.2.1", "ban 192.0.2.2"}
        assert (scene.done, scene.queue.waiting) == ([rows[2]], 2)
        scene.runner.refused = set()
        await until(lambda: not scene.queue.waiting)
        assert scene.runner.told[-2:] == ["ban 192.0.2.1", "unban 192.0.2.1"]
        assert scene.done == [rows[2], rows[0], rows[1]]

    play(scene, part)
    assert (scene.said, scene.queue.failing) == (["action sshd/a: ban 192.0.2.1: no"], None)


def test_what_is_too_old_is_tried_once_and_given_up() -> None:
    scene = Scene(Told(retry_for=10))
    scene.runner.refused = {"192.0.2.1"}
    old = row("192.0.2.1", at=NOW - 11)

    async def part() -> None:
        scene.queue.add([Job(old), Job(row("192.0.2.2"))])
        await until(lambda: len(scene.done) == 2)

    play(scene, part)
    assert scene.runner.told == ["ban 192.0.2.1", "ban 192.0.2.2"]
    assert scene.queue.given_up == 1
    assert "given up after 1 try: no" in scene.said[1]


def test_restored_bans_that_are_over_are_left_out() -> None:
    scene = Scene(Told())
    scene.bans = [row("192.0.2.2")]

    async def part() -> None:
        scene.queue.add([Job(row("192.0.2.1"), stored=False), Job(scene.bans[0], stored=False)])
        await until(lambda: not scene.queue.waiting)

    play(scene, part)
    assert (scene.runner.told, scene.done) == (["ban 192.0.2.2"], [])


def test_what_was_set_up_anew_gets_its_bans_again() -> None:
    scene = Scene(Told())
    scene.bans = [row("192.0.2.1"), row("192.0.2.2")]
    scene.runner.anew = True

    async def part() -> None:
        scene.queue.add([Job(scene.bans[0])])
        await until(lambda: len(scene.runner.told) == 2)

    play(scene, part)
    assert scene.runner.told == ["ban 192.0.2.1", "ban 192.0.2.2"]


def test_an_heir_takes_over_what_fails_at_the_end() -> None:
    old, new = Scene(Told()), Scene(Told())
    old.runner.refused = {"192.0.2.1"}
    old.queue.heir = new.queue

    async def part() -> None:
        old.queue.add([Job(row("192.0.2.1"))])
        await until(lambda: bool(old.runner.told))

    play(old, part)
    assert new.queue.waiting <= 1


def test_a_bug_in_one_step_does_not_end_the_action() -> None:
    class Broken(Told):
        async def carry_out(self, step: str, values: Mapping[str, str]) -> bool:
            if not self.told:
                self.told.append("bug")
                raise RuntimeError("can't start new thread")
            return await super().carry_out(step, values)

    scene = Scene(Broken())

    async def part() -> None:
        scene.queue.add([Job(row("192.0.2.1"))])
        await until(lambda: not scene.queue.waiting)

    play(scene, part)
    assert scene.runner.told == ["bug", "ban 192.0.2.1"]
    assert "can't start new thread" in scene.said[0]


@pytest.mark.parametrize("tried", [1, 2], ids=["first", "again"])
def test_what_an_heir_takes_over_keeps_its_order(tried: int) -> None:
    """An offender whose ban comes after its unban would be kept out for ever."""

    class Slow(Told):
        async def carry_out(self, step: str, values: Mapping[str, str]) -> bool:
            self.told.append(f"{step} {values['ip']}")
            await asyncio.sleep(0.05)
            raise ActionError("no")

    old, new = Scene(Slow()), Scene(Told())

    async def part() -> None:
        first = asyncio.create_task(old.queue.run())
        old.queue.add([Job(row("192.0.2.1")), Job(row("192.0.2.1", Step.UNBAN))])
        await until(lambda: len(old.runner.told) == tried)
        jobs = old.queue.jobs()
        old.queue.retire(drain=False, flush=True)
        old.queue.heir = new.queue
        new.queue.add(jobs)
        second = asyncio.create_task(new.queue.run(first))
        await until(lambda: not new.queue.waiting)
        new.queue.retire(drain=False, flush=False)
        await asyncio.wait_for(asyncio.gather(first, second), 2)

    asyncio.run(part())
    assert new.runner.told == ["ban 192.0.2.1", "unban 192.0.2.1"]
    assert [each.step for each in new.done] == [Step.BAN, Step.UNBAN]


def test_a_wave_of_bans_is_no_wave_of_processes() -> None:
    turns = Turns()
    running = most = 0

    async def one() -> None:
        nonlocal running, most
        async with turns.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(100)))

    asyncio.run(main())
    assert most == AT_ONCE


def test_slow_ones_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "PROMPT", 0.01)
    turns = Turns()

    async def slow() -> None:
        async with turns.turn():
            await asyncio.sleep(60)

    async def main() -> None:
        tasks = [asyncio.create_task(slow()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1), turns.turn():
            pass
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def test_what_cannot_succeed_is_not_tried_again() -> None:
    runner = Told()
    scene = Scene(runner)

    async def carry_out(step: str, values: Mapping[str, str]) -> bool:
        runner.told.append(f"{step} {values['ip']}")
        raise HopelessError("never")

    async def body() -> None:
        runner.carry_out = carry_out  # type: ignore[method-assign]
        scene.queue.add([Job(row("192.0.2.1"))])
        await until(lambda: scene.queue.given_up == 1)

    play(scene, body)
    assert runner.told == ["ban 192.0.2.1"]
    assert scene.done == [row("192.0.2.1")]
    assert scene.said[-1] == "action sshd/a: ban 192.0.2.1 given up after 1 try: never"


def test_a_receiver_says_when_to_come_again() -> None:
    runner = Told()
    scene = Scene(runner)
    times: list[float] = []

    async def carry_out(step: str, values: Mapping[str, str]) -> bool:
        del step, values
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise ActionError("later", retry=True, delay=0.3)
        return False

    async def body() -> None:
        runner.carry_out = carry_out  # type: ignore[method-assign]
        scene.queue.add([Job(row("192.0.2.1"))])
        await until(lambda: len(scene.done) == 1)

    play(scene, body)
    assert times[1] - times[0] >= 0.3


def test_restored_bans_are_told_when_there_is_time_and_in_order() -> None:
    runner = Told()
    scene = Scene(runner)
    old = [row(f"192.0.2.{number}").ban for number in range(1, 5)]
    scene.bans = [row(f"192.0.2.{number}") for number in range(1, 4)]  # the fourth is over

    async def body() -> None:
        scene.queue.restore(old)
        assert (len(scene.queue), scene.queue.waiting) == (0, 4)
        assert set(scene.queue.untold()) == {ban.offender for ban in old}
        scene.queue.add([Job(row("198.51.100.1")), Job(row("192.0.2.1", Step.PROLONG))])
        await until(lambda: not scene.queue.waiting)

    play(scene, body)
    first = ["ban 198.51.100.1", "ban 192.0.2.1", "prolong 192.0.2.1"]
    assert runner.told[:3] in (first, ["ban 192.0.2.3", *first], ["ban 192.0.2.2", *first])
    assert sorted(runner.told) == sorted([*first, "ban 192.0.2.2", "ban 192.0.2.3"])
