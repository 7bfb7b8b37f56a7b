"""Asking the daemon: one request, one answer."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from f2b import protocol
from f2b.errors import ControlError, DaemonDownError, NotPermittedError
from f2b.protocol import Request

TIMEOUT = 30.0


def ask(path: Path, request: Request) -> Any:
    """The result. Raises DaemonDownError where nobody listens, and what the daemon refuses as ControlError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        try:
            sock.connect(os.fspath(path))
            # Whoever may not ask is told so and hung up on before the question: the answer is there to read.
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(protocol.encode_request(request))
            with sock.makefile("rb") as answers:
                line = answers.readline(protocol.ANSWER_LIMIT)
        except PermissionError as error:
            raise NotPermittedError(f"no permission for {path}", hint="try sudo") from error
        except TimeoutError as error:
            raise ControlError(f"the daemon did not answer within {TIMEOUT:.0f} s") from error
        except OSError as error:
            hint = "systemctl start f2b, or f2b run"
            raise DaemonDownError(
                f"f2b is not running: {path}: {error.strerror or error}", hint=hint
            ) from error
    if not line:
        raise ControlError("the daemon hung up without an answer")
    return protocol.decode_answer(line)
