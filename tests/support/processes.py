"""Start, find and end processes. What is started here dies with the test run at the latest."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
TOOLS = CHECKOUT / ".cache/bin"


def use_tools() -> None:
    """Let `nft` and its like be found, also where they were unpacked and not installed."""
    places = [str(TOOLS), str(CHECKOUT / ".venv/bin"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    os.environ["PATH"] = ":".join([*places, os.environ["PATH"]])


def mortal(argv: Sequence[str]) -> list[str]:
    """The command line that runs argv and has the kernel kill it when our process dies."""
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def wait_until(condition: Callable[[], object], what: str, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {timeout:g} s in vain for {what}"
            raise TimeoutError(message)
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The direct children of a process. (/proc/*/children depends on a kernel option.)"""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(") ")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
    return found


def end(process: "subprocess.Popen[bytes]", timeout: float = 5) -> None:
    """TERM, and KILL if it does not listen; the pipes are closed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
