"""Writes decisions to the store, and goes on protecting when it cannot.

Owns the store while the daemon runs. Batches are committed in order by one worker thread, because the disk may make
a commit wait. A batch that is not committed within a second counts as not remembered yet: its decisions are enforced
all the same, the position stays where it was, and the same transaction is tried until it succeeds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

from f2b.errors import F2bError
from f2b.model import Found, Position
from f2b.store import Batch, Store

PATIENCE = 1.0
"""Seconds that enforcing waits for a commit."""
RETRY = 1.0
CEILING = 200_000
"""Decisions kept for a store that does not answer; beyond it failures are dropped, bans never."""


T = TypeVar("T")


class _Waiting(NamedTuple):
    batch: Batch
    done: asyncio.Future[None]


class Recorder:
    """`degraded` says why nothing can be written at the moment; `dropped` counts failures that will never be."""

    def __init__(self, store: Store, complain: Callable[[str], None]) -> None:
        self._store = store
        self._complain = complain
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._kept = 0
        self.committed: Position | None = None
        self.degraded: str | None = None
        self.dropped = 0

    async def record(self, batch: Batch) -> None:
        """Returns when the batch is committed, or as soon as waiting for it would delay its enforcement."""
        done = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(self._bounded(batch), done))
        self._wake.set()
        if self.degraded is None:
            await asyncio.wait([done], timeout=PATIENCE)
            if not done.done():
                self._degrade(f"a commit takes longer than {PATIENCE:.0f} s")

    async def run(self) -> None:
        """Commit what is recorded, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._queue and not await self._commit():
                await asyncio.sleep(RETRY)
                self._wake.set()

    async def between(self, work: Callable[[], T]) -> T:
        """Let something else use the store, between two commits."""
        async with self._turn:
            return await asyncio.to_thread(work)

    async def finish(self, timeout: float) -> bool:
        """Wait until everything is written; False if the time was not enough."""
        waiting = [item.done for item in self._queue]
        if not waiting:
            return True
        self._wake.set()
        await asyncio.wait(waiting, timeout=timeout)
        return not self._queue

    async def _commit(self) -> bool:
        items = list(self._queue)
        merged = _merge([item.batch for item in items])
        try:
            await self.between(partial(self._store.commit, merged))
        except F2bError as error:
            self._degrade(str(error))
            for item in items:
                _finish(item.done)
            return False
        # Batches queued meanwhile stay; the reader has no other way in.
        del self._queue[: len(items)]
        self._kept -= sum(len(item.batch.decisions) for item in items)
        self.committed = merged.position or self.committed
        for item in items:
            _finish(item.done)
        if self.degraded:
            self._complain(
                f"the store works again, {self._store.path}: everything since is written"
            )
            self.degraded = None
        return True

    def _degrade(self, why: str) -> None:
        if self.degraded is None:
            self._complain(
                f"degraded: store: {why}; bans are enforced from memory until it works again"
            )
        self.degraded = why

    def _bounded(self, batch: Batch) -> Batch:
        decisions = batch.decisions
        if self._kept + len(decisions) > CEILING:
            decisions = tuple(d for d in decisions if not isinstance(d, Found))
            self.dropped += len(batch.decisions) - len(decisions)
        self._kept += len(decisions)
        return Batch(decisions, batch.position, batch.caught_up)


def _merge(batches: list[Batch]) -> Batch:
    caught_up: dict[str, str] = {}
    position = None
    for batch in batches:
        caught_up.update(batch.caught_up)
        position = batch.position or position
    return Batch(tuple(chain.from_iterable(b.decisions for b in batches)), position, caught_up)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
