"""What the enforcer must know of the engine and of the host: the wall as it should be."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from f2b.actions import interfaces
from f2b.actions.base import JailWall
from f2b.addresses import Offender
from f2b.daemon.enforcer import Key, Wall
from f2b.decide.engine import Engine
from f2b.model import Ban


def picture(engine: Engine, own: Sequence[Offender], now: float) -> Wall:
    """All jails, and all bans that are not over."""
    jails = engine.jails.values()
    walls = [JailWall(jail.name, jail.settings.wall, jail.settings.ignoreip) for jail in jails]
    return Wall(walls, own, [ban for jail in jails for ban in jail.ledger if ban.lasts(now)])


def in_force(engine: Engine, key: Key) -> Ban | None:
    name, offender = key
    jail = engine.jails.get(name)
    return jail.ledger.get(offender) if jail else None


@contextlib.contextmanager
def own_addresses_watched(changed: Callable[[], None]) -> Iterator[None]:
    """Follow the host's own addresses: they are let through whatever is banned."""
    watch = interfaces.Watch()

    def readable() -> None:
        if watch.drain():
            changed()

    loop = asyncio.get_running_loop()
    loop.add_reader(watch.fileno(), readable)
    try:
        yield
    finally:
        loop.remove_reader(watch.fileno())
        watch.close()
