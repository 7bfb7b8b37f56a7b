"""Runs the play in a process of its own and clears the stage behind it, however it ends.

Either of the two may be killed: the kernel ends what the other one started, and the survivor
removes the folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.journald import sweep
from tests.support.processes import use_tools

PREFIX = "f2b-demo-"


def main() -> int:
    use_tools()
    remove_leftovers()
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    play = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "demo.play", folder]
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: play.terminate())
    status = play.wait()
    shutil.rmtree(folder, ignore_errors=True)
    sweep()
    return status if status >= 0 else 128 - status


def remove_leftovers() -> None:
    """Folders of demos of which both processes were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX).split("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
