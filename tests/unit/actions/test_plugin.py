"""An action of another package, as f2b asks it."""

import asyncio
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import pytest

from f2b import plugins
from f2b.actions.plugin import PluginRunner, SideAction
from f2b.config.settings import ActionSettings
from f2b.errors import ActionError

TOLD: list[str] = []
GO_ON = threading.Event()


class Bell:
    """Rings, refuses, breaks or hangs."""

    def __init__(self, jail: str, how: str) -> None:
        self._jail = jail
        self._how = how

    def start(self) -> None:
        TOLD.append(f"start {self._jail}")

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        TOLD.append(f"{step} {values['ip']}")
        if self._how == "hang":
            GO_ON.wait(10)
        if self._how == "refuse":
            raise ActionError("not now", retry=True)
        if self._how == "break":
            raise ZeroDivisionError("bell")
        if self._how == "leave":
            sys.exit("enough")

    def stop(self) -> None:
        TOLD.append("stop")


def make(jail: str, parameters: Mapping[str, str]) -> SideAction:
    if parameters["how"] == "nothing":
        return cast("SideAction", object())
    return Bell(jail, parameters["how"])


class Point:
    name = value = "bell"

    def load(self) -> Any:
        return make


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    TOLD.clear()
    GO_ON.clear()
    monkeypatch.setattr(plugins, "_others", lambda group: [Point()] if group else [])


def runner(how: str, name: str = "bell") -> PluginRunner:
    settings = ActionSettings(
        jail="sshd",
        name="bell",
        plugin=name,
        parameters=(("how", how),),
        timeout=0.5 if how == "hang" else 10,
    )
    return PluginRunner(settings, dict)


def test_its_life() -> None:
    async def live() -> None:
        bell = runner("ring")
        await bell.start()
        await bell.carry_out("ban", {"ip": "192.0.2.1"})
        await bell.stop(flush=False)

    asyncio.run(live())
    assert TOLD == ["start sshd", "ban 192.0.2.1", "stop"]


@pytest.mark.parametrize(
    ("how", "name", "why"),
    [
        ("refuse", "bell", "not now"),
        ("break", "bell", r"^ZeroDivisionError: bell, at .*test_plugin\.py:\d+$"),
        ("leave", "bell", "^SystemExit: enough, at "),
        (
            "nothing",
            "bell",
            "what plug-in 'bell' makes has no start, carry_out, stop .is it written",
        ),
        ("hang", "bell", "not done within 0.5 s"),
        ("ring", "horn", r"no plug-in is called 'horn' \(there are: .*bell\)"),
    ],
)
def test_what_goes_wrong(how: str, name: str, why: str) -> None:
    with pytest.raises(ActionError, match=why):
        asyncio.run(runner(how, name).carry_out("ban", {"ip": "192.0.2.1"}))


def test_one_that_hangs_is_asked_nothing_more_until_it_is_done() -> None:
    async def live() -> None:
        bell = runner("hang")
        with pytest.raises(ActionError, match="not done"):
            await bell.carry_out("ban", {"ip": "192.0.2.1"})
        with pytest.raises(ActionError, match="still busy"):
            await bell.carry_out("ban", {"ip": "192.0.2.2"})
        GO_ON.set()
        async with asyncio.timeout(10):
            while "ban 192.0.2.3" not in TOLD:
                with suppress(ActionError):
                    await bell.carry_out("ban", {"ip": "192.0.2.3"})
                await asyncio.sleep(0.01)

    asyncio.run(live())
    assert TOLD == ["start sshd", "ban 192.0.2.1", "ban 192.0.2.3"]
