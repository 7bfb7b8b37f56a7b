"""A daemon that gives one prepared answer on a real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from f2b import protocol
from f2b.protocol import Request


class Daemon:
    """Remembers what it was asked."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.asked: list[Request] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                line = lines.readline()
                if line:
                    self.asked.append(protocol.decode_request(line))
                    client.sendall(self._answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@contextmanager
def daemon(path: Path, answer: bytes) -> Iterator[Daemon]:
    made = Daemon(path, answer)
    try:
        yield made
    finally:
        made.close()
