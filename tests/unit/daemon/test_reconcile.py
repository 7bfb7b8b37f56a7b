"""A backend that hears nothing of others is looked after; one that hears is left alone."""

import asyncio

import pytest

from f2b.addresses import parse
from f2b.daemon import enforcer as module
from tests.unit.daemon.wall import Kernel, World, until

A = parse("192.0.2.1")


class Deaf(Kernel):
    def fileno(self) -> int:
        return -1


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONCILE", 0.05)


async def after_a_loss(world: World) -> None:
    task = asyncio.create_task(world.enforcer.run())
    world.ban(A)
    await world.settled()
    world.kernel.held.clear()
    try:
        await asyncio.wait_for(until(lambda: world.held == {A}), 0.5)
    finally:
        task.cancel()


def test_what_others_break_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.daemon.wall.Kernel", Deaf)
    asyncio.run(after_a_loss(World()))


def test_who_hears_is_not_disturbed() -> None:
    world = World()
    with pytest.raises(TimeoutError):
        asyncio.run(after_a_loss(world))
    assert world.kernel.calls == ["apply"]
