"""Telling the service manager how we are (sd_notify), in the few words it understands."""

import os
import socket
import time

from f2b.errors import F2bError


class Notifier:
    """Silent where no service manager listens. `watchdog` is how often it wants to hear from us, in seconds."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        usec = os.environ.get("WATCHDOG_USEC", "")
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(usec) / 1e6 if usec.isdigit() and mine else None
        self._status = ""

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; sent when it changes."""
        text = text.replace("\n", "; ")
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def failed(self, error: F2bError) -> None:
        self.status(str(error))

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.connect(address)
                sock.send(message.encode("utf-8", "replace"), socket.MSG_DONTWAIT)
            except OSError:
                return
