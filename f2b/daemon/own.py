"""The addresses of this host, which change: they are let through whatever is banned."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from f2b.actions import interfaces
from f2b.addresses import Offender
from f2b.decide.engine import Engine
from f2b.decide.ignore import IgnoreList


class Own:
    """Owns them, and gives them to the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.addresses = interfaces.own_addresses()
        engine.own = IgnoreList(self.addresses)

    @contextlib.contextmanager
    def watch(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[tuple[Offender, ...]], None],
    ) -> Iterator[None]:
        """Follow the interfaces while this lasts."""
        watch = interfaces.Watch()

        def look() -> None:
            if watch.drain():
                spawn(self.refresh(changed))

        loop = asyncio.get_running_loop()
        loop.add_reader(watch.fileno(), look)
        try:
            yield
        finally:
            loop.remove_reader(watch.fileno())
            watch.close()

    async def refresh(self, changed: Callable[[tuple[Offender, ...]], None]) -> None:
        own = await asyncio.to_thread(interfaces.own_addresses)
        if own != self.addresses:
            self.addresses = own
            self._engine.own = IgnoreList(own)
            changed(own)
