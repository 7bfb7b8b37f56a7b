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
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from f2b import protocol
from f2b.errors import ControlError, Exit, F2bError, NotPermittedError
from f2b.protocol import Request

CLIENTS = 32
IDLE = 30.0
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
        self._clients: set[asyncio.Task[Any]] = set()
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
        self._clients.add(task)
        try:
            if len(self._clients) > CLIENTS:
                writer.write(
                    protocol.encode_error(ControlError(f"{CLIENTS} clients are connected already"))
                )
            else:
                await self._talk(reader, writer)
            await asyncio.wait_for(writer.drain(), IDLE)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # a client that went away, or the daemon that does
        finally:
            self._clients.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(writer.get_extra_info("socket"))
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), IDLE)
            except ValueError:
                writer.write(protocol.encode_error(ControlError("the request is too long")))
                return
            if not line:
                return
            writer.write(await self._answer(line, peer))
            await asyncio.wait_for(writer.drain(), IDLE)

    async def _answer(self, line: bytes, peer: "_Peer") -> bytes:
        try:
            request = protocol.decode_request(line)
            self._authorise(request, peer)
            return protocol.encode_result(await self._handle(request))
        except F2bError as error:
            return protocol.encode_error(error)
        except Exception as error:  # noqa: BLE001 - one client's bug must not end the protection of all
            self._complain(f"bug while answering {line[:200]!r}: {error!r}")
            bug = ControlError(f"bug in the daemon: {error!r}", hint="the journal has the details")
            bug.exit = Exit.BUG
            return protocol.encode_error(bug)

    def _authorise(self, request: Request, peer: "_Peer") -> None:
        if peer.uid in {0, os.geteuid()} or peer.groups & self._change:
            return
        if isinstance(request, protocol.READING) and peer.groups & self._read:
            return
        verb = "read" if isinstance(request, protocol.READING) else "change"
        raise NotPermittedError(
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
        sock.bind(os.fspath(path))
        # Everybody may connect: who may ask for what is decided by the peer's credentials, per request.
        path.chmod(0o666)
    except PermissionError as error:
        raise NotPermittedError(
            f"no permission to listen on {path}", hint="run as root, or set socket"
        ) from error
    except OSError as error:
        failure = F2bError(
            f"cannot listen on {path}: {error.strerror}", hint="set socket in f2b.conf"
        )
        failure.exit = Exit.CONFIG
        raise failure from error
    return sock


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
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
