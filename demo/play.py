"""The play in five acts: ready, failures, the ban, what it looks like from inside, and the unban.

Tells what happens while it happens: sshd's own lines from the journal, the daemon's from its log,
the attacker's from his terminal. Fails loudly when one of them does not come.
"""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from systemd import journal

from demo.stage import ATTACKER, BANTIME, SERVER, Stage
from tests.support.daemon import Daemon

STYLES = {"stage": "dim", "sshd": "cyan", "f2b": "bold", "attacker": "magenta"}
EVENTS = {
    "Found": "yellow",
    "Ban": "bold red",
    "Unban": "bold green",
    "ERROR": "red",
    "WARNING": "yellow",
}
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+ +")  # date, time and level of a log line
PACE = 1.2  # seconds between two steps, for people who read


class WentWrongError(Exception):
    """The demo did not show what it promises."""


class Play:
    """One performance on one stage."""

    def __init__(self, stage: Stage) -> None:
        self.console = Console(highlight=False)
        self.stage = stage
        self.began = time.monotonic()
        self.daemon: Daemon | None = None
        self.said: list[str] = []  # by the daemon, without its time stamps
        self._journal = journal.Reader(path=str(stage.journald.journal))
        for name in ("sshd", "sshd-session"):
            self._journal.add_match(SYSLOG_IDENTIFIER=name)

    def perform(self) -> None:
        self._ready()
        self._failures()
        self._ban()
        self._inside()
        self._unban()

    def _ready(self) -> None:
        self.tell(
            "stage",
            "a private journald, a server and an attacker, each in a network namespace of its own",
        )
        self.stage.start_sshd()
        self.tell("sshd", f"listens on {SERVER}, port 22, and logs to that journald")
        self.daemon = self.stage.start_daemon()
        status = [
            line.removeprefix("STATUS=")
            for line in self.daemon.status
            if line.startswith("STATUS=")
        ]
        self.tell("f2b", f"is ready: {status[-1] if status else 'READY=1'}")
        self.show(
            ["cat", str(self.daemon.jails)],
            f"cat {self.daemon.jails.relative_to(self.daemon.folder)}",
        )

    def _failures(self) -> None:
        for user in ("root", "admin", "alice"):
            self.watch(lambda: False, PACE)
            self.tell("attacker", f"ssh {user}@{SERVER}, with a guessed password")
            answer = self.attempt(user)
            if "Permission denied" not in answer:
                raise WentWrongError(
                    f"sshd should have refused the password, but the attacker saw: {answer}"
                )

    def _ban(self) -> None:
        if not self.watch(lambda: self.heard(f"[sshd] Ban {ATTACKER}"), 5):
            raise WentWrongError(f"f2b did not ban {ATTACKER} within 5 s of the third failure")
        self.tell("attacker", f"ssh root@{SERVER}, once more")
        answer = self.attempt("root")
        if "timed out" not in answer:
            raise WentWrongError(
                f"the attacker's packets should have been dropped, but he saw: {answer}"
            )

    def _inside(self) -> None:
        assert self.daemon
        for arguments in (["status"], ["status", "sshd"]):
            self.show(self.daemon.cli_command(*arguments), " ".join(["f2b", *arguments]))
        listing = ["nft", "list", "set", "inet", "f2b-table", "addr-set-sshd"]
        if ATTACKER not in self.stage.server.run(listing):
            raise WentWrongError(f"{ATTACKER} is not in the kernel's set")
        self.show(listing, " ".join(listing))

    def _unban(self) -> None:
        self.tell("stage", f"the ban lasts {BANTIME} s")
        if not self.watch(lambda: self.heard(f"[sshd] Unban {ATTACKER}"), BANTIME + 10):
            raise WentWrongError(f"f2b did not unban {ATTACKER} after {BANTIME} s")
        self.tell("attacker", f"ssh root@{SERVER}, again")
        answer = self.attempt("root")
        if "Permission denied" not in answer:
            raise WentWrongError(f"the attacker should reach sshd again, but he saw: {answer}")

    def attempt(self, user: str) -> str:
        """One login of the attacker; what ssh told him."""
        client = self.stage.login(user)
        self.watch(lambda: client.poll() is not None, 20)
        assert client.stderr
        answer = client.stderr.read().decode(errors="replace").strip()
        self.tell("attacker", f"→ {answer}")
        self.watch(lambda: False, 0.1)
        return answer

    def watch(self, until: Callable[[], bool], seconds: float) -> bool:
        """Tell what is logged, until something is true (True) or the seconds are over (False)."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
            self._relay()
        return True

    def _relay(self) -> None:
        for entry in self._journal:
            if "password" in entry["MESSAGE"]:
                self.tell("sshd", entry["MESSAGE"])
        if self.daemon:
            self._relay_daemon(self.daemon)

    def _relay_daemon(self, daemon: Daemon) -> None:
        assert daemon.process
        status = daemon.process.poll()
        for line in daemon.log.read_text().splitlines()[len(self.said) :]:
            text = STAMP.sub("", line)
            self.said.append(text)
            style = next((style for word, style in EVENTS.items() if word in line.split()), "")
            self.tell("f2b", text, style)
        if status is not None:
            raise WentWrongError(f"the daemon ended with status {status}")

    def heard(self, text: str) -> bool:
        return text in self.said

    def tell(self, who: str, text: str, style: str = "") -> None:
        seconds = f"{time.monotonic() - self.began:5.1f} s"
        body = f"[{style}]{escape(text)}[/]" if style else escape(text)
        self.console.print(
            f"[dim]{seconds}[/]  [{STYLES[who]}]{who:<8}[/]  {body}", soft_wrap=True
        )

    def show(self, command: Sequence[str], title: str) -> None:
        """Run a command on the server, and let it write to our terminal itself."""
        self.console.print(f"\n[bold]server# {escape(title)}[/]", soft_wrap=True)
        subprocess.run(self.stage.server.command(command), check=True, timeout=30)
        self.console.print()


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    folder = Path(sys.argv[1])
    errors = Console(stderr=True, highlight=False)
    try:
        with Stage(folder) as stage:
            play = Play(stage)
            try:
                play.perform()
            except (
                WentWrongError,
                TimeoutError,
                AssertionError,
                subprocess.SubprocessError,
            ) as error:
                errors.print(
                    f"\n[bold red]The demo failed:[/] {escape(str(error))}", soft_wrap=True
                )
                return 1
        play.tell("stage", "cleared; nothing of it is left on this machine", "green")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave in order, once: a second Ctrl-C must not disturb the clearing of the stage."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
