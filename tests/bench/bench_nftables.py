"""How long 100,000 bans take to restore, against `nft -f` with the same elements.

Also by itself: python -m tests.bench.bench_nftables
"""

import time
from collections.abc import Callable
from statistics import median

import pytest

from f2b.actions.base import JailWall, Put
from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from f2b.config.settings import WallSettings
from f2b.model import Ban
from tests.support.netns import Namespace

BANS = 100_000
ROUNDS = 5
JAIL = JailWall("sshd", WallSettings())
# Every element is added, deleted and added, and other writers get their turn in between; nft only adds.
CEILING = 4.0


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ruleset(bans: list[Ban]) -> str:
    elements = ", ".join(f"{ban.offender} timeout 600s" for ban in bans)
    return f"""
        add table inet floor
        add set inet floor s {{ type ipv4_addr; flags timeout; counter; }}
        add element inet floor s {{ {elements} }}"""


@pytest.mark.root
def test_restore_against_nft() -> None:
    now = time.time()
    bans = [
        Ban("sshd", parse(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"), now, now + 600)
        for n in range(BANS)
    ]
    text = ruleset(bans)
    restore, repeat, single, floor = [], [], [], []
    with Namespace() as namespace:
        with namespace.inside():
            wall = Nftables("f2b-table", "prerouting", "bench")
        for _ in range(ROUNDS):
            restore.append(seconds(lambda: wall.start([JAIL], [], bans, time.time())))
            repeat.append(seconds(lambda: wall.start([JAIL], [], bans, time.time())))
            single.append(seconds(lambda: [wall.apply([Put(b)], now) for b in bans[:1000]]))
            wall.lift()
            floor.append(seconds(lambda: namespace.run(["nft", "-f", "-"], stdin=text)))
            namespace.run(["nft", "flush", "ruleset"])
        wall.close()
    ratio = median(restore) / median(floor)
    print(f"\nrestore of {BANS:,} bans  {median(restore):.2f} s, nft -f {median(floor):.2f} s")
    print(f"restore / nft -f        {ratio:.2f} (at most {CEILING})")
    print(f"start with all in place {median(repeat):.2f} s")
    print(f"one ban a transaction   {1000 / median(single):,.0f} bans/s")
    assert ratio < CEILING


if __name__ == "__main__":
    test_restore_against_nft()
