"""A private systemd-journald without systemd: real trusted fields, units of the test's choice.

Needs root. The files lie in `journal`, to be read from anywhere; what shall log there is run with
`popen` or `run`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support.processes import TOOLS, children, end, mortal, wait_until

CGROUP = "f2b-stage-"
SETTINGS = """\
[Journal]
Storage=persistent
SystemMaxUse=512M
RateLimitBurst=0
RateLimitIntervalSec=0
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
"""


class Journald:
    """`with Journald(tmp_path) as journald: journald.run(["logger", "hi"], unit="ssh.service")`."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        machine = uuid.uuid4().hex
        self.journal = folder / "log/journal" / machine
        for path in (self.journal, folder / "dev"):
            path.mkdir(parents=True)
        (folder / "machine-id").write_text(f"{machine}\n")
        (folder / "journald.conf").write_text(SETTINGS + "\n".join(settings) + "\n")
        self._cgroup = f"{CGROUP}{os.getpid()}-{machine[:8]}"
        sweep()
        init = str(Path(__file__).with_name("journald-init"))
        self._outer = subprocess.Popen(
            mortal(
                ["unshare", "--mount", "--propagation", "private", init, str(folder), self._cgroup]
            ),
            stdin=subprocess.DEVNULL,
        )
        try:
            wait_until(self._is_ready, "the namespaces of a private journald")
            self._daemon = self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End journald and whatever runs in its namespaces; the files stay."""
        try:
            if hasattr(self, "_daemon"):
                self.stop()
        finally:
            self._outer.kill()  # and with it PID 1 of the namespaces, and with that the rest
            self._outer.wait()
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: remove_cgroup(self._cgroup), "an empty cgroup", timeout=2)

    def command(self, argv: Sequence[str], *, unit: str = "", netns: str = "") -> list[str]:
        """The command line that runs argv where /dev/log is ours, as a process of that unit."""
        cgroup = f"/sys/fs/cgroup/system.slice/{unit}" if unit else "/sys/fs/cgroup"
        join = f'mkdir -p {cgroup} && echo $$ >{cgroup}/cgroup.procs && exec "$@"'
        enter = [
            "nsenter",
            f"--target={self._init}",
            "--mount",
            "--root",
            "--wd",
            "--pid",
            "--cgroup",
        ]
        return [*enter, *([f"--net={netns}"] if netns else []), "sh", "-c", join, "sh", *argv]

    def popen(
        self,
        argv: Sequence[str],
        *,
        unit: str = "",
        netns: str = "",
        output: IO[bytes] | int | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start argv in here. Entering a PID namespace forks: end the process with `send`."""
        command = mortal(self.command(argv, unit=unit, netns=netns))
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def run(self, argv: Sequence[str], *, unit: str = "", stdin: str = "") -> str:
        command = self.command(argv, unit=unit)
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            message = f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}"
            raise AssertionError(message)
        return done.stdout

    def rotate(self) -> None:
        before = len(list(self.journal.iterdir()))
        send(self._daemon, signal.SIGUSR2)
        wait_until(lambda: len(list(self.journal.iterdir())) > before, "the journal's rotation")

    def sync(self) -> None:
        """Return when everything that was logged before is on disk."""
        stamp = Path(f"/proc/{self._init}/root/run/systemd/journal/synced")
        stamp.unlink(missing_ok=True)
        send(self._daemon, signal.SIGRTMIN + 1)
        wait_until(stamp.exists, "the journal's sync")

    def stop(self) -> None:
        if self._daemon.poll() is None:
            send(self._daemon, signal.SIGTERM)
        end(self._daemon)

    def restart(self) -> None:
        self.stop()
        self._daemon = self._start()

    def _is_ready(self) -> bool:
        if self._outer.poll() is not None:
            message = f"journald-init ended with {self._outer.returncode}"
            raise AssertionError(message)
        inner = children(self._outer.pid)
        self._init = inner[0] if inner else 0
        return bool(inner) and Path(f"/proc/{self._init}/root/run/systemd/ready").exists()

    def _start(self) -> "subprocess.Popen[bytes]":
        room = Path(f"/proc/{self._init}/root/run/systemd/journal")
        (room / "socket").unlink(missing_ok=True)
        with (self.folder / "journald.stderr").open("ab") as output:
            daemon = self.popen(
                [str(TOOLS / "systemd-journald")], unit="systemd-journald.service", output=output
            )
        wait_until((room / "socket").exists, "journald's socket")
        return daemon


def send(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Signal the command that `Journald.popen` started: the only child of its nsenter."""
    for pid in children(process.pid):
        os.kill(pid, number)


def remove_cgroup(name: str) -> bool:
    """Remove a cgroup of ours with all below it; False while a process is still in it."""
    with tempfile.TemporaryDirectory() as folder:
        clear = f"[ ! -d {name} ] || find {name} -depth -type d -delete"
        script = f"mount -t cgroup2 cgroup2 {folder} && cd {folder} && {{ {clear}; }}"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def sweep() -> None:
    """Remove the empty cgroups that a killed run left behind."""
    for mountpoint in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for left in Path(mountpoint).glob(f"{CGROUP}*"):
            if not Path("/proc", left.name.split("-")[2]).exists():
                remove_cgroup(left.name)


def available() -> bool:
    return (
        os.geteuid() == 0
        and shutil.which("unshare") is not None
        and (TOOLS / "systemd-journald").exists()
    )
