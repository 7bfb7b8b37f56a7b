"""The control socket, over a real one: whoever is on the other end, everybody else is answered."""

import asyncio
import gc
import json
import os
import socket
import stat
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from f2b import protocol
from f2b.daemon import control as module
from f2b.daemon.control import CLIENTS, Control
from f2b.errors import ControlError, Exit, F2bError, NotPermittedError
from f2b.protocol import Ping, Reload, Request, Status

PING = protocol.encode_request(Ping())


class Server:
    """Control with a handler that answers, fails, or is slow, by the jail that is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.control = Control(
            path, self.handle, read_groups=(), change_groups=(), complain=self.said.append
        )

    async def handle(self, request: Request) -> Any:
        match request:
            case Status("bug"):
                raise ZeroDivisionError("oops")
            case Status("refused"):
                raise ControlError("no jail named 'refused'", hint="try another")
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sock"


def test_a_request_is_answered(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        assert await client.ask(PING) == {"pong": True}
        client.close()

    serve(path, body)


def test_several_requests_on_one_connection_are_answered_in_order(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        client.send(PING + protocol.encode_request(Status("large")) + PING)
        answers = [await client.answer() for _ in range(3)]
        assert [len(answer) for answer in answers] == [1, 8_000_000, 1]
        client.close()

    serve(path, body)


def test_a_refusal_travels_with_its_hint(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        error = await client.refusal(protocol.encode_request(Status("refused")))
        assert str(error) == "no jail named 'refused' (try another)"
        assert error.exit is Exit.USAGE
        assert await client.ask(PING)
        client.close()

    serve(path, body)


def test_a_bug_is_seen_by_its_client_and_the_log_alone(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        error = await client.refusal(protocol.encode_request(Status("bug")))
        assert error.exit is Exit.BUG
        assert await client.ask(PING)
        client.close()

    (said,) = serve(path, body).said
    assert "ZeroDivisionError('oops')" in said


@pytest.mark.parametrize("junk", [b"\n", b"GET / HTTP/1.1\n", b"\xff\x00\n", b"{}\n", b"[" * 9999])
def test_junk_is_refused_and_the_next_line_is_answered(path: Path, junk: bytes) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        error = await client.refusal(junk.rstrip(b"\n") + b"\n")
        assert error.exit is Exit.USAGE
        assert await client.ask(PING)
        client.close()

    serve(path, body)


def test_a_request_that_is_too_long_ends_the_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LIMIT", 1000)

    async def body(server: Server) -> None:
        client, other = await server.connect(), await server.connect()
        assert str(await client.refusal(b"x" * 5000)) == "the request is too long"
        assert await other.ask(PING)
        client.close()
        other.close()

    serve(path, body)


def test_half_a_line_is_waited_for(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        client.send(PING[:10])
        await asyncio.sleep(0.05)
        assert await client.ask(PING[10:])
        client.close()

    serve(path, body)


def test_a_client_that_leaves_within_a_line_harms_nobody(path: Path) -> None:
    async def body(server: Server) -> None:
        for _ in range(2 * CLIENTS):
            client = await server.connect()
            client.send(PING[:10])
            client.close()
        await asyncio.sleep(0.05)
        other = await server.connect()
        assert await other.ask(PING)
        other.close()

    assert serve(path, body).said == []


def test_a_client_that_leaves_before_its_answer_harms_nobody(path: Path) -> None:
    async def body(server: Server) -> None:
        for _ in range(5):
            client = await server.connect()
            client.send(protocol.encode_request(Status("large")))
            client.close()
        other = await server.connect()
        assert await other.ask(PING)
        other.close()

    assert serve(path, body).said == []


@pytest.mark.parametrize("start", [PING[:5], protocol.encode_request(Status("slow"))])
def test_a_slow_client_holds_up_nobody(path: Path, start: bytes) -> None:
    async def body(server: Server) -> None:
        slow, other = await server.connect(), await server.connect()
        slow.send(start)
        assert await asyncio.wait_for(other.ask(PING), 1)
        slow.close()
        other.close()

    serve(path, body)


def test_a_client_that_does_not_read_holds_up_nobody(path: Path) -> None:
    async def body(server: Server) -> None:
        deaf, other = await server.connect(), await server.connect()
        deaf.send(protocol.encode_request(Status("large")) * 3)
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(other.ask(PING), 1)
        deaf.close()
        other.close()

    serve(path, body)


def test_an_idle_client_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.05)

    async def body(server: Server) -> None:
        client = await server.connect()
        client.send(PING[:5])
        assert await asyncio.wait_for(client.hung_up(), 2)
        client.close()

    serve(path, body)


def test_many_clients_are_served_at_once(path: Path) -> None:
    async def body(server: Server) -> None:
        clients = [await server.connect() for _ in range(CLIENTS)]
        assert len(await asyncio.gather(*(client.ask(PING) for client in clients))) == CLIENTS
        for client in clients:
            client.close()

    serve(path, body)


def test_one_more_is_told_so_and_has_its_turn_later(path: Path) -> None:
    async def body(server: Server) -> None:
        clients = [await server.connect() for _ in range(CLIENTS)]
        await asyncio.gather(*(client.ask(PING) for client in clients))
        late = await server.connect()
        with pytest.raises(ControlError, match="32 clients are connected already"):
            await late.answer()
        for client in [*clients, late]:
            client.close()
        await asyncio.sleep(0.05)
        again = await server.connect()
        assert await again.ask(PING)
        again.close()

    serve(path, body)


def test_closing_ends_every_connection_and_removes_the_socket(path: Path) -> None:
    async def body() -> None:
        server = Server(path)
        await server.control.start()
        client = await server.connect()
        await client.ask(PING)
        await asyncio.sleep(0.01)
        await server.control.close()
        assert await asyncio.wait_for(client.hung_up(), 2)
        client.close()

    asyncio.run(body())
    assert not path.exists()


# --- the place of the socket ---


def test_everybody_may_connect(path: Path) -> None:
    async def body(server: Server) -> None:
        mode = server.path.stat().st_mode
        assert (stat.S_ISSOCK(mode), mode & 0o777) == (True, 0o666)

    serve(path, body)


def test_its_directory_is_made(tmp_path: Path) -> None:
    async def body(server: Server) -> None:
        (await server.connect()).close()

    serve(tmp_path / "run" / "f2b.sock", body)


def test_a_socket_that_nobody_listens_on_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))

    async def body(server: Server) -> None:
        client = await server.connect()
        assert await client.ask(PING)
        client.close()

    serve(path, body)


def refused(path: Path) -> tuple[Exit, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            asyncio.run(Server(path).control.start())
        except F2bError as error:
            return error.exit, str(error)
        finally:
            gc.collect()
    return Exit.OK, "it listens"


def test_a_socket_in_use_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(os.fspath(path))
        other.listen()
        status, text = refused(path)
    assert (status, path.exists()) == (Exit.CONFIG, True)
    assert text.startswith(f"{path} is in use: another f2b is running (stop it, ")


def test_a_file_in_its_place_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    status, text = refused(path)
    assert (status, path.read_text()) == (Exit.CONFIG, "precious")
    assert text == f"cannot listen on {path}: Address already in use (set socket in f2b.conf)"


# --- who may ask for what ---


def peer(uid: int, *groups: int) -> Any:
    made = module._Peer.__new__(module._Peer)
    made.uid, made.groups = uid, set(groups)
    return made


@pytest.mark.parametrize(
    ("uid", "group", "may_read", "may_change"),
    [
        (0, 0, True, True),
        (4242, 50, True, False),
        (4242, 60, True, True),
        (4242, 70, False, False),
    ],
)
def test_levels(path: Path, uid: int, group: int, *, may_read: bool, may_change: bool) -> None:
    control = Server(path).control
    control._read, control._change = {50}, {60}
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
        other = module._Peer(ours)
    assert other.uid == os.geteuid()
    assert other.groups >= {os.getegid(), *os.getgroups()}


def test_a_group_that_the_machine_does_not_have_lets_nobody_in() -> None:
    assert module._gids(["no-such-group", "root"]) == {0}


def test_an_answer_is_one_line_of_json(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        client.send(PING)
        line = await client.reader.readline()
        assert json.loads(line) == {"version": 1, "ok": True, "result": {"pong": True}}
        client.close()

    serve(path, body)
