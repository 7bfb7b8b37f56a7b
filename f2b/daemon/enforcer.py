"""Makes the kernel hold what the ledgers say. Decides nothing.

Decisions only mark offenders as changed; what is sent is what the ledger says when the backend is free. So order,
repeats and retries cannot make the wall differ from the ledger for long. The backend's calls run in a worker thread,
one at a time, because the kernel makes writers wait for each other. Whatever goes wrong is mended by the same means:
start the wall again with all bans in force.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from f2b.actions.base import Backend, Disturbance, JailWall, Operation, Put, Refused, Remove
from f2b.addresses import Offender
from f2b.config.settings import Heal
from f2b.errors import ActionError, F2bError, ForeignWallError
from f2b.model import Ban, Banned, Decision, Lifted, Prolonged

BACKOFF = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Seconds until the next try, after the first, second, ... failure in a row."""

SLICE = 2000
"""Changes that are carried out at a time: the loop must not be blocked by their number."""

RETRY = 60.0
"""Seconds until what the kernel refused is tried again."""

SETTLE = 0.05
"""Seconds from the first change by somebody else to its repair: a ruleset is loaded in many changes."""
REST, PAUSE = 6, 60.0
"""After a repair the next waits six times as long as that took of a processor, a minute at most."""
REPAIRS, REPAIRS_WITHIN, QUIET = 5, 10.0, 120.0
"""More than five repairs in ten seconds are a battle, until there was none for two minutes."""

RECONCILE = 60.0
"""Seconds between two looks at a wall whose backend hears nothing of changes by others."""

Key = tuple[str, Offender]


class Wall(NamedTuple):
    """Everything that a fresh start of the backend needs."""

    jails: Sequence[JailWall]
    own: Sequence[Offender]
    bans: Sequence[Ban]


