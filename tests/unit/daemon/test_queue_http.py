"""Thousands of bans for one receiver, through the queue that the daemon has for it."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from f2b.actions import facts
from f2b.actions.plugin import PluginRunner
from f2b.daemon.queue import AnyRunner, Job, Queue, Surroundings, Turns
from f2b.outbox import Row, Step
from tests.support.receiver import Receiver, Reply, Sent
from tests.unit.actions.shipped import addresses, row, settings


class Scene:
    """The queue of a webhook."""

    def __init__(self, url: str) -> None:
        self.done: list[Row] = []
        self.said: list[str] = []

        async def describe(job: Job, _: AnyRunner) -> Mapping[str, str]:
            return facts.of_the_ban(job.row, restored=job.restored)

        async def done(finished: Row) -> None:
            self.done.append(finished)

        around = Surroundings(
            Turns(), describe, lambda _: (), lambda _: True, done, self.said.append,
            lambda: 1_700_000_001.0,
        )  # fmt: skip
        self.queue = Queue(
            PluginRunner(settings(f"webhook[url={url}]"), facts.of_the_host), around
        )

    def play(self, jobs: list[Job], over: Callable[[], bool], timeout: float = 60) -> None:
        async def main() -> None:
            task = asyncio.create_task(self.queue.run())
            self.queue.add(jobs)
            async with asyncio.timeout(timeout):
                while not over():
                    await asyncio.sleep(0.01)
            self.queue.retire(drain=False, flush=False)
            await asyncio.wait_for(task, 15)

        asyncio.run(main())


def memory() -> int:
    """KiB that this process has in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def children() -> list[str]:
    return Path("/proc/thread-self/children").read_text().split()


def test_500_twice_and_then_200() -> None:
    replies = [Reply(500), Reply(500), Reply(200)]
    with Receiver(lambda _: replies.pop(0)) as receiver:
        scene = Scene(receiver.url)
        scene.play([Job(row())], lambda: bool(scene.done))
        keys = {sent.headers["Idempotency-Key"] for sent in receiver.sent}
        assert (len(receiver.sent), keys) == (3, {row().id})
    assert (scene.queue.failing, scene.queue.given_up) == (None, 0)
    assert scene.said == [f"action sshd/webhook: ban 192.0.2.7: {receiver.url} answered 500"]


def test_a_ban_is_told_before_its_end_whatever_fails() -> None:
    first: set[str] = set()

    def now_and_then(sent: Sent) -> Reply:
        """Every other ban is refused at its first try."""
        told = json.loads(sent.body)
        if told["event"] == "ban" and told["ip"][-1] in "02468" and told["ip"] not in first:
            first.add(told["ip"])
            return Reply(429)
        return Reply(200)

    with Receiver(now_and_then) as receiver:
        scene = Scene(receiver.url)
        jobs = [
            Job(row(address, step))
            for address in addresses(100)
            for step in (Step.BAN, Step.UNBAN)
        ]
        scene.play(jobs, lambda: len(scene.done) == 200)
        events: dict[str, list[str]] = {}
        for sent in receiver.sent:
            told = json.loads(sent.body)
            events.setdefault(told["ip"], []).append(told["event"])
    assert len(events) == 100
    assert {tuple(each) for each in events.values()} == {("ban", "unban"), ("ban", "ban", "unban")}


def test_ten_thousand_for_a_receiver_that_is_down() -> None:
    reply = Reply(503, headers=(("Retry-After", "3600"),))
    with Receiver(lambda _: reply) as receiver:
        scene = Scene(receiver.url)
        jobs = [Job(row(address)) for address in addresses(10_000)]
        before, threads, alone = memory(), threading.active_count(), children()
        most = 0

        def all_were_tried() -> bool:
            nonlocal most
            most = max(most, threading.active_count() - threads)
            assert children() == alone
            return all(job.tries for job in jobs)

        scene.play(jobs, all_were_tried)
        assert len(receiver.sent) == 1
    assert most <= 3
    assert memory() - before < 30_000
    assert len(scene.said) == 1
