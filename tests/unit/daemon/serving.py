"""A control socket with a handler that answers, fails or is slow, and somebody on the other end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from f2b import protocol
from f2b.daemon.control import Control, _Peer
from f2b.errors import ControlError
from f2b.protocol import Ping, Request, Status

PING = protocol.encode_request(Ping())
READERS, CHANGERS = 50, 60


class Server:
    """Control with a handler that answers, fails, or is slow, by the jail that is asked for.

    Members of group 50 may read, of 60 change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.control = Control(
            path, self.handle, read_groups=(), change_groups=(), complain=self.said.append
        )
        self.control._read, self.control._change = {READERS}, {CHANGERS}

    async def handle(self, request: Request) -> Any:
        match request:
            case Status("bug"):
                raise ZeroDivisionError("oops")
            case Status("refused"):
                raise ControlError("no jail named 'refused'", hint="try another")
            case Status("late bug"):
                return (1 / (50_000 - number) for number in range(100_000))
            case Status("large"):
                return "x" * 8_000_000
            case Status("slow"):
                await asyncio.sleep(60)
        return {"pong": True}

    async def connect(self) -> "Client":
        return Client(*await asyncio.open_unix_connection(self.path, limit=1 << 24))


class Client:
    """Somebody on the other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: bytes) -> None:
        self.writer.write(text)

    async def answer(self) -> Any:
        return protocol.decode_answer(await self.reader.readline())

    async def ask(self, text: bytes) -> Any:
        self.send(text)
        return await self.answer()

    async def refusal(self, text: bytes) -> ControlError:
        with pytest.raises(ControlError) as error:
            await self.ask(text)
        return error.value

    async def hung_up(self) -> bool:
        return await self.reader.read() == b""

    def close(self) -> None:
        self.writer.close()


def serve(path: Path, body: Callable[[Server], Awaitable[None]]) -> Server:
    async def together() -> Server:
        server = Server(path)
        await server.control.start()
        try:
            await asyncio.wait_for(body(server), 10)
        finally:
            await server.control.close()
            await asyncio.sleep(0.01)
        return server

    return asyncio.run(together())


def peer(uid: int, *groups: int) -> _Peer:
    """Somebody else, as the kernel would name them."""
    made = _Peer.__new__(_Peer)
    made.uid, made.groups = uid, set(groups)
    return made
