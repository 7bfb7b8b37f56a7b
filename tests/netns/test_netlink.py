"""The door to the kernel: what it says when it is shut, and that it never hangs."""

import errno
import platform
import subprocess
import sys
import time

import pytest

from f2b.actions import netlink
from f2b.actions.netlink import KernelError, Netfilter
from f2b.actions.nft import Table
from f2b.errors import ActionError
from tests.netns.conftest import TABLE, Lab
from tests.netns.values import NOW, jail

pytestmark = pytest.mark.root

NO_CAPABILITY = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]

START = """
from f2b.actions.nftables import Nftables
from tests.netns.values import NOW, ban, jail
bans = [ban(f"10.0.{n >> 8}.{n & 255}", start=NOW + n) for n in range(2500)]
wall = Nftables("f2b-table", "prerouting", "1a2b3c4d")
wall.start([jail()], [], bans, NOW)
"""

# What RestrictAddressFamilies= does to netlink: socket(AF_NETLINK, …, NETLINK_NETFILTER) fails.
FORBID = """
import ctypes, struct
load, equal, give = 0x20, 0x15, 0x06
program = [(load, 0, 0, 0), (equal, 0, 5, 41), (load, 0, 0, 16), (equal, 0, 3, 16),
           (load, 0, 0, 32), (equal, 0, 1, 12), (give, 0, 0, 0x50000 | CODE), (give, 0, 0, 0x7FFF0000)]
packed = b"".join(struct.pack("HBBI", *line) for line in program)
memory = ctypes.create_string_buffer(packed)
pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, pointer, 0, 0) == 0
"""

REPORT = """
import time
from f2b.errors import F2bError
began = time.monotonic()
try:
    exec(START)
except F2bError as error:
    print(type(error).__name__, int(error.exit), getattr(error, "retry", None), error)
print(f"{time.monotonic() - began:.1f}")
"""


def report(lab: Lab, *, before: str = "", wrapper: tuple[str, ...] = ()) -> tuple[str, float]:
    """What start() raises in a process of its own, and how long that took."""
    code = f"START = {START!r}\n{before}\n{REPORT}"
    text, took = lab.server.run([*wrapper, sys.executable, "-c", code]).splitlines()
    return text, float(took)


def test_without_the_capability(lab: Lab) -> None:
    text, took = report(lab, wrapper=tuple(NO_CAPABILITY))
    assert text.startswith("NotPermittedError 77 ")
    assert "CAP_NET_ADMIN" in text
    assert "--cap-add=NET_ADMIN" in text
    assert took < 5


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter knows x86-64's numbers")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EAFNOSUPPORT, "ActionError 1 False the sandbox of this process forbids netlink"),
        (errno.EPROTONOSUPPORT, "ActionError 1 False this kernel has no nf_tables"),
        (errno.EPERM, "NotPermittedError 77 "),
        (errno.EMFILE, "ActionError 1 True cannot open a netlink socket: Too many open files"),
    ],
)
def test_socket_refused(lab: Lab, code: int, expected: str) -> None:
    text, took = report(lab, before=FORBID.replace("CODE", str(code)))
    assert text.startswith(expected)
    assert took < 5


def test_kernel_without_nf_tables(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "SUBSYSTEM", 9)  # one that no kernel here has
    wall = lab.wall()
    with pytest.raises(ActionError, match="no nf_tables") as error:
        wall.start([jail()], [], [], NOW)
    assert not error.value.retry
    with pytest.raises(ActionError, match="no nf_tables"):
        wall.set_own([])
    wall.close()


@pytest.fixture
def door(lab: Lab) -> Netfilter:
    with lab.server.inside():
        return Netfilter()


def test_refusal_names_the_message(lab: Lab, door: Netfilter) -> None:
    table = Table("t")
    with pytest.raises(KernelError, match="No such file") as error:
        door.commit([table.create("c"), table.chain("c"), table.delete_set("s"), table.chain("d")])
    assert (error.value.code, error.value.index, error.value.retry) == (errno.ENOENT, 2, True)
    assert lab.nft("list", "ruleset") == ""
    door.close()


def test_late_answer_is_not_taken_for_another(lab: Lab, door: Netfilter) -> None:
    table = Table("t")
    door.post([table.delete()])
    door.commit([table.create("c")])
    assert "table inet t" in lab.nft("list", "tables")
    door.close()


def test_silence_ends(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    monkeypatch.setattr(netlink, "TIMEOUT", 0.2)
    with lab.server.inside():
        door = Netfilter()
    began = time.monotonic()
    with pytest.raises(ActionError, match="did not answer") as error:
        door.answer(range(10, 13))
    assert error.value.retry
    assert time.monotonic() - began < 1
    door.close()


def killed(lab: Lab, failpoint: str) -> int:
    """Start 2,500 bans in a process that is to die on the way; say how many bans are there."""
    environment = ["env", f"F2B_FAILPOINT={failpoint}"]
    argv = lab.server.command([*environment, sys.executable, "-c", START])
    assert subprocess.run(argv, check=False).returncode == -9
    found = lab.listed("set", "set", "inet", TABLE, "addr-set-sshd")[0]
    return len(found.get("elem", []))


@pytest.mark.parametrize(
    ("failpoint", "there"),
    [("after-netlink", 1000), ("after-netlink:2", 2000), ("during-restore", 1000)],
)
def test_killed_on_the_way_and_started_again(lab: Lab, failpoint: str, there: int) -> None:
    assert killed(lab, failpoint) == there
    # The latest come first.
    assert "10.0.9.195" in lab.elements("addr-set-sshd")
    lab.server.run([sys.executable, "-c", START])
    assert len(lab.elements("addr-set-sshd")) == 2500
