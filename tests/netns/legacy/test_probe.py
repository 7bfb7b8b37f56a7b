"""Which wall is chosen where a part of the kernel is refused; proved with real packets."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from f2b.actions import takedown
from f2b.actions.iptables import Iptables
from f2b.actions.nftables import Nftables
from f2b.config.settings import DaemonSettings
from tests.netns.conftest import TABLE
from tests.netns.legacy.lab import LegacyLab
from tests.netns.values import NOW, ban, jail
from tests.support.processes import CHECKOUT, end, mortal

pytestmark = pytest.mark.root


@contextmanager
def chosen(
    lab: LegacyLab, error: int = 0, banaction: str = "auto", wrapper: Sequence[str] = ()
) -> Iterator[str]:
    """What a process says that may not do everything, and the wall that it puts up meanwhile."""
    program = [sys.executable, "-m", "tests.netns.legacy.sandboxed", str(error), banaction]
    process = subprocess.Popen(
        mortal(lab.server.command([*wrapper, *program])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env=os.environ,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield process.stdout.readline().decode().strip()
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        end(process)


def test_the_best_wall_is_nftables(lab: LegacyLab) -> None:
    with chosen(lab) as said:
        assert said == "nftables |"
        assert [each["name"] for each in lab.listed("table", "tables")] == [TABLE]
        assert not lab.gets_through("203.0.113.7")
    assert lab.nft("list", "tables") == ""
    assert lab.ours() == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.EPROTONOSUPPORT, "this kernel has no nf_tables"),
        (errno.EAFNOSUPPORT, "the sandbox of this process forbids netlink sockets"),
    ],
)
def test_without_netfilters_sockets_it_is_plain_rules(
    lab: LegacyLab, error: int, reason: str
) -> None:
    with chosen(lab, error) as said:
        name, _, why = said.partition(" | ")
        assert name == "iptables-legacy"
        assert why.startswith("nftables")
        assert reason in why
        assert ("iptables-legacy with sets: this kernel has no ip_set" in why) is (
            error == errno.EPROTONOSUPPORT
        )
        assert lab.rules("PREROUTING") == ["-j f2b-chain"]
        assert not lab.gets_through("203.0.113.7")
        assert not lab.gets_through("2001:db8:2::7")
        assert lab.gets_through("203.0.113.8")
    # The probe's own chains are gone, too.
    assert lab.ours() == []
    assert lab.sets() == set()


def test_iptables_legacy_by_name_takes_sets(lab: LegacyLab) -> None:
    with chosen(lab, banaction="iptables-legacy") as said:
        assert said == "iptables-legacy with sets |"
        assert lab.members("f2b4-sshd").keys() == {"203.0.113.7"}
        assert not lab.gets_through("2001:db8:2::7")
        assert lab.sets() == {"f2b4-sshd", "f2b6-sshd"}
    assert lab.sets() == set()


def test_nftables_by_name_is_no_other(lab: LegacyLab) -> None:
    with chosen(lab, errno.EPROTONOSUPPORT, "nftables") as said:
        assert said.startswith("ActionError: this kernel has no nf_tables")
    assert lab.ours() == []


@contextmanager
def another_user() -> Iterator[list[str]]:
    """What makes a program run as another user with the two capabilities, and a lock of his own."""
    capabilities = "+net_admin,+net_raw"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    user += [f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"]
    reads = subprocess.run([*user, sys.executable, "-c", "import f2b"], cwd=CHECKOUT, check=False)
    if reads.returncode:
        pytest.skip("nobody else may read this checkout")
    with tempfile.NamedTemporaryFile() as lock:
        os.chown(lock.fileno(), 65534, 65534)
        yield ["env", f"XTABLES_LOCKFILE={lock.name}", *user]


def test_another_user_with_the_two_capabilities_is_enough(lab: LegacyLab) -> None:
    """As in the unit with its drop-in: which tables are in use is for root alone to read."""
    lab.restore("*filter\n-A INPUT -p tcp --dport 2 -j ACCEPT\nCOMMIT\n")
    with (
        another_user() as wrapper,
        chosen(lab, banaction="iptables-legacy", wrapper=wrapper) as said,
    ):
        assert said == "iptables-legacy with sets |"
        assert not lab.gets_through("203.0.113.7")
        assert not lab.gets_through("2001:db8:2::7")
    assert lab.ours() == []


def test_what_is_missing_for_the_old_tools_is_told(lab: LegacyLab) -> None:
    """As in the unit: CAP_NET_ADMIN alone."""
    weak = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]
    with chosen(lab, errno.EPROTONOSUPPORT, wrapper=weak) as said:
        assert said.startswith("ActionError: no firewall works here: nftables: this kernel has no")
        assert "Permission denied" in said
        assert "CAP_NET_ADMIN and CAP_NET_RAW" in said
    nowhere = ["env", "PATH=/usr/bin"]
    if not shutil.which("iptables-legacy-save", path="/usr/sbin:/sbin"):
        with chosen(lab, errno.EPROTONOSUPPORT, wrapper=nowhere) as said:
            assert said.count("is not installed (install the package iptables)") == 1
    assert lab.ours() == []


def test_without_capabilities_there_is_one_thing_to_say(lab: LegacyLab) -> None:
    powerless = ["setpriv", "--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin"]
    for banaction in ("auto", "iptables-legacy"):
        with chosen(lab, banaction=banaction, wrapper=powerless) as said:
            assert said.startswith("NotPermittedError: ")
            assert "CAP_NET_ADMIN" in said
    assert lab.ours() == []


@pytest.mark.parametrize("sets", [True, False])
def test_the_wall_of_another_backend_is_taken_down(lab: LegacyLab, *, sets: bool) -> None:
    settings = DaemonSettings()
    with lab.server.inside():
        tables = Nftables(TABLE, "prerouting", "1a2b3c4d")
        old = Iptables(TABLE, "prerouting", "1a2b3c4d", sets=sets)
        foreign = Iptables("f2b-other", "prerouting", "99999999", sets=sets)
        for wall in (tables, old, foreign):
            wall.start([jail()], [], [ban("203.0.113.7")], NOW)
        takedown.sweep(tables, settings, "1a2b3c4d")
        assert lab.listed("table", "tables")
        assert lab.rules("PREROUTING") == ["-j f2b-other-chain"]
        old.start([jail()], [], [ban("203.0.113.7")], NOW)
        takedown.sweep(old, settings, "1a2b3c4d")
        assert not lab.listed("table", "tables")
        assert not lab.gets_through("203.0.113.7")
        foreign.lift()
        for wall in (tables, old, foreign):
            wall.close()


def test_another_user_takes_the_old_wall_down_too(lab: LegacyLab) -> None:
    with lab.server.inside():
        old = Iptables(TABLE, "prerouting", "1a2b3c4d", sets=True)
        old.start([jail()], [], [ban("203.0.113.7")], NOW)
        old.close()
    program = (
        "from f2b.actions.null import Null; from f2b.actions.takedown import sweep\n"
        "from f2b.config.settings import DaemonSettings\n"
        "sweep(Null(), DaemonSettings(), '1a2b3c4d')"
    )
    with another_user() as wrapper:
        argv = lab.server.command([*wrapper, sys.executable, "-c", program])
        subprocess.run(argv, cwd=CHECKOUT, check=True)
    assert lab.ours() == []
    assert lab.gets_through("203.0.113.7")
