"""The real daemon as a process, and the real command line beside it.

The daemon runs in a namespace of the test's choice, with a config folder, a socket and a database
of its own.
"""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.netns import Namespace
from tests.support.processes import CHECKOUT, mortal, wait_until


class Daemon:
    """`with Daemon(tmp_path, journal, server, jails="…") as daemon: daemon.cli("status")`."""

    def __init__(
        self,
        folder: Path,
        journal: Path | str,
        namespace: Namespace,
        *,
        jails: str = "",
        settings: Mapping[str, str] | None = None,
        module: str = "f2b",
        etc: Path = CHECKOUT / "etc",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.module = module
        self.config = folder / "etc"
        self.log = folder / "daemon.log"
        self.status: list[str] = []
        self.namespace = namespace
        self.process: subprocess.Popen[bytes] | None = None
        shutil.copytree(
            etc,
            self.config,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("systemd", "container"),
        )
        ours = {
            "socket": str(folder / "f2b.sock"),
            "dbfile": str(folder / "f2b.sqlite3"),
            "journal": str(journal),
            "logtarget": "stderr",
            **(settings or {}),
        }
        self.database = Path(ours["dbfile"])
        lines = [f"{name} = {value}" for name, value in ours.items()]
        (self.config / "f2b.local").write_text("\n".join(["[Definition]", *lines, ""]))
        self.jails = self.config / "jail.d/test.conf"
        self.jails.write_text(jails)
        self._notify = folder / "notify.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(self._notify))
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's own word

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        self._listener.close()

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        ready: bool = True,
        timeout: float = 15,
    ) -> None:
        """Start `f2b run`, and return when it has said READY=1 (or at once with `ready=False`)."""
        self.notified()
        self.status.clear()
        variables = [
            f"{name}={value}"
            for name, value in {"NOTIFY_SOCKET": self._notify, **(environment or {})}.items()
        ]
        command = [
            "env",
            f"--chdir={CHECKOUT}",
            *variables,
            sys.executable,
            "-m",
            self.module,
            "run",
            "-c",
            str(self.config),
            *arguments,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                mortal(self.namespace.command(command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            wait_until(self._is_ready, "READY=1 from the daemon", timeout)

    def notified(self) -> list[str]:
        """What it has told its service manager since the start: READY=1, STATUS=…, WATCHDOG=1 …"""
        while True:
            try:
                self.status += self._listener.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self.status

    def stop(self, timeout: float = 10) -> int:
        """Let it end in order (SIGTERM); its exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, the crash that costs nothing."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def cli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """The command line against this daemon, in its namespace."""
        command = self.namespace.command(self.cli_command(*arguments))
        done = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            message = f"f2b {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}"
            raise AssertionError(message)
        return done

    def cli_command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "f2b", "-c", str(self.config), *arguments]

    def _is_ready(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            message = f"the daemon ended with {self.process.returncode}:\n{self.log.read_text()}"
            raise AssertionError(message)
        return "READY=1" in self.notified()
