"""The daemon with routes for a wall."""

import json
import time

import pytest

from tests.e2e.outcome import asked
from tests.e2e.scenes import ONE, SIX, THREE, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

ROUTE = "[DEFAULT]\nbanaction = route\n" + THREE


def routes(server: Namespace) -> dict[str, str]:
    found: dict[str, str] = {}
    for family in ("-4", "-6"):
        listed = server.run(["ip", "-j", family, "route", "show", "proto", "242"])
        found |= {each["dst"]: each["type"] for each in json.loads(listed)}
    return found


def test_the_life_of_a_ban(daemon: Daemon, journal: Journal, server: Namespace) -> None:
    daemon.jails.write_text(ROUTE)
    daemon.start()
    fail(journal, ONE, 3)
    fail(journal, SIX, 3)
    both = {ONE: "unreachable", "2001:db8:7::/64": "unreachable"}
    wait_until(lambda: routes(server) == both, "the routes")
    status = asked(daemon, "status")
    assert status["backend"] == "blackhole"
    assert "routes have no timeouts" in daemon.log.read_text()

    server.run(["ip", "route", "flush", "proto", "242"])
    before = time.monotonic()
    wait_until(lambda: routes(server) == both, "them again")
    assert time.monotonic() - before < 2

    assert daemon.stop() == 0
    assert routes(server) == both
    daemon.start()
    assert routes(server) == both
    daemon.cli("unban", ONE)
    daemon.cli("ban", "sshd", TWO)
    assert set(routes(server)) == {TWO, "2001:db8:7::/64"}

    # Another firewall takes over, and back.
    daemon.jails.write_text(THREE)
    daemon.stop()
    daemon.start()
    assert routes(server) == {}
    daemon.jails.write_text(ROUTE)
    daemon.stop()
    daemon.start()
    assert set(routes(server)) == {TWO, "2001:db8:7::/64"}
    assert "f2b-table" not in server.run(["nft", "list", "tables"])
    daemon.stop()
    assert "the routes" in daemon.cli("flush").stdout
    assert routes(server) == {}