class Enforcer:
    """`unenforced` holds the bans that the kernel does not hold yet or refused, with the reason.

    `refused` are those that it refused. `failing` says what does not work at the moment, `why` why the backend is
    this one and no better.
    """

    def __init__(
        self,
        backend: Backend,
        wall: Callable[[], Wall],
        in_force: Callable[[Key], Ban | None],
        clock: Callable[[], float],
        complain: Callable[[str], None],
        heal: Heal = Heal.ALL,
    ) -> None:
        self._heal = heal
        self._backend = backend
        self._wall = wall
        self._in_force = in_force
        self._clock = clock
        self._complain = complain
        self._changed: dict[Key, None] = {}
        self._rebuild = False
        self._own: Sequence[Offender] | None = None
        self._wake = asyncio.Event()
        self._others_again = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._repair: asyncio.TimerHandle | None = None
        self._others: dict[str, None] = {}
        self._calling = asyncio.Lock()
        self._pace = _Pace()
        self.unenforced: dict[Key, str] = {}
        self.refused: set[Key] = set()
        self._retry: asyncio.TimerHandle | None = None
        self.failing: str | None = None
        self._battle = ""
        self.why = ""

    @property
    def name(self) -> str:
        return self._backend.name

    @property
    def losses(self) -> Sequence[str]:
        return self._backend.losses

    @property
    def embattled(self) -> str | None:
        """Who changes the wall again and again."""
        return self._battle if time.monotonic() < self._pace.embattled_until else None

    async def counters(self, jail: str, timeout: float) -> Mapping[Offender, tuple[int, int]]:
        """Packets and bytes that every ban of the jail has stopped; nothing if the wall is too busy to say."""
        with contextlib.suppress(TimeoutError, F2bError):
            async with asyncio.timeout(timeout):
                await self._calling.acquire()
            asked = asyncio.ensure_future(asyncio.to_thread(self._backend.counters, jail))
            # Whoever asks may be gone before the thread is: until then nobody else may call.
            asked.add_done_callback(lambda _: self._calling.release())
            return await asyncio.shield(asked)
        return {}

    def submit(self, decisions: Sequence[Decision]) -> None:
        """Queue what a batch of decisions changes at the wall."""
        for decision in decisions:
            match decision:
                case Banned(ban, enforce=True) | Prolonged(ban):
                    key = ban.jail, ban.offender
                    self.unenforced[key] = "not yet acknowledged by the kernel"
                case Lifted(ban):
                    key = ban.jail, ban.offender
                    self.unenforced.pop(key, None)
                    self.refused.discard(key)
                case _:
                    continue
            self._changed[key] = None
            self._kick()

    def rebuild(self) -> None:
        """Compare the whole wall with the ledgers: after a reload or a step of the clock."""
        self._rebuild = True
        self._kick()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Rebuild what others change, until the backend is closed."""
        if self._backend.fileno() >= 0:
            loop.add_reader(self._backend.fileno(), self._disturbed, loop)

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        for timer in (self._repair, self._retry):
            if timer is not None:
                timer.cancel()
        if self._backend.fileno() >= 0:
            loop.remove_reader(self._backend.fileno())

    def set_own(self, own: Sequence[Offender]) -> None:
        """The host's own addresses have changed."""
        self._own = own
        self._kick()

    async def settled(self, timeout: float) -> bool:
        """Wait until everything submitted so far was tried; False if it took longer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return self._idle.is_set()

    async def start(self) -> None:
        """Put the wall up with all restored bans. Raises what the backend raises: a daemon that cannot ban is none."""
        # What was marked so far is part of the picture taken now; what is marked from here on goes into the next.
        wall = self._wall()
        self._rebuild, self._own = False, None
        self._changed.clear()
        async with self._calling:
            refused = await asyncio.to_thread(
                self._backend.start, wall.jails, wall.own, wall.bans, self._clock()
            )
        # Not ban by ban: there may be a hundred thousand, and few or none that were not enforced.
        waiting = [key for key in self.unenforced if key not in self._changed]
        told = {key: self.unenforced.pop(key) for key in waiting}
        self.refused.clear()
        self._note(refused, told)

    async def run(self) -> None:
        """Carry out what is submitted, until cancelled."""
        failures = 0
        while True:
            await self._awakened()
            self._wake.clear()
            self._others_again.clear()
            try:
                await self._work()
            except (ActionError, ForeignWallError) as error:
                if failures == 0 and not self.embattled:
                    self._complain(f"{self.name}: {error}; trying again")
                self.failing = str(error)
                if failures:  # nobody knows what stands there
                    bans = self._wall().bans
                    self.unenforced |= {(ban.jail, ban.offender): "" for ban in bans}
                self.unenforced.update(dict.fromkeys(self.unenforced, self.failing))
                delay = BACKOFF[min(failures, len(BACKOFF) - 1)]
                failures += 1
                self._rebuild = True
                self._idle.set()
                # When others change the wall again it may be that they give way.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._others_again.wait()
                self._wake.set()
            else:
                if failures and not self.embattled:
                    self._complain(f"{self.name}: works again, every ban is enforced")
                failures, self.failing = 0, None

    async def lift(self, timeout: float) -> None:
        """Take the wall down, for good: nothing is called after it."""
        try:
            async with asyncio.timeout(timeout):
                await self._calling.acquire()
            self._backend.lift()
        except TimeoutError:
            self._complain(f"{self.name} could not be taken down: it is busy")
        except F2bError as error:
            self._complain(f"{self.name} could not be taken down: {error}")

    def close(self) -> None:
        self._backend.close()

    def _disturbed(self, loop: asyncio.AbstractEventLoop) -> None:
        watched = self._backend.fileno()
        try:
            disturbance = self._backend.disturbed()
        except ActionError as error:
            loop.remove_reader(watched)
            self._complain(f"{self.name} cannot say what others do to the wall: {error}")
            self.rebuild()
            return
        if disturbance is None:
            return
        who = disturbance.who or "somebody"
        left_out = self._tell_removed(disturbance, who)
        if left_out and self._heal is Heal.STRUCTURE:
            return
        if not left_out:
            self._others[who] = None
        if self._repair is not None:
            return
        known = self.embattled is not None
        self._repair = loop.call_later(self._pace.delay(time.monotonic()), self._repair_now)
        self._battle = f"{who} changes the wall again and again; it is put right each time"
        if self.embattled and not known:
            self._complain(f"{self.name}: {self._battle}")

    def _tell_removed(self, disturbance: Disturbance, who: str) -> bool:
        """Explain what becomes of bans that somebody took out by hand. False: it was not only that."""
        removed = [key for key in disturbance.removed if self._in_force(key)]
        for jail, offender in removed:
            if self._heal is Heal.STRUCTURE:
                self.unenforced[jail, offender] = f"{who} removed it from the wall"
                fate = "and heal = structure leaves it out"
            else:
                fate = "and it is put back"
            self._complain(
                f"{self.name}: {who} removed {offender} of jail {jail} from the wall, {fate}: "
                f"use f2b unban {offender} to end a ban"
            )
        return bool(removed)

    def _repair_now(self) -> None:
        self._repair = None
        if self._others and not self.embattled:
            who = " and ".join(self._others)
            self._complain(
                f"{self.name}: {who} changed the wall; it is compared with the bans and put right"
            )
        self._others.clear()
        self._others_again.set()
        self.rebuild()

    def _tell_mended(self) -> None:
        """Where nothing is heard of others, the comparison has found what they did."""
        if self._backend.fileno() < 0 and (mended := self._backend.disturbed()):
            self._complain(
                f"{self.name}: somebody changed the wall, it was put right: {mended.what}"
            )

    async def _awakened(self) -> None:
        hears = self._backend.fileno() >= 0
        try:
            async with asyncio.timeout(None if hears else RECONCILE):
                await self._wake.wait()
        except TimeoutError:
            self._rebuild = True

    async def _work(self) -> None:
        while True:
            if self._rebuild:
                used = time.process_time()
                try:
                    await self.start()
                finally:
                    self._pace.spent(time.monotonic(), time.process_time() - used)
                self._tell_mended()
            elif self._own is not None:
                own, self._own = self._own, None
                async with self._calling:
                    await asyncio.to_thread(self._backend.set_own, own)
            elif self._changed:
                keys = list(islice(self._changed, SLICE))
                for key in keys:
                    del self._changed[key]
                operations = [self._operation(key) for key in keys]
                async with self._calling:
                    refused = await asyncio.to_thread(
                        self._backend.apply, operations, self._clock()
                    )
                self._account(operations, refused)
            else:
                self._idle.set()
                return

    def _operation(self, key: Key) -> Operation:
        ban = self._in_force(key)
        return Put(ban) if ban else Remove(*key)

    def _account(self, operations: Sequence[Operation], refused: Sequence[Refused]) -> None:
        told: dict[Key, str] = {}
        for operation in operations:
            if (key := _key(operation)) not in self._changed:
                told[key] = self.unenforced.pop(key, "")
                self.refused.discard(key)
        self._note(refused, told)

    def _note(self, refused: Sequence[Refused], told: Mapping[Key, str]) -> None:
        """Complain of what is new, and try it all again later."""
        for operation, why in ((r.operation, r.why) for r in refused):
            jail, offender = key = _key(operation)
            if told.get(key) != why:
                self._complain(f"{self.name} refused {offender} of jail {jail}: {why}")
            if isinstance(operation, Put):
                self.unenforced[key] = why
                self.refused.add(key)
        if self.refused and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        if self.refused:
            self._changed.update(dict.fromkeys(self.refused))
            self._kick()

    def _kick(self) -> None:
        self._idle.clear()
        self._wake.set()


class _Pace:
    """How soon to repair: at once, but with a seventh of a processor at most, however often others change the wall."""

    def __init__(self) -> None:
        self._repairs: list[float] = []
        self._rested = 0.0
        self.embattled_until = 0.0

    def delay(self, now: float) -> float:
        self._repairs = [at for at in self._repairs if now - at < REPAIRS_WITHIN]
        self._repairs.append(now)
        if len(self._repairs) > REPAIRS:
            self.embattled_until = now + QUIET
        return max(SETTLE, self._rested - now)

    def spent(self, now: float, used: float) -> None:
        self._rested = now + min(PAUSE, REST * used)


def _key(operation: Operation) -> Key:
    if isinstance(operation, Put):
        return operation.ban.jail, operation.ban.offender
    return operation.jail, operation.offender
