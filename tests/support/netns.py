"""Network namespaces that nobody has to clean up.

They have no name below /run/netns: each lives as long as the process that holds it, and that one
dies with us. Whatever happens to a test, the kernel takes namespace, veth pair and firewall away.
"""

import contextlib
import ctypes
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import end, mortal, wait_until

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One machine of the test's network: `with Namespace() as server: server.run(["ip", "a"])`."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            mortal(["unshare", "--net", "sleep", "infinity"]), stdin=subprocess.DEVNULL
        )
        self.pid = self._holder.pid
        self.path = f"/proc/{self.pid}/ns/net"
        mine = Path("/proc/self/ns/net").stat().st_ino
        wait_until(lambda: Path(self.path).stat().st_ino != mine, "a network namespace")
        self.run(["ip", "link", "set", "lo", "up"])

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
        end(self._holder)

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs argv in here; its pid is argv's own."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(self, argv: Sequence[str], *, stdin: str = "", check: bool = True) -> str:
        """What argv prints when run in here; if it fails, the error shows what it said."""
        done = subprocess.run(
            self.command(argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if check and done.returncode:
            message = f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}"
            raise AssertionError(message)
        return done.stdout

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and the sockets it opens meanwhile, are in here."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path(self.path).open("rb") as here,
        ):
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def listen(self, port: int) -> socket.socket:
        """A port that answers, IPv4 and IPv6; the kernel completes the handshakes."""
        with self.inside():
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )

    def reaches(self, target: str, port: int, *, source: str = "", timeout: float = 0.5) -> bool:
        """Whether a TCP connection from here to target succeeds."""
        with self.inside():
            try:
                socket.create_connection(
                    (target, port), timeout, (source, 0) if source else None
                ).close()
            except OSError:
                return False
        return True


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def link(
    left: Namespace,
    left_addresses: Sequence[str],
    right: Namespace,
    right_addresses: Sequence[str],
    name: str = "eth0",
) -> None:
    """A cable between two namespaces; addresses as `192.0.2.1/24`, `2001:db8::1/64`."""
    left.run(
        ["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(right.pid)]
    )
    for namespace, addresses in ((left, left_addresses), (right, right_addresses)):
        for address in addresses:
            # Without nodad a fresh IPv6 address cannot be used for a second or two.
            nodad = ["nodad"] if ":" in address else []
            namespace.run(["ip", "address", "add", address, "dev", name, *nodad])
        namespace.run(["ip", "link", "set", name, "up"])
