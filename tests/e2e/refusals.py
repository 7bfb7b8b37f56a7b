"""A daemon or a command that must say no, and how to take its rights away."""

import shutil
import subprocess
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.processes import CHECKOUT

NOBODY = 65534
FILES = "dac_override,dac_read_search"


def without(*capabilities: str) -> list[str]:
    """Root, but not quite: what belongs to others is closed to who has no `dac_override`."""
    names = ",".join(f"-{name}" for each in capabilities for name in each.split(","))
    return ["setpriv", f"--bounding-set={names}", f"--inh-caps={names}"]


def refusal(daemon: Daemon, status: int, *before: str, words: tuple[str, ...] = ("run",)) -> str:
    """What it says, in one line of its own, while it ends with that status; at once and without a traceback."""
    done = subprocess.run(
        daemon.namespace.command([*before, *daemon.cli_command(*words)]),
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stderr
    ours = [line for line in done.stderr.splitlines() if line.startswith("f2b")]
    assert len(ours) == 1, done.stderr
    return ours[0].partition(": ")[2]


def closed(path: Path) -> None:
    """Belongs to somebody else, who lets nobody in."""
    shutil.chown(path, NOBODY)
    path.chmod(0o700 if path.is_dir() else 0o600)


def settings(daemon: Daemon, *lines: str) -> None:
    """The last word on the daemon's settings; they begin in line 2."""
    (daemon.config / "f2b.d").mkdir(exist_ok=True)
    (daemon.config / "f2b.d/last.local").write_text("\n".join(["[Definition]", *lines, ""]))
