"""Writes decisions to the store, and goes on protecting when it cannot.

Owns the store while the daemon runs. One transaction is under way at a time, in a worker thread because the disk may
make it wait; what is recorded meanwhile is gathered for the next. A batch that is not committed within a second counts
as not remembered yet: its decisions are enforced all the same, the position stays where it was, and the same
transaction is tried until it succeeds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from f2b.errors import F2bError
from f2b.model import Decision, Found, Position
from f2b.outbox import Row
from f2b.store import Batch, Store

PATIENCE = 1.0
"""Seconds that enforcing waits for a commit."""
RETRY = 1.0
CARRY_OVER = 5.0
"""Seconds between two times that the write-ahead log is carried over."""
CEILING = 200_000
"""Decisions kept for a store that does not answer; beyond it failures are dropped, bans never."""

T = TypeVar("T")


class _Gathered:
    """What one transaction will write, and when that is over."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.position: Position | None = None
        self.caught_up: dict[str, str | None] = {}
        self.outbox: list[Row] = []
        self.done: list[str] = []
        self.tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, batch: Batch, room: int) -> int:
        """Take a batch in; how many failures there was no room for."""
        kept = batch.decisions
        if len(kept) > room:
            kept = tuple(decision for decision in kept if not isinstance(decision, Found))
        self.decisions += kept
        self.position = batch.position or self.position
        self.caught_up.update(batch.caught_up)
        self.outbox += batch.outbox
        self.done += batch.done
        return len(batch.decisions) - len(kept)

    def batch(self) -> Batch:
        return Batch(
            tuple(self.decisions),
            self.position,
            self.caught_up,
            tuple(self.outbox),
            tuple(self.done),
        )

    def over(self) -> None:
        if not self.tried.done():
            self.tried.set_result(None)


class Recorder:
    """`degraded` says why nothing can be written at the moment; `dropped` counts failures that will never be."""

    def __init__(self, store: Store, complain: Callable[[str], None]) -> None:
        self._store = store
        self._complain = complain
        self._writing: _Gathered | None = None
        self._next: _Gathered | None = None
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._carrying: asyncio.Task[None] | None = None
        self._carried = float("-inf")
        self.committed: Position | None = None
        self.degraded: str | None = None
        self.dropped = 0

    async def record(self, batch: Batch) -> None:
        """Returns when the batch is committed, or as soon as waiting for it would delay its enforcement."""
        if self._next is None:
            self._next = _Gathered()
        gathered = self._next
        kept = len(gathered.decisions) + (len(self._writing.decisions) if self._writing else 0)
        self.dropped += gathered.add(batch, CEILING - kept)
        self._wake.set()
        if self.degraded is None:
            await asyncio.wait([gathered.tried], timeout=PATIENCE)
            if not gathered.tried.done():
                self._degrade(f"a commit takes longer than {PATIENCE:.0f} s")

    async def run(self) -> None:
        """Commit what is recorded, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._writing or self._next:
                if not await self._commit():
                    await asyncio.sleep(RETRY)
            self._carry_over()

    async def between(self, work: Callable[[], T]) -> T:
        """Let something else use the store, between two transactions."""
        async with self._turn:
            # The thread cannot be cancelled, and until it ends the turn is not over.
            running = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                raise

    def _carry_over(self) -> None:
        """Beside the commits: they would wait for the disk, and bans for them."""
        now = asyncio.get_running_loop().time()
        if now - self._carried > CARRY_OVER and (self._carrying is None or self._carrying.done()):
            self._carried = now
            work = asyncio.to_thread(self._store.carry_over)
            self._carrying = asyncio.get_running_loop().create_task(work)

    async def finish(self, timeout: float) -> bool:
        """Wait until everything is written; False if the time was not enough."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._carrying is not None:
            await asyncio.wait([self._carrying], timeout=timeout)
        while (waiting := self._writing or self._next) and loop.time() < deadline:
            await asyncio.wait([waiting.tried], timeout=deadline - loop.time())
            await asyncio.sleep(0.01)
        return not (self._writing or self._next or (self._carrying and not self._carrying.done()))

    async def _commit(self) -> bool:
        if self._writing is None:
            self._writing, self._next = self._next, None
        writing = self._writing
        if writing is None:
            return True
        try:
            await self.between(partial(self._store.commit, writing.batch()))
        except F2bError as error:
            self._degrade(str(error))
            for gathered in (writing, self._next):
                if gathered is not None:
                    gathered.over()
            return False
        self._writing = None
        self.committed = writing.position or self.committed
        writing.over()
        if self.degraded and self._next is None:
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
