"""Actions and firewalls of other packages, in the real daemon: the manual's examples, and broken ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned
from tests.e2e.scenes import ONE, SET, SIX, THREE, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.manual import install, shown
from tests.support.processes import CHECKOUT, wait_until

pytestmark = pytest.mark.root

PAGE = "f2b-actions.7"
BROKEN = """
import time
from f2b.actions.null import Null

def hangs(jail, parameters):
    time.sleep(3600)

def raises(jail, parameters):
    raise SystemExit("I will not")

def nothing(jail, parameters):
    return None

class Refusing(Null):
    def apply(self, operations, now):
        return 1 / 0

    def start(self, jails, own, bans, now):
        return [1 / 0 for ban in bans]

def refusing(settings, instance, *, takeover):
    return Refusing()

def wrong(settings):
    pass
"""
PROJECT = """
[project]
name = "broken"
version = "0.1"
[project.entry-points."f2b.side_actions"]
hangs = "broken:hangs"
raises = "broken:raises"
nothing = "broken:nothing"
absent = "nowhere:make"
[project.entry-points."f2b.actions"]
refusing = "broken:refusing"
wrong = "broken:wrong"
gone = "nowhere:make"
"""


def environment(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(site)}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    files = {"broken.py": BROKEN, "pyproject.toml": PROJECT}
    return install(tmp_path / "site", files, "broken.py")


def test_the_backend_of_the_manual_keeps_the_contract(tmp_path: Path) -> None:
    site = install(
        tmp_path / "site", shown(PAGE), "f2b_blocklist.py", "test_blocklist.py", "bell.py"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", site],
        env={**os.environ, "PYTHONPATH": f"{site}:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert " passed" in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout
    assert not (site / "blocklist").exists()


def test_the_backend_of_the_manual_bans(tmp_path: Path, daemon: Daemon, journal: Journal) -> None:
    site = install(tmp_path / "site", shown(PAGE), "f2b_blocklist.py")
    daemon.jails.write_text(f"[DEFAULT]\nbanaction = blocklist\n{THREE}")
    daemon.start(environment=environment(site))
    assert asked(daemon, "status")["backend"] == "blocklist"
    fail(journal, ONE, 3)
    fail(journal, SIX, 3)
    listed = daemon.database.with_name("blocklist")
    wait_until(lambda: listed.exists() and len(listed.read_text().splitlines()) == 2, "two bans")
    assert f"sshd {ONE} " in listed.read_text()
    daemon.cli("unban", ONE)
    daemon.cli("ban", TWO, "--time", "-1")
    assert f"custom {TWO} never\n" in listed.read_text()
    assert ONE not in listed.read_text()
    daemon.stop()
    daemon.start(environment=environment(site))
    assert f"custom {TWO} never\n" in listed.read_text()


def test_the_side_action_of_the_manual_rings(
    tmp_path: Path, daemon: Daemon, journal: Journal
) -> None:
    group = '[project]\nname = "bell"\nversion = "1"\n[project.entry-points."f2b.side_actions"]\n'
    files = {**shown(PAGE), "pyproject.toml": f'{group}bell = "bell:make"\n'}
    site = install(tmp_path / "site", files, "bell.py")
    (site / "test_bell.py").write_text(
        "import bell\nfrom f2b.actions.contract import SideActionContract\n"
        "class TestBell(SideActionContract):\n    def make(self): return bell.make('sshd', {})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", site],
        env={**os.environ, "PYTHONPATH": f"{site}:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    daemon.jails.write_text(THREE + "action = %(action_)s\n  plugin:bell[tone=dong]\n")
    daemon.start(environment=environment(site))
    fail(journal, ONE, 3)
    wait_until(lambda: f"dong 1: ban {ONE} in sshd" in daemon.log.read_text(), "the bell")


def test_a_backend_that_breaks_is_told_and_its_bans_are_not_enforced(
    daemon: Daemon, broken: Path
) -> None:
    daemon.jails.write_text(f"[DEFAULT]\nbanaction = refusing\n{THREE}")
    daemon.start(environment=environment(broken))
    done = daemon.cli("ban", TWO, check=False)
    assert (
        f"{TWO} is NOT ENFORCED: apply failed: ZeroDivisionError: division by zero" in done.stdout
    )
    assert done.returncode == 1
    assert "broken.py:16" in daemon.log.read_text()
    assert "NOT ENFORCED: 1 of 1; watching" in daemon.cli("status").stdout
    by_name = {row["name"]: row["unenforced"] for row in asked(daemon, "status")["jails"]}
    assert by_name == {"sshd": 0, "custom": 1}
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("wrong", "firewall backend 'wrong' cannot be made: TypeError"),
        ("gone", "firewall backend 'gone' of package broken 0.1 cannot be imported: ModuleNotFound"),
    ],
)  # fmt: skip
def test_a_backend_that_cannot_be_made_is_an_error_of_the_configuration(
    daemon: Daemon, broken: Path, name: str, why: str
) -> None:
    daemon.jails.write_text(f"[DEFAULT]\nbanaction = {name}\n{THREE}")
    daemon.start(environment=environment(broken), ready=False)
    assert daemon.process
    assert daemon.process.wait(20) == 78
    assert why in daemon.log.read_text()
    assert "Traceback" not in daemon.log.read_text()


def test_broken_side_actions_hold_up_nobody(
    daemon: Daemon, journal: Journal, broken: Path
) -> None:
    names = ("hangs[timeout=1]", "raises", "nothing", "absent", "typo")
    daemon.jails.write_text(
        THREE + "action = %(action_)s\n" + "".join(f"  plugin:{name}\n" for name in names)
    )
    daemon.start(environment=environment(broken))
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "the ban")

    def failing() -> dict[str, str]:
        rows = asked(daemon, "status", "sshd")["actions"]
        return {row["name"]: row["failing"] for row in rows if row["failing"]}

    wait_until(lambda: len(failing()) == 4, "four that fail")
    assert "SystemExit: I will not, at " in failing()["raises"]
    assert "what plug-in 'nothing' makes has no start, carry_out, stop" in failing()["nothing"]
    assert "'absent' of package broken 0.1 cannot be imported" in failing()["absent"]
    assert "no plug-in is called 'typo'" in daemon.log.read_text()
    assert daemon.stop() == 0
