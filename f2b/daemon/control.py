"""The control socket: one JSON line in, one out, for whoever may ask.

Owns the listening socket and knows who is on the other end. Reading is for root, the daemon's own user and the
members of `read_groups`; changing for root and the members of `change_groups`.
"""

import asyncio
import grp
import os
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from f2b import protocol
from f2b.errors import ControlError, Exit, F2bError, NotPermittedError
from f2b.protocol import Request

CLIENTS = 32
CLIENTS_OF_ONE = 8
"""At a time, of all who may only read and of one user; who may change always gets in."""
QUESTION = 64 * 1024
"""The longest request of those who may only read, in bytes."""
IDLE = 30.0
HASTE = 1.0
"""Seconds in which who is refused must have said what he wants."""
SO_PEERGROUPS = 59
GROUPS_SIZE = 1024  # bytes; Python's getsockopt takes no more

KEEP_PATH: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""The path is ours to remove, or systemd's to keep."""

Handler = Callable[[Request], Awaitable[Any]]


class Control:
    """Serves `handle`; errors it raises travel to the client, anything else is a bug that only that client sees."""

    def __init__(
        self,
        path: Path,
        handle: Handler,
        *,
        read_groups: Iterable[str],
        change_groups: Iterable[str],
        complain: Callable[[str], None],
    ) -> None:
        self._path = path
        self._handle = handle
        self._read = _gids(read_groups)
        self._change = _gids(change_groups)
        self._complain = complain
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[Any], int] = {}
        self._activated = False

    async def start(self) -> None:
        """Raises F2bError when the socket is in use or its place cannot be written."""
        listener = _inherited()
        self._activated = listener is not None
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener or _listen(self._path), limit=protocol.LIMIT, **KEEP_PATH
        )

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._clients):
            task.cancel()
        if not self._activated:
            with suppress(OSError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = _Peer(writer.get_extra_info("socket"))
        refusal = self._refusal(peer)
        if refusal is None:
            self._clients[task] = peer.uid
        try:
            if refusal is not None:
                # Closing a socket with a request unread resets the client before it has seen the answer.
                with suppress(TimeoutError):
                    async with asyncio.timeout(HASTE):
                        await reader.read(QUESTION)
                writer.write(protocol.encode_error(refusal))
            else:
                await self._talk(reader, writer, peer)
            async with asyncio.timeout(IDLE):
                await writer.drain()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # a client that went away, or the daemon that does
        finally:
            self._clients.pop(task, None)
            writer.close()

    def _refusal(self, peer: "_Peer") -> F2bError | None:
        """Whoever may not ask anyway gets no place, and whoever may only read not all of them."""
        if self._may_change(peer):
            return None
        if not self._may_read(peer):
            return _denied(peer, "read")
        places = list(self._clients.values())
        if len(places) >= CLIENTS or places.count(peer.uid) >= CLIENTS_OF_ONE:
            return ControlError(f"too many clients: {len(places)} are connected already")
        return None

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: "_Peer"
    ) -> None:
        longest = protocol.LIMIT if self._may_change(peer) else QUESTION
        while True:
            try:
                # Not wait_for: on Python 3.11 it swallows a cancellation that comes with the line.
                async with asyncio.timeout(IDLE):
                    line = await reader.readline()
            except ValueError:
                line = b" " * (longest + 1)
            if not line:
                return
            if len(line) > longest:
                writer.write(protocol.encode_error(ControlError("the request is too long")))
                return
            async for part in self._answer(line, peer):
                writer.write(part)
                async with asyncio.timeout(IDLE):
                    await writer.drain()

    async def _answer(self, line: bytes, peer: "_Peer") -> AsyncIterator[bytes]:
        """A line, part by part. Where a bug shows after the first part, it breaks off."""
        part = b""
        try:
            request = protocol.decode_request(line)
            self._authorise(request, peer)
            parts = protocol.encode_result(await self._handle(request))
            # A hundred thousand bans take their time to write, and room: a part is made when the one before it is sent.
            while not part.endswith(b"\n"):
                part = await asyncio.to_thread(next, parts)
                yield part
        except F2bError as error:
            yield protocol.encode_error(error)
        except Exception as error:  # noqa: BLE001 - one client's bug must not end the protection of all
            self._complain(f"bug while answering {line[:200]!r}: {error!r}")
            bug = ControlError(f"bug in the daemon: {error!r}", hint="the journal has the details")
            bug.exit = Exit.BUG
            yield b"\n" if part else protocol.encode_error(bug)

    def _authorise(self, request: Request, peer: "_Peer") -> None:
        reading = isinstance(request, protocol.READING)
        if not (self._may_change(peer) or (reading and self._may_read(peer))):
            raise _denied(peer, "read" if reading else "change")

    def _may_read(self, peer: "_Peer") -> bool:
        return bool(peer.groups & self._read) or self._may_change(peer)

    def _may_change(self, peer: "_Peer") -> bool:
        return peer.uid in {0, os.geteuid()} or bool(peer.groups & self._change)


def _denied(peer: "_Peer", verb: str) -> NotPermittedError:
    return NotPermittedError(
        f"uid {peer.uid} may not {verb} f2b's state",
        hint=f"use sudo, or join a group of {verb}_groups in f2b.conf",
    )


class _Peer:
    """Who is on the other end, by the kernel's word."""

    def __init__(self, sock: socket.socket) -> None:
        size = struct.calcsize("3i")
        _, self.uid, gid = struct.unpack(
            "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        try:
            data = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_SIZE)
        except OSError:  # more groups than fit: the primary one must do
            data = b""
        self.groups = {gid, *struct.unpack(f"{len(data) // 4}I", data)}


def _gids(names: Iterable[str]) -> set[int]:
    """A group that the machine does not have lets nobody in."""
    gids = set()
    for name in names:
        with suppress(KeyError):
            gids.add(grp.getgrnam(name).gr_gid)
    return gids


def _inherited() -> socket.socket | None:
    """The socket that systemd opened for us, if f2b.socket is in use."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=3)


def _listen(path: Path) -> socket.socket:
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.bind(os.fspath(path))
            # Everybody may connect: who may ask for what is decided by the peer's credentials.
            path.chmod(0o666)
        except OSError:
            sock.close()
            raise
    except PermissionError as error:
        raise NotPermittedError(
            f"no permission to listen on {path}", hint="run as root, or set socket"
        ) from error
    except OSError as error:
        failure = F2bError(
            f"cannot listen on {path}: {error.strerror or error}", hint="set socket in f2b.conf"
        )
        failure.exit = Exit.CONFIG
        raise failure from error
    return sock


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    error = F2bError(
        f"{path} is in use: another f2b is running",
        hint="stop it, or set another socket in f2b.conf",
    )
    error.exit = Exit.CONFIG
    raise error
