"""Who may ask for what, and how much room each gets."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from f2b.daemon import control as module
from f2b.daemon.control import CLIENTS, CLIENTS_OF_ONE, QUESTION, _Peer
from f2b.errors import ControlError, Exit, NotPermittedError
from f2b.protocol import Ping, Reload
from tests.unit.daemon.serving import CHANGERS, PING, READERS, Client, Server, peer, serve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sock"


class Door:
    """Says who comes in next; ourselves, where nobody is named."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._next: list[_Peer] = []
        monkeypatch.setattr(
            module, "_Peer", lambda sock: self._next.pop() if self._next else _Peer(sock)
        )

    async def enter(self, server: Server, uid: int, *groups: int) -> Client:
        client = await self._knock(server, uid, *groups)
        await client.ask(PING)
        return client

    async def turned_away(self, server: Server, uid: int, *groups: int) -> ControlError:
        client = await self._knock(server, uid, *groups)
        with pytest.raises(ControlError) as error:
            await client.ask(PING)
        assert await client.hung_up()
        client.close()
        return error.value

    async def _knock(self, server: Server, uid: int, *groups: int) -> Client:
        self._next.append(peer(uid, *groups))
        client = await server.connect()
        while self._next:
            await asyncio.sleep(0)
        return client


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


def leave(*clients: Client) -> None:
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("uid", "group", "may_read", "may_change"),
    [
        (0, 0, True, True),
        (4242, READERS, True, False),
        (4242, CHANGERS, True, True),
        (4242, 70, False, False),
    ],
)
def test_levels(path: Path, uid: int, group: int, *, may_read: bool, may_change: bool) -> None:
    control = Server(path).control
    for request, may in ((Ping(), may_read), (Reload(), may_change)):
        try:
            control._authorise(request, peer(uid, group))
        except NotPermittedError:
            assert not may
        else:
            assert may


def test_the_peer_is_known_by_the_kernels_word() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        other = _Peer(ours)
    assert other.uid == os.geteuid()
    assert other.groups >= {os.getegid(), *os.getgroups()}


def test_a_group_that_the_machine_does_not_have_lets_nobody_in() -> None:
    assert module._gids(["no-such-group", "root"]) == {0}


# --- how many ---


def test_a_stranger_is_turned_away_at_the_door(path: Path, door: Door) -> None:
    async def body(server: Server) -> None:
        error = await door.turned_away(server, 4242, 70)
        assert error.message == "uid 4242 may not read f2b's state"
        assert error.exit is Exit.NOT_PERMITTED

    serve(path, body)


def test_strangers_take_nobodys_place(path: Path, door: Door) -> None:
    async def body(server: Server) -> None:
        for _ in range(CLIENTS + 1):
            await door.turned_away(server, 4242, 70)
        leave(await door.enter(server, 4243, READERS))

    serve(path, body)


def test_one_who_may_only_read_leaves_room_for_others(path: Path, door: Door) -> None:
    async def body(server: Server) -> None:
        clients = [await door.enter(server, 4242, READERS) for _ in range(CLIENTS_OF_ONE)]
        error = await door.turned_away(server, 4242, READERS)
        assert error.message == "too many clients: 8 are connected already"
        leave(await door.enter(server, 4243, READERS), *clients)

    serve(path, body)


def test_whoever_may_change_always_gets_in(path: Path, door: Door) -> None:
    async def body(server: Server) -> None:
        clients = [await door.enter(server, 5000 + number, READERS) for number in range(CLIENTS)]
        error = await door.turned_away(server, 4242, READERS)
        assert error.message == "too many clients: 32 are connected already"
        leave(await door.enter(server, 4242, CHANGERS), await door.enter(server, 0), *clients)

    serve(path, body)


def test_who_was_one_too_many_has_their_turn_later(path: Path, door: Door) -> None:
    async def body(server: Server) -> None:
        leave(*[await door.enter(server, 4242, READERS) for _ in range(CLIENTS_OF_ONE)])
        await asyncio.sleep(0.05)
        leave(await door.enter(server, 4242, READERS))

    serve(path, body)


# --- how long ---


def test_a_question_may_be_shorter_than_an_order(path: Path, door: Door) -> None:
    """What takes long to parse holds up everybody: a megabyte is for those who may change anyway."""
    long = b"x" * QUESTION + b"\n"

    async def body(server: Server) -> None:
        reader, changer = [await door.enter(server, 4242, group) for group in (READERS, CHANGERS)]
        assert str(await reader.refusal(long)) == "the request is too long"
        assert await reader.hung_up()
        assert "not a JSON line" in str(await changer.refusal(long))
        leave(reader, changer)

    serve(path, body)
