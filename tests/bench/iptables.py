"""Bans in iptables-legacy against its own tools: 5,000 as rules, 100,000 as elements of sets."""

import shutil
import time
from collections.abc import Iterable

from f2b.actions.base import JailWall, Put
from f2b.actions.iptables import Iptables
from f2b.addresses import parse
from f2b.config.settings import WallSettings
from f2b.model import Ban
from tests.bench.meter import cost
from tests.bench.plan import Plan
from tests.bench.rows import Bound, Judge, Row, at_most
from tests.bench.wall import many
from tests.support.netns import Namespace

RULES = 5000
JAIL = JailWall("sshd", WallSettings())


def legacy(plan: Plan) -> Iterable[Row]:
    """Both families are looked at and written; the tool by itself does one."""
    now = time.time()
    few, all_ = many(RULES, now), many(plan.elements, now)
    rules = "\n".join(f"-A floor -s {ban.offender}/32 -j DROP" for ban in few)
    rules = f"*raw\n:floor - [0:0]\n{rules}\nCOMMIT\n"
    tool = ["iptables-legacy-restore"]
    yield from _against([*tool, "--noflush"], few, rules, tool, plan, at_most(4))
    elements = "\n".join(f"add floor {ban.offender} timeout 600" for ban in all_)
    elements = f"create floor hash:net timeout 0 maxelem 4194304\n{elements}\n"
    undo = ["ipset", "destroy", "floor"]
    yield from _against(["ipset", "restore"], all_, elements, undo, plan, at_most(2))


def _against(
    tool: list[str], bans: list[Ban], text: str, undo: list[str], plan: Plan, must: Bound
) -> Iterable[Row]:
    """Restore them several times, by us and by the tool."""
    name = f"{len(bans):,} bans against {' '.join(tool)}"
    if not shutil.which(tool[0]):
        yield Row(what=name, note=f"{tool[0]} is not here")
        return
    restore, repeat, single, floor = [], [], [], []
    more = Ban("sshd", parse("192.0.2.1"), time.time(), None)
    with Namespace() as namespace, namespace.inside():
        wall = Iptables("f2b-table", "prerouting", "bench", sets=tool[0] == "ipset")
        for _ in range(plan.rounds):
            restore.append(cost(lambda: wall.start([JAIL], [], bans, time.time())).wall)
            repeat.append(cost(lambda: wall.start([JAIL], [], bans, time.time())).wall)
            single.append(cost(lambda: wall.apply([Put(more)], time.time())).wall * 1000)
            wall.lift()
            floor.append(cost(lambda: namespace.run(tool, stdin=text)).wall)
            namespace.run(undo, stdin="*raw\nCOMMIT\n")
        wall.close()
    yield Row(what=name, ours=restore, floor=floor, judge=Judge.COST, must=must)
    yield Row(what=f"{name}, all in place", ours=repeat)
    yield Row(what=f"{name}, one more", unit="ms", ours=single)
