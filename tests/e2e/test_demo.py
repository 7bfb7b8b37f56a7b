"""The demo shows what it promises, and leaves the machine as it was: at its end, interrupted, and killed."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.stage import ATTACKER
from tests.support.journald import sweep
from tests.support.processes import CHECKOUT, children, wait_until

pytestmark = [pytest.mark.root, pytest.mark.slow]

MACHINE = {
    "listening ports": "ss -Hltnu",
    "ruleset": "nft list ruleset",
    "interfaces": "ip -brief link",
    "namespaces": "ip netns list; ls /run/netns 2>/dev/null",
    "mounts": "cat /proc/self/mountinfo",
    "cgroups": "find /sys/fs/cgroup -maxdepth 3 -name 'f2b*'",
    "accounts": "cksum /etc/passwd /etc/shadow /etc/group",
    "packages with a service": "dpkg-query -W openssh-server systemd-journal-remote nftables; true",
    "services": "systemctl list-units --plain --no-legend --type=service --state=running; true",
    "journal": f"ls -R /var/log/journal /run/log/journal; journalctl --grep={ATTACKER}; true",
    "folders": f"ls -d {tempfile.gettempdir()}/f2b-demo-*; true",
    "processes": "grep -lz 'f2b-demo-[0-9]' /proc/[0-9]*/cmdline; true",
}


def machine() -> dict[str, str]:
    """What the demo might leave behind: the output of a command for each."""
    return {
        what: subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60
        ).stdout
        for what, command in MACHINE.items()
    }


@pytest.fixture
def before() -> dict[str, str]:
    """The machine without what a killed run left behind: the demo would sweep that away."""
    sweep()
    return machine()


def assert_unchanged(before: dict[str, str]) -> None:
    """The kernel takes a moment to clear a namespace."""
    try:
        wait_until(lambda: machine() == before, "the machine as it was", timeout=5)
    except TimeoutError:
        assert machine() == before


def test_it_shows_ban_and_unban_and_leaves_no_trace(before: dict[str, str]) -> None:
    demo = subprocess.run(
        ["make", "demo"], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=150
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    told = [
        f"Failed password for root from {ATTACKER}",
        f"[sshd] Found {ATTACKER}",
        f"[sshd] Ban {ATTACKER}",
        "Connection timed out",
        "server# f2b status",
        "set addr-set-sshd",
        f"[sshd] Unban {ATTACKER}",
        "Permission denied",
    ]
    places = [demo.stdout.find(text) for text in told[:-1]]
    assert -1 not in places, demo.stdout
    assert places == sorted(places)
    assert told[-1] in demo.stdout[places[-1] :], "the attacker gets through again"
    assert_unchanged(before)


def ctrl_c(demo: "subprocess.Popen[str]") -> None:
    os.killpg(demo.pid, signal.SIGINT)


def terminate(demo: "subprocess.Popen[str]") -> None:
    demo.terminate()


def kill_the_play(demo: "subprocess.Popen[str]") -> None:
    os.kill(children(demo.pid)[0], signal.SIGKILL)


def kill_its_parent(demo: "subprocess.Popen[str]") -> None:
    demo.kill()


def kill_the_daemon(_demo: "subprocess.Popen[str]") -> None:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        if b"f2b-demo-" in (words := command.read_bytes()) and b"\0run\0" in words:
            os.kill(int(command.parent.name), signal.SIGKILL)


@pytest.mark.parametrize(
    ("moment", "interrupt"),
    [
        ("is ready", ctrl_c),
        ("] Ban ", ctrl_c),
        ("is ready", terminate),
        ("is ready", kill_the_play),
        ("is ready", kill_its_parent),
        ("is ready", kill_the_daemon),
    ],
)
def test_interrupted_it_fails_and_leaves_no_trace(
    moment: str, interrupt: Callable[["subprocess.Popen[str]"], None], before: dict[str, str]
) -> None:
    demo = subprocess.Popen(
        ["demo/run"], cwd=CHECKOUT, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert demo.stdout
    with demo.stdout:
        told = ""
        for line in demo.stdout:
            told += line
            if moment in line:
                interrupt(demo)
                break
        else:
            pytest.fail(f"the demo never came to '{moment}':\n{told}")
        demo.stdout.read()
    assert demo.wait(timeout=20) != 0
    assert_unchanged(before)
