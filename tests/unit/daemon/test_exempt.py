"""Names and lists in ignoreip: what they say holds until they say something else."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.daemon import exempt as module
from f2b.daemon.exempt import Exempt
from f2b.decide.engine import Engine
from f2b.model import Decision
from tests.unit.decide.making import banned, fail, jail, lifted

A, B = "192.0.2.7", "192.0.2.8"


class World:
    def __init__(self, *elsewhere: str | Path) -> None:
        self.jail = jail(maxretry=1, ignoreelsewhere=elsewhere)
        self.engine = Engine([self.jail])
        self.decided: list[Decision] = []
        self.said: list[str] = []
        self.rebuilt = 0
        self.names: dict[str, list[str]] = {}
        self.exempt = Exempt(
            self.engine, self.carry_out, self.rebuild, self.said.append, lambda: 1000.0
        )

    async def carry_out(self, decisions: Sequence[Decision]) -> None:
        self.decided += decisions

    def rebuild(self) -> None:
        self.rebuilt += 1

    def getaddrinfo(self, name: str, *_: object, **__: object) -> list[object]:
        if name not in self.names:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if not self.names[name]:
            time.sleep(1)
        return [(None, None, None, "", (address, 0)) for address in self.names[name] or [A]]

    def ignored(self) -> list[str]:
        return [str(each) for each in self.jail.ignoring]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    made = World("a.test", tmp_path / "friends")
    (tmp_path / "friends").write_text(f"{B}\n")
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(module, "LOOK", 0.02)
    monkeypatch.setattr(module, "AGAIN", 0.05)
    monkeypatch.setattr(module, "RETRY", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    return made


def run(world: World, *steps: Callable[[], object]) -> None:
    """Start, and do one step after the other, each until it is true."""

    async def together() -> None:
        await world.exempt.start()
        task = asyncio.create_task(world.exempt.run())
        for step in steps:
            deadline = time.monotonic() + 5
            while step() is False:
                assert time.monotonic() < deadline, world.ignored()
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(together())


def test_a_start_waits_for_the_first_answer(world: World) -> None:
    world.names["a.test"] = [A]
    seen: list[list[str]] = []
    run(world, lambda: seen.append(world.ignored()))
    assert seen == [[A, B]]
    assert world.rebuilt > 0


def test_but_not_long_and_the_answer_lifts_the_ban(world: World) -> None:
    world.names["a.test"] = []

    def at_once() -> None:
        assert world.ignored() == [B]
        fail(world.jail, A, 1000)
        assert banned(world.jail) == {A}

    run(world, at_once, lambda: world.ignored() == [A, B])
    assert [str(ban.offender) for ban in lifted(world.decided)] == [A]


def test_the_last_answer_holds_while_there_is_none(world: World) -> None:
    world.names["a.test"] = [A]
    run(
        world,
        lambda: world.names.pop("a.test"),
        lambda: len(world.said) == 1,
        lambda: world.ignored() == [A, B],
        lambda: world.names.update({"a.test": ["192.0.2.9"]}),
        lambda: world.ignored() == ["192.0.2.9", B],
    )
    assert world.said == [
        "ignoreip: a.test cannot be looked up; until it can, its last addresses hold"
    ]


def test_a_list_is_read_again_and_what_is_wrong_is_told(world: World, tmp_path: Path) -> None:
    path = tmp_path / "friends"
    world.names["a.test"] = [A]
    run(
        world,
        lambda: path.write_text("nonsense\n192.0.2.0/29\n"),
        lambda: world.ignored() == [A, "192.0.2.0/29"],
        path.unlink,
        lambda: len(world.said) == 2,
    )
    assert world.said[0].startswith(f"{path}:1: 'nonsense' is neither")
    assert world.said[1].startswith(f"ignoreip: {path} cannot be read: No such file")
    assert world.ignored() == [A, "192.0.2.0/29"]


def test_a_reload_keeps_what_is_known_and_a_ban_by_force(world: World, tmp_path: Path) -> None:
    world.names["a.test"] = [A]

    def reload() -> None:
        world.engine.ban("sshd", parse(A), 1000, 600)
        new = jail(ignoreelsewhere=("a.test", tmp_path / "more"))
        new.adopt(world.jail, [], 1000, same_filter=True)
        assert world.engine.swap([new], 1000) + world.exempt.renew() == []
        world.jail = new
        assert world.ignored() == [A]
        assert banned(new) == {A}

    run(world, reload)


def test_what_a_reload_names_first_is_asked_at_once(world: World, tmp_path: Path) -> None:
    world.jail = jail()
    world.engine.swap([world.jail], 1000)

    def reload() -> None:
        world.jail = jail(ignoreelsewhere=(tmp_path / "friends",))
        world.engine.swap([world.jail], 1000)
        world.exempt.renew()

    run(world, reload, lambda: world.ignored() == [B])
