"""The work of one action, in order, beside everything else; what fails is tried again, and its offender's rest waits.

Owns what is waiting. Rows of the outbox leave it when they are carried out or given up; restored bans are in no row.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from f2b.actions.command import Runner
from f2b.actions.plugin import PluginRunner
from f2b.addresses import Offender
from f2b.config.settings import ActionSettings
from f2b.errors import ActionError, HopelessError
from f2b.model import Ban
from f2b.outbox import Row, Step

BACKOFF = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds until the next try, after the first, second, ... failure of the same row."""
AT_ONCE = 8
PROMPT = 1.0
"""So many commands run at once; one that takes longer than a second no longer counts, and takes nobody's place."""


class Turns:
    """Keeps a wave of bans from becoming a wave of processes, and slow commands from keeping out the others."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self._places.acquire()
        taken = [True]

        def free() -> None:
            if taken:
                taken.clear()
                self._places.release()

        timer = asyncio.get_running_loop().call_later(PROMPT, free)
        try:
            yield
        finally:
            timer.cancel()
            free()


@dataclass(slots=True)
class Job:
    """A row to carry out; `stored` if it stands in the outbox."""

    row: Row
    stored: bool = True
    restored: bool = False
    tries: int = 0

    @property
    def offender(self) -> Offender:
        return self.row.ban.offender


AnyRunner = Runner | PluginRunner
Describe = Callable[[Job, AnyRunner], Awaitable[Mapping[str, str]]]


class Surroundings(NamedTuple):
    """What a queue needs of the daemon: values of tags, the bans in force, the removal of rows, the log, the clock."""

    turns: Turns
    describe: Describe
    in_force: Callable[[ActionSettings], Iterable[Row]]
    holds: Callable[[Row], bool]
    done: Callable[[Row], Awaitable[None]]
    complain: Callable[[str], None]
    clock: Callable[[], float]


@contextmanager
def _bugs_told() -> Iterator[None]:
    """No thread can be started, say: that must not be the end of all that an action does."""
    try:
        yield
    except ActionError:
        raise
    except Exception as error:
        raise ActionError(f"bug: {error!r}", retry=True) from error


class Queue:
    """`failing` says what went wrong last; `given_up` counts rows that were not carried out in their time.

    `heir` takes over what fails at the end.
    """

    def __init__(self, runner: AnyRunner, around: Surroundings) -> None:
        self.runner = runner
        self._around = around
        self._ready: deque[Job] = deque()
        self._restored: dict[Offender, Ban] = {}
        self._aside: dict[Offender, deque[Job]] = {}
        self._due: list[tuple[float, int, Offender]] = []
        self._prolonging: dict[
            Offender, Job
        ] = {}  # where that is the last that waits for the offender
        self._count = 0
        self._wake = asyncio.Event()
        self._ending = self._drain = False
        self._flush = False
        self._reload = False
        self._busy: Job | None = None
        self.heir: Queue | None = None
        self.failing: str | None = None
        self.given_up = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.runner.settings.jail, self.runner.settings.name

    @property
    def name(self) -> str:
        return "/".join(self.key)

    def __len__(self) -> int:
        return len(self._ready) + sum(map(len, self._aside.values()))

    def jobs(self) -> list[Job]:
        """All that waits, in order for each offender; without the one that is tried at the moment."""
        waiting = [*(job for jobs in self._aside.values() for job in jobs), *self._ready]
        return [job for job in waiting if job is not self._busy]

    def under_way(self) -> list[Job]:
        """As `jobs`, with that one."""
        return [*([self._busy] if self._busy else []), *self.jobs()]

    def untold(self) -> Iterator[Offender]:
        """Whose bans it has not carried out yet."""
        yield from self._restored
        for job in self.under_way():
            if job.row.step in {Step.BAN, Step.REBAN}:
                yield job.offender

    @property
    def waiting(self) -> int:
        return len(self.under_way()) + len(self._restored)

    def restore(self, bans: Iterable[Ban]) -> None:
        """Tell of these bans in force when there is time, and before anything else about their offenders.

        They may be a hundred thousand: no job is made before its turn, and no place of the new is taken.
        """
        self._restored.update((ban.offender, ban) for ban in bans)
        self._wake.set()

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._ready.append(job)
            if job.row.step is Step.PROLONG:
                self._prolonging[job.offender] = job
            else:
                self._prolonging.pop(job.offender, None)
        self._wake.set()

    def prolong(self, row: Row) -> str | None:
        """Let it take the place of an earlier end of the same ban that waits still; the id of that, if there is one.

        Every failure of a banned offender moves the end: they must not become as many rows.
        """
        job = self._prolonging.get(row.ban.offender)
        if job is None or job.row.ban.start != row.ban.start:
            return None
        before, job.row = job.row.id, row
        return before

    def _inherit(self, job: Job) -> None:
        """What failed elsewhere comes before all that was decided later."""
        self._ready.appendleft(job)
        self._wake.set()

    def retire(self, *, drain: bool, flush: bool) -> None:
        """Let `run` end: after what is waiting, or after what is under way. Flushing lifts all bans at once."""
        self._restored.clear()
        if not drain:
            self._ready.clear()
            self._aside.clear()
            self._due.clear()
            self._prolonging.clear()
        self._ending, self._drain, self._flush = True, drain, flush
        self._wake.set()

    def hurry(self) -> None:
        """Leave what is waiting, where that was to be done first."""
        if self._drain:
            self.retire(drain=False, flush=self._flush)

    def reload(self) -> None:
        """Run actionreload when there is time."""
        self._reload = True
        self._wake.set()

    async def run(self, after: asyncio.Task[None] | None = None) -> None:
        """Until retired; `after` is the one that had this place before."""
        if after is not None:
            await asyncio.wait([after])
        if not self.runner.settings.on_demand:
            await self._try(self.runner.start())
        while not (self._ending and not len(self)):
            if self._reload:
                self._reload = False
                await self._try(self.runner.reload())
            self._wake.clear()
            job = self._next()
            if job is not None:
                await self._do(job)
            elif not self._ending or self._due:
                await self._sleep()
        await self._try(self.runner.stop(flush=self._flush))

    async def _try(self, work: Awaitable[None]) -> None:
        try:
            with _bugs_told():
                async with self._around.turns.turn():
                    await work
        except ActionError as error:
            self._failed(str(error))

    def _failed(self, why: str) -> None:
        if self.failing is None:
            self._around.complain(f"action {self.name}: {why}")
        self.failing = why

    def _next(self) -> Job | None:
        if self._due and self._due[0][0] <= monotonic():
            offender = heapq.heappop(self._due)[2]
            return self._aside[offender][0]
        while self._ready:
            job = self._ready.popleft()
            if job.offender in self._restored:
                self._ready.appendleft(job)
                return self._again(self._restored.pop(job.offender))
            if job.offender not in self._aside:
                return job
            self._aside[job.offender].append(job)
        return self._again(self._restored.popitem()[1]) if self._restored else None

    def _again(self, ban: Ban) -> Job:
        row = Row(self._around.clock(), self.runner.settings.name, Step.BAN, ban)
        return Job(row, stored=False, restored=True)

    async def _sleep(self) -> None:
        patience = None
        if self._due:
            patience = max(0.0, self._due[0][0] - monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()

    async def _do(self, job: Job) -> None:
        if not job.stored and job.row.step is not Step.UNBAN and not self._around.holds(job.row):
            self._over(job)
            return
        self._busy = job
        if self._prolonging.get(job.offender) is job:
            del self._prolonging[job.offender]
        works = False
        try:
            anew = await self._carry_out(job)
        except ActionError as error:
            self._failed(f"{job.row.step} {job.offender}: {error}")
            job.tries += 1
            hopeless = isinstance(error, HopelessError)
            if not hopeless and self._around.clock() < job.row.at + self.runner.settings.retry_for:
                self._put_aside(job, error.delay)
                return
            self.given_up += 1
            tries = f"{job.tries} {'try' if job.tries == 1 else 'tries'}"
            self._around.complain(
                f"action {self.name}: {job.row.step} {job.offender} given up after {tries}: {error}"
            )
        else:
            works = True
            if anew:
                again = self._around.in_force(self.runner.settings)
                self.add(Job(row, stored=False) for row in again if row.ban != job.row.ban)
        finally:
            self._busy = None
        if job.stored:
            await self._around.done(job.row)
        self._over(job)
        if works and not self._aside:
            self.failing = None

    async def _carry_out(self, job: Job) -> bool:
        with _bugs_told():
            values = await self._around.describe(job, self.runner)
            async with self._around.turns.turn():
                return await self.runner.carry_out(job.row.step, values)

    def _put_aside(self, job: Job, delay: float) -> None:
        if self._ending and not self._drain:
            if self.heir is not None:
                self.heir._inherit(job)  # noqa: SLF001 - another of us
            return
        self._aside.setdefault(job.offender, deque([job]))
        self._enter(job.offender, max(delay, BACKOFF[min(job.tries, len(BACKOFF)) - 1]))

    def _over(self, job: Job) -> None:
        behind = self._aside.get(job.offender)
        if not behind:
            return
        if behind[0] is job:
            behind.popleft()
        if behind:
            self._enter(job.offender, 0.0)
        else:
            del self._aside[job.offender]

    def _enter(self, offender: Offender, delay: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (monotonic() + delay, self._count, offender))
