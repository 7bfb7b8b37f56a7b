"""A wall in memory that can be slow, fail and refuse, and an enforcer that works on it."""

# ruff: noqa: ARG002 - it has no structure and no clock

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from f2b.actions.base import Backend, Disturbance, JailWall, Operation, Put, Refused
from f2b.addresses import Offender
from f2b.config.settings import Heal
from f2b.daemon.enforcer import Enforcer, Key, Wall
from f2b.errors import NotPermittedError
from f2b.model import Ban, Banned, Lifted, Prolonged, Reason


class Kernel:
    """A wall in memory: it may refuse, fail and be slow, as the real one."""

    name = "kernel"
    losses: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.held: dict[Key, float | None] = {}
        self.own: Sequence[Offender] = ()
        self.calls: list[str] = []
        self.inside, self.crowded = 0, False  # two calls at a time would read each other's answers
        self.refused: set[Offender] = set()
        self.failures: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.by_hand: tuple[Key, ...] = ()
        self.news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        self._called("start")
        self.held = {}
        self.own = own
        return self._carry_out([Put(ban) for ban in bans])

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        self._called("apply")
        return self._carry_out(operations)

    def set_own(self, own: Sequence[Offender]) -> None:
        self._called("set_own")
        self.own = own

    def dump(self, jails: Sequence[str]) -> list[tuple[str, Offender, float | None]]:
        return [(*key, until) for key, until in self.held.items() if key[0] in jails]

    def fileno(self) -> int:
        return self.news

    def disturbed(self) -> Disturbance | None:
        try:
            os.eventfd_read(self.news)
        except BlockingIOError:
            return None
        return Disturbance("nft (process 7)", self.by_hand)

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:
        self._called("counters")
        return {offender: (3, 180) for name, offender in self.held if name == jail}

    def disturb(self) -> None:
        """Somebody else flushes the ruleset."""
        self.held = {}
        os.eventfd_write(self.news, 1)

    def lift(self) -> None:
        self._called("lift")

    def close(self) -> None:
        self._called("close")
        os.close(self.news)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.inside += 1
        self.crowded = self.crowded or self.inside > 1
        assert self.open.wait(5)
        self.inside -= 1
        if self.failures:
            raise self.failures.pop(0)

    def _carry_out(self, operations: Iterable[Operation]) -> list[Refused]:
        refused = []
        for operation in operations:
            if isinstance(operation, Put):
                ban = operation.ban
                if ban.offender in self.refused:
                    refused.append(Refused(operation, "no room"))
                else:
                    self.held[ban.jail, ban.offender] = ban.until
            else:
                self.held.pop((operation.jail, operation.offender), None)
        return refused


class World:
    """Ledger, enforcer and kernel."""

    def __init__(self, heal: Heal = Heal.ALL) -> None:
        self.kernel = Kernel()
        self.ledger: dict[Key, Ban] = {}
        self.own: Sequence[Offender] = ()
        self.said: list[str] = []
        backend: Backend = self.kernel
        self.enforcer = Enforcer(
            backend, self.wall, self.ledger.get, lambda: 1000.0, self.said.append, heal
        )

    def wall(self) -> Wall:
        return Wall([], self.own, list(self.ledger.values()))

    def ban(self, offender: Offender, until: float | None = 1600) -> None:
        ban = self.ledger["sshd", offender] = Ban("sshd", offender, 1000, until)
        self.enforcer.submit([Banned(ban)])

    def prolong(self, offender: Offender, until: float) -> None:
        ban = self.ledger["sshd", offender] = Ban("sshd", offender, 1000, until)
        self.enforcer.submit([Prolonged(ban)])

    def lift(self, offender: Offender) -> None:
        ban = self.ledger.pop(("sshd", offender))
        self.enforcer.submit([Lifted(ban, Reason.UNBAN, 1100)])

    async def settled(self) -> None:
        assert await self.enforcer.settled(5)

    async def busy(self) -> None:
        """Wait until the kernel has been called and does not answer."""
        await until(lambda: bool(self.kernel.calls))

    @property
    def held(self) -> set[Offender]:
        return {offender for _, offender in self.kernel.held}


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def at_work(body: Callable[[World], Awaitable[None]], heal: Heal = Heal.ALL) -> World:
    async def together() -> World:
        world = World(heal)
        task = asyncio.create_task(world.enforcer.run())
        try:
            await asyncio.wait_for(body(world), 10)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, NotPermittedError):
                await task
            world.enforcer.unwatch(asyncio.get_running_loop())
            world.enforcer.close()
        return world

    return asyncio.run(together())
