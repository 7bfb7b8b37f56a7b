"""The control socket, over a real one: whoever is on the other end, everybody else is answered."""

import asyncio
import json
import os
import socket
import stat
from pathlib import Path

import pytest

from f2b import protocol
from f2b.daemon import control as module
from f2b.daemon.control import CLIENTS
from f2b.errors import Exit, F2bError
from f2b.protocol import Status
from tests.unit.daemon.serving import PING, Server, serve


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


def test_a_bug_amid_an_answer_ends_that_answer_alone(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        error = await client.refusal(protocol.encode_request(Status("late bug")))
        assert "makes no sense" in str(error)
        assert await client.ask(PING)
        client.close()

    (said,) = serve(path, body).said
    assert "ZeroDivisionError" in said


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


def test_closing_ends_every_connection_and_removes_the_socket(path: Path) -> None:
    async def body() -> None:
        server = Server(path)
        await server.control.start()
        client = await server.connect()
        await client.ask(PING)
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
        client = await server.connect()
        assert await client.ask(PING)
        client.close()

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
    """Nothing stays open: a ResourceWarning would be an error."""
    try:
        asyncio.run(Server(path).control.start())
    except F2bError as error:
        return error.exit, str(error)
    return Exit.OK, "it listens"


def test_a_socket_in_use_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(os.fspath(path))
        other.listen()
        status, text = refused(path)
    assert (status, path.exists()) == (Exit.CONFIG, True)
    assert text.startswith(f"{path} is in use: another f2b is running (stop it, ")


def test_a_socket_whose_owner_does_not_answer_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(os.fspath(path))
        other.listen(0)
        waiting.connect(os.fspath(path))
        status, text = refused(path)
    assert (status, path.exists()) == (Exit.CONFIG, True)
    assert text.startswith(f"cannot listen on {path}: ")


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    status, text = refused(tmp_path / ("x" * 120))
    assert status is Exit.CONFIG
    assert text.endswith(": AF_UNIX path too long (set socket in f2b.conf)")


def test_a_file_in_its_place_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    status, text = refused(path)
    assert (status, path.read_text()) == (Exit.CONFIG, "precious")
    assert text == f"cannot listen on {path}: Address already in use (set socket in f2b.conf)"


def test_an_answer_is_one_line_of_json(path: Path) -> None:
    async def body(server: Server) -> None:
        client = await server.connect()
        client.send(PING)
        line = await client.reader.readline()
        assert json.loads(line) == {"version": 1, "ok": True, "result": {"pong": True}}
        client.close()

    serve(path, body)
