"""What f2b chooses on this kernel, proved with packets: run in a guest, where F2B_EXPECTED says what it must be."""

import json
import os
import platform
import time
from pathlib import Path

import pytest

from f2b.actions import loader
from f2b.actions.base import JailWall
from f2b.addresses import parse
from f2b.config.settings import Blocktype, DaemonSettings, WallSettings
from f2b.model import Ban
from tests.e2e.scenes import THREE
from tests.e2e.workload import fail
from tests.netns.legacy.lab import LegacyLab
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

ONE, SIX = "203.0.113.7", "2001:db8:2::7"
WALLS = [WallSettings(), WallSettings(ports=((22, 22), (80, 90)), blocktype=Blocktype.REJECT)]


def test_the_best_that_this_kernel_can_is_chosen(
    legacy_lab: LegacyLab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab, now = legacy_lab, time.time()
    with lab.server.inside():
        choice = loader.backend(
            "auto", DaemonSettings(), instance="1a2b3c4d", walls=WALLS, now=now
        )
        wall = choice.backend
    try:
        with lab.server.inside():
            jails = [JailWall(f"jail{at}", settings) for at, settings in enumerate(WALLS)]
            until = now + 600
            bans = [Ban("jail0", parse(ONE), now, until), Ban("jail1", parse(SIX), now, until)]
            wall.start(jails, [], bans, now)
        losses = sorted(loss.partition(":")[0] for loss in wall.losses)
        with capfd.disabled():
            print(f"\nkernel: {platform.release()}", f"why: {choice.why}", sep="\n")
            print(f"chosen: {'; '.join([wall.name, *losses])}", flush=True)
        assert "; ".join([wall.name, *losses]) == os.environ["F2B_EXPECTED"]
        if wall.name != "nftables":
            assert choice.why.startswith("nftables: this kernel has no nf_tables")
            assert ("iptables-legacy with sets: this kernel has no ip_set" in choice.why) is (
                wall.name == "iptables-legacy"
            )
        for address, other in ((ONE, "203.0.113.8"), (SIX, "2001:db8:2::8")):
            assert not lab.gets_through(address)
            assert lab.gets_through(other)
    finally:
        with lab.server.inside():
            wall.lift()
            wall.close()
    assert lab.gets_through(ONE)
    assert lab.gets_through(SIX)


def test_the_daemon_bans_with_it(legacy_lab: LegacyLab, tmp_path: Path) -> None:
    lab = legacy_lab
    with Journal(tmp_path / "journal") as journal:
        daemon = Daemon(tmp_path / "f2b", journal.folder, lab.server, jails=THREE)
        daemon.start(timeout=120)
        try:
            fail(journal, ONE, 3)
            fail(journal, SIX, 3)
            wait_until(lambda: not lab.gets_through(ONE), "a ban", 60)
            wait_until(lambda: not lab.gets_through(SIX), "a ban", 60)
            assert lab.gets_through("203.0.113.8")
            told = json.loads(daemon.cli("status", "--json").stdout)
            assert told["backend"] == os.environ["F2B_EXPECTED"].partition(";")[0]
            daemon.cli("unban", ONE)
            assert lab.gets_through(ONE)
            assert daemon.stop(timeout=60) == 0
            assert not lab.gets_through(SIX)
            daemon.start(timeout=120)
            assert daemon.stop(timeout=60) == 0
            assert not lab.gets_through(SIX)
            daemon.cli("flush")
            assert lab.gets_through(SIX)
        except BaseException:
            print(daemon.log.read_text())
            raise
        finally:
            daemon.close()
