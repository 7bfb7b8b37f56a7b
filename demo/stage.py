"""Where the demo plays: a server and an attacker in network namespaces, joined by a cable.

Owns the namespaces, the private journald, sshd and the attacker's attempts. Nothing of it has a
name on this machine, and all of it dies with the process that made it.
"""

import contextlib
import os
import subprocess
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.journald import Journald
from tests.support.netns import Namespace, link
from tests.support.processes import CHECKOUT, mortal, wait_until

SERVER = "198.51.100.1"
ATTACKER = "198.51.100.66"
BANTIME = 15
JAILS = f"""\
[DEFAULT]
maxretry = 3
findtime = 1m
bantime = {BANTIME}

[sshd]
enabled = true
"""


class Stage(contextlib.ExitStack):
    """Everything that runs; leaving the context ends it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for name in ("journald", "sshd", "f2b"):
            (folder / name).mkdir()
        self.folder = folder
        self.journald = self.enter_context(Journald(folder / "journald"))
        self.server = self.enter_context(Namespace())
        self.attacker = self.enter_context(Namespace())
        link(self.server, [f"{SERVER}/24"], self.attacker, [f"{ATTACKER}/24"])
        self._password = folder / "password"
        self._password.write_text("#!/bin/sh\necho letmein\n")
        self._password.chmod(0o700)

    def start_sshd(self) -> None:
        script = [
            str(CHECKOUT / "demo/sshd"),
            str(self.folder / "sshd"),
            str(CHECKOUT / ".cache/root"),
        ]
        self.journald.popen(script, unit="ssh.service", netns=self.server.path)
        wait_until(lambda: self.server.reaches("127.0.0.1", 22), "an answer from sshd")

    def start_daemon(self) -> Daemon:
        """The daemon with the shipped configuration and one jail file of the admin."""
        daemon = Daemon(self.folder / "f2b", self.journald.journal, self.server, jails=JAILS)
        return self.enter_context(daemon)

    def login(self, user: str) -> "subprocess.Popen[bytes]":
        """One attempt of the attacker to log in with a wrong password, by the real ssh client."""
        options = {
            "BindAddress": ATTACKER,
            "ConnectTimeout": "3",
            "LogLevel": "ERROR",
            "NumberOfPasswordPrompts": "1",
            "PreferredAuthentications": "password",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        written = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return subprocess.Popen(
            mortal(
                self.attacker.command(
                    ["ssh", "-F", "/dev/null", *written, f"{user}@{SERVER}", "true"]
                )
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "SSH_ASKPASS": str(self._password),
                "SSH_ASKPASS_REQUIRE": "force",
                "DISPLAY": ":0",
            },
        )
