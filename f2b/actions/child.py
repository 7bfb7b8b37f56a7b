"""Runs a program for a plug-in: without a shell, bounded in time and in what it prints."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple


class Done(NamedTuple):
    """`status` is None if it was killed, because it took too long or printed too much."""

    status: int | None
    output: bytes


def run(argv: Sequence[str], stdin: bytes, timeout: float, most: int) -> Done:
    """Raises OSError if it cannot be started. What it started itself is gone, too."""
    with open(os.memfd_create("stdin"), "w+b") as given:  # noqa: PTH123 - it has no path
        given.write(stdin)
        given.seek(0)
        child = subprocess.Popen(  # noqa: S603 - argv is the admin's, what others wrote is in stdin
            argv,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert child.stdout is not None
    with child.stdout:
        deadline = monotonic() + timeout
        output = _read(child.stdout.fileno(), deadline, most)
        status: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = child.wait(max(0.0, deadline - monotonic()) if len(output) < most else 0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return Done(status, output[:most])


def _read(pipe: int, deadline: float, most: int) -> bytes:
    output = b""
    while len(output) < most and (left := deadline - monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            if not (part := os.read(pipe, 65_536)):
                break
            output += part
    return output
