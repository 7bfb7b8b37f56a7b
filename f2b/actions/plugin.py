"""Actions that other packages offer as entry points. Their methods may block: each call has a thread of its own.

A thread cannot be ended. One that is not done in time counts as failed; its action is asked nothing more until it is.
"""

import asyncio
import contextlib
import threading  # noqa: TID251 - a pool would keep the process from its end
from collections.abc import Callable, Mapping
from typing import Protocol

from f2b import plugins
from f2b.actions.guard import check_methods
from f2b.config.settings import ActionSettings
from f2b.errors import ActionError, F2bError

METHODS = ("start", "carry_out", "stop")


class SideAction(Protocol):
    """What an entry point `make(jail: str, parameters: Mapping[str, str]) -> SideAction` makes.

    Raises ActionError for what is to be tried again; the same step of the same ban has the same `values["id"]`.
    """

    def start(self) -> None:
        """Before anything else; again after `stop`."""

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        """`step` is ban, unban, reban or prolong; `values` are what the tags of action files stand for."""

    def stop(self) -> None: ...


class PluginRunner:
    """Does for a plug-in what Runner does for commands."""

    def __init__(self, settings: ActionSettings, common: Callable[[], Mapping[str, str]]) -> None:
        self.settings = settings
        self._common = common
        self._action: SideAction | None = None
        self._busy = False

    def text(self, family: str, step: str) -> str:  # noqa: ARG002
        """Something for the steps that it takes."""
        return step if step in {"ban", "unban", "reban", "prolong"} else ""

    def uses(self, tag: str) -> bool:
        return tag == "matches"

    async def start(self) -> None:
        if self._action is None:
            await self._call(self._make)

    async def stop(self, *, flush: bool) -> None:  # noqa: ARG002
        if self._action is not None:
            action, self._action = self._action, None
            await self._call(action.stop)

    async def carry_out(self, step: str, values: Mapping[str, str]) -> bool:
        await self.start()
        assert self._action is not None
        action, told = self._action, {**self._common(), **values}
        await self._call(lambda: action.carry_out(step, told))
        return False

    async def reload(self) -> None:
        """Its parameters cannot change: it is made anew."""

    def _make(self) -> None:
        name = self.settings.plugin
        make = plugins.load(plugins.SIDE_ACTIONS, name)
        action: SideAction = make(self.settings.jail, dict(self.settings.parameters))
        check_methods(f"what plug-in {name!r} makes", action, METHODS)
        action.start()
        self._action = action

    async def _call(self, work: Callable[[], None]) -> None:
        if self._busy:
            raise ActionError("still busy with what was not done in time", retry=True)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[BaseException | None] = loop.create_future()

        def answer(error: BaseException | None) -> None:
            if not done.done():
                done.set_result(error)

        def run() -> None:
            self._busy = True  # only now, since a thread may be refused
            error: BaseException | None = None
            try:
                work()
            except BaseException as failed:  # noqa: BLE001 - whatever a stranger's code raises
                error = failed
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                loop.call_soon_threadsafe(answer, error)

        threading.Thread(target=run, daemon=True).start()
        try:
            async with asyncio.timeout(self.settings.timeout):
                error = await done
        except TimeoutError:
            why = f"not done within {self.settings.timeout:g} s"
            raise ActionError(why, retry=True) from None
        if isinstance(error, ActionError):
            raise error
        if isinstance(error, F2bError):
            raise ActionError(error.message, hint=error.hint, retry=True) from error
        if error is not None:
            raise ActionError(plugins.described(error), retry=True) from error
