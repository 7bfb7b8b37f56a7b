"""The side action `root`: asks the helper of f2b-root.socket to run a command of the admin's as root."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from f2b.errors import ActionError
from f2b.rootrun import TIMEOUT, WORDS

SOCKET = Path("/run/f2b-root.sock")
HINT = "systemctl enable --now f2b-root.socket"


class Root:
    """Tells `command` of every step; the parameter `socket` is for a helper elsewhere."""

    def __init__(self, command: str, path: Path) -> None:
        self._command = command
        self._path = path

    def start(self) -> None:
        """Nothing: each step has a connection of its own."""

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        told = {word: values[word] for word in ("ip", *WORDS) if word in values}
        request = {"command": self._command, "step": step, "values": told}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as helper:
                helper.settimeout(TIMEOUT + 5)
                helper.connect(str(self._path))
                helper.sendall(json.dumps(request).encode() + b"\n")
                with helper.makefile("rb") as answers:
                    answer = answers.readline(65536)
        except OSError as error:
            why = f"the helper at {self._path} does not answer: {error.strerror or error}"
            raise ActionError(why, hint=HINT, retry=True) from error
        try:
            failed = json.loads(answer)["error"]
        except (ValueError, LookupError, TypeError) as cause:
            raise ActionError("the helper ended without an answer", retry=True) from cause
        if failed:
            raise ActionError(str(failed), hint="journalctl -u 'f2b-root@*'", retry=True)

    def stop(self) -> None:
        """Nothing is left open."""


def make(jail: str, parameters: Mapping[str, str]) -> Root:  # noqa: ARG001
    if set(parameters) - {"command", "socket"} or "command" not in parameters:
        raise ActionError("write plugin:root[command=NAME], with a file NAME in /etc/f2b/root.d")
    return Root(parameters["command"], Path(parameters.get("socket", SOCKET)))
