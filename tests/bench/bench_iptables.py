"""Bans in iptables-legacy against its own tools: 5,000 as rules, 100,000 as elements of sets.

Also by itself: python -m tests.bench.bench_iptables
"""

import shutil
import time
from statistics import median

import pytest

from f2b.actions.base import JailWall, Put
from f2b.actions.iptables import Iptables
from f2b.addresses import parse
from f2b.config.settings import WallSettings
from f2b.model import Ban
from tests.bench.bench_nftables import seconds
from tests.support.netns import Namespace

RULES, ELEMENTS = 5000, 100_000
ROUNDS = 5
JAIL = JailWall("sshd", WallSettings())
# Both families are looked at and written; the tool by itself does one.
CEILING_RULES, CEILING_SETS = 4.0, 2.0


def bans(count: int) -> list[Ban]:
    now = time.time()
    return [
        Ban("sshd", parse(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"), now, now + 600)
        for n in range(count)
    ]


def compare(kind: str, some: list[Ban], tool: list[str], text: str, undo: list[str]) -> float:
    """Restore them several times, by us and by the tool; the ratio."""
    restore, repeat, single, floor = [], [], [], []
    with Namespace() as namespace, namespace.inside():
        wall = Iptables("f2b-table", "prerouting", "bench", sets=kind == "sets")
        for _ in range(ROUNDS):
            restore.append(seconds(lambda: wall.start([JAIL], [], some, time.time())))
            repeat.append(seconds(lambda: wall.start([JAIL], [], some, time.time())))
            more = Ban("sshd", parse("192.0.2.1"), time.time(), None)
            single.append(seconds(lambda: wall.apply([Put(more)], time.time())))  # noqa: B023
            wall.lift()
            floor.append(seconds(lambda: namespace.run(tool, stdin=text)))
            namespace.run(undo, stdin="*raw\nCOMMIT\n")
        wall.close()
    ratio = median(restore) / median(floor)
    print(
        f"\nrestore of {len(some):,} as {kind}  {median(restore):.2f} s, {tool[0]} {median(floor):.2f} s"
    )
    print(f"ratio                   {ratio:.2f}")
    print(f"start with all in place {median(repeat):.2f} s")
    print(f"one ban more            {median(single) * 1000:.1f} ms")
    return ratio


@pytest.mark.root
def test_rules_against_restore() -> None:
    if not shutil.which("iptables-legacy-restore"):
        pytest.skip("iptables-legacy is not here")
    some = bans(RULES)
    rules = "\n".join(f"-A floor -s {ban.offender}/32 -j DROP" for ban in some)
    text = f"*raw\n:floor - [0:0]\n{rules}\nCOMMIT\n"
    undo = ["iptables-legacy-restore"]
    ratio = compare("rules", some, ["iptables-legacy-restore", "--noflush"], text, undo)
    assert ratio < CEILING_RULES


@pytest.mark.root
def test_sets_against_ipset() -> None:
    if not shutil.which("ipset"):
        pytest.skip("ipset is not here")
    some = bans(ELEMENTS)
    elements = "\n".join(f"add floor {ban.offender} timeout 600" for ban in some)
    text = f"create floor hash:net timeout 0 maxelem 4194304\n{elements}\n"
    ratio = compare("sets", some, ["ipset", "restore"], text, ["ipset", "destroy", "floor"])
    assert ratio < CEILING_SETS


if __name__ == "__main__":
    test_rules_against_restore()
    test_sets_against_ipset()
