"""A server with a wall, and a network full of strangers: two namespaces and a cable."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from f2b.actions.abilities import Form
from f2b.actions.nftables import Nftables
from tests.support.netns import Namespace, link
from tests.support.processes import end, mortal, wait_until

SERVER, SERVER6 = "198.51.100.1", "2001:db8:1::1"
ROUTER, ROUTER6 = "198.51.100.2", "2001:db8:1::2"
TABLE = "f2b-table"

# Sends datagrams from one address to a port for ever, as fast as it can.
_FLOOD = """
import socket, sys
source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
flood = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
flood.bind((source, 0))
flood.connect((target, port))
while True:
    try:
        flood.send(b"x")
    except OSError:
        pass
"""


class Lab:
    """The server and the strangers, who may send from every address of 203.0.113.0/24 and 2001:db8:2::/48."""

    def __init__(self, server: Namespace, strangers: Namespace) -> None:
        self.server = server
        self.strangers = strangers
        link(
            server, [f"{SERVER}/24", f"{SERVER6}/64"], strangers, [f"{ROUTER}/24", f"{ROUTER6}/64"]
        )
        for route in (f"203.0.113.0/24 via {ROUTER}", f"2001:db8:2::/48 via {ROUTER6}"):
            server.run(["ip", "route", "add", *route.split()])
        strangers.run(["sysctl", "-qw", "net.ipv6.ip_nonlocal_bind=1"])
        for network in ("203.0.113.0/24", "2001:db8:2::/48"):
            strangers.run(["ip", "route", "add", "local", network, "dev", "lo"])

    def nft(self, *command: str) -> str:
        return self.server.run(["nft", *command])

    def listed(self, what: str, *name: str) -> list[dict[str, Any]]:
        """The objects of that kind in `nft -j list`."""
        found = json.loads(self.nft("-j", "list", *name))["nftables"]
        return [item[what] for item in found if what in item]

    def elements(self, set_name: str) -> dict[str, dict[str, Any]]:
        """The elements of a set, by address."""
        (found,) = self.listed("set", "set", "inet", TABLE, set_name)
        elements = [e["elem"] if "elem" in e else {"val": e} for e in found.get("elem", [])]  # noqa: SIM401 - e may be a text
        return {each["val"]: each for each in elements}

    def sets(self) -> set[str]:
        return {each["name"] for each in self.listed("set", "sets", "inet")}

    def gets_through(self, source: str, port: int = 22, *, timeout: float = 0.4) -> bool:
        target = SERVER6 if ":" in source else SERVER
        return self.strangers.reaches(target, port, source=source, timeout=timeout)

    @contextmanager
    def flood(self, source: str, port: int) -> Iterator[None]:
        target = SERVER6 if ":" in source else SERVER
        argv = self.strangers.command([sys.executable, "-c", _FLOOD, source, target, str(port)])
        process = subprocess.Popen(mortal(argv))
        try:
            yield
        finally:
            end(process)

    @contextmanager
    def receiver(self, port: int) -> Iterator[socket.socket]:
        """A UDP socket that tells what got through."""
        with self.server.inside():
            receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with receiver:
            receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            receiver.bind(("::", port))
            yield receiver

    def wall(
        self,
        instance: str = "1a2b3c4d",
        hook: str = "prerouting",
        *,
        takeover: bool = False,
        form: Form | None = None,
        table: str = TABLE,
    ) -> Nftables:
        with self.server.inside():
            return Nftables(table, hook, instance, takeover=takeover, form=form)


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Lab]:
    if not shutil.which("nft"):
        pytest.skip("nft is not here")
    with Namespace() as server, Namespace() as strangers:
        laboratory = Lab(server, strangers)
        with server.listen(22), server.listen(25):
            # No neighbour is found while the link-local addresses are in doubt.
            wait_until(lambda: laboratory.gets_through("2001:db8:2::1"), "IPv6")
            yield laboratory


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    yield shared_lab
    shared_lab.nft("flush", "ruleset")


@pytest.fixture
def wall(lab: Lab) -> Iterator[Nftables]:
    backend = lab.wall()
    yield backend
    backend.close()
