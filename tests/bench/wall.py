"""What writing bans costs: 100,000 at a time against `nft -f` and the bare kernel, one alone, and the loop beside."""

import asyncio
import time
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress

from f2b.actions import nft
from f2b.actions.base import JailWall, Put
from f2b.actions.netlink import Message, Netfilter
from f2b.actions.nft import Table
from f2b.actions.nftables import Nftables
from f2b.addresses import Family, parse
from f2b.config.settings import WallSettings
from f2b.daemon import garbage
from f2b.daemon.enforcer import Enforcer, Key, Wall
from f2b.model import Ban, Banned, Lifted, Reason
from tests.bench.bulk import flush, ruleset
from tests.bench.meter import Cost, cost, settle, waited
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least, at_most
from tests.support.netns import Namespace

JAIL = JailWall("sshd", WallSettings())


def many(count: int, now: float, family: Family = Family.INET) -> list[Ban]:
    form = "10.{}.{}.{}" if family is Family.INET else "2001:db8:{}:{}:{}::1"
    addresses = (form.format(n >> 16, n >> 8 & 255, n & 255) for n in range(count))
    return [Ban("sshd", parse(address), now, now + 600) for address in addresses]


def restore(plan: Plan) -> Iterable[Row]:
    for family in Family:
        yield from _restore(plan, family)


def _restore(plan: Plan, family: Family) -> Iterable[Row]:
    now = time.time()
    bans = many(plan.elements, now, family)
    text = ruleset([ban.offender for ban in bans])
    ours, rate, repeat, single, floor, kernel = ([], [], [], [], [], [])
    garbage.search_once()
    # The others work where nobody listens to the kernel, as we do.
    with Namespace() as server, Namespace() as other:
        wall = _wall_in(server)
        for _ in range(plan.rounds):
            settle()
            took = cost(lambda: wall.start([JAIL], [], bans, time.time()))
            ours.append(plan.time(took))
            rate.append(len(bans) / took.cpu / 1000)
            repeat.append(cost(lambda: wall.start([JAIL], [], bans, time.time())).wall)
            alone = [Put(ban) for ban in bans[:1000]]
            took = cost(lambda: [wall.apply([put], now) for put in alone])  # noqa: B023
            single.append(took.wall / len(alone) * 1000)
            flush(server)
            floor.append(plan.time(cost(lambda: other.run(["nft", "-f", "-"], stdin=text))))
            flush(other)
            kernel.append(plan.time(_bare(other, bans)))
        peak = _peak(wall, bans)
        wall.close()
    name = f"restore {len(bans):,} bans, IPv{family}"
    yield Row(
        what=f"{name}; floor: nft -f", ours=ours, floor=floor, judge=Judge.COST, must=at_most(0.8)
    )
    yield Row(
        what=f"{name}; floor: the kernel", ours=ours, floor=kernel, judge=Judge.COST,
        must=at_most(2),
    )  # fmt: skip
    if not plan.quick:
        yield Row(what=f"{name}, of CPU time", unit="k/s", ours=rate, must=at_least(200))
        yield Row(what=f"{name}, all in place", ours=repeat)
        yield Row(what=f"{name}, memory", unit="MB", ours=[peak / 1e6], must=at_most(30))
        yield Row(what=f"one ban, IPv{family}", unit="ms", ours=single, must=at_most(1))


def _wall_in(namespace: Namespace) -> Nftables:
    with namespace.inside():
        return Nftables("f2b-table", "prerouting", "bench")


def _peak(wall: Nftables, bans: list[Ban]) -> int:
    tracemalloc.start()
    wall.start([JAIL], [], bans, time.time())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _bare(namespace: Namespace, bans: list[Ban]) -> Cost:
    """What the kernel takes for the messages of a restore, where nobody listens."""
    with namespace.inside():
        door = Netfilter()
    table, family = Table("floor"), bans[0].offender.family
    kind = nft.address_set(family, nft.SetFlag.TIMEOUT, counted=True)
    door.commit([table.create("floor"), table.set("s", kind)])
    keys = [(ban.offender.packed, 600_000) for ban in bans]
    parts = [nft.timed_elements(family, keys[at : at + 1000]) for at in range(0, len(keys), 1000)]
    took = cost(lambda: _send(door, [table.add("s", part) for part in parts]))
    door.close()
    flush(namespace)
    return took


def _send(door: Netfilter, messages: list[Message]) -> None:
    for message in messages:
        door.commit([message])


class Heart:
    """How late the loop was at most since the last question.

    Without the time in which a thread of ours was ready and other processes had the processor.
    """

    def __init__(self) -> None:
        self._longest = 0.0

    async def beat(self) -> None:
        while True:
            before, idle = time.perf_counter(), waited()
            await asyncio.sleep(0.001)
            late = time.perf_counter() - before - 0.001
            if late > self._longest:
                self._longest = max(self._longest, late - (waited() - idle))

    async def longest(self) -> float:
        await asyncio.sleep(0.01)
        longest, self._longest = self._longest, 0.0
        return longest


def loop(plan: Plan) -> Iterable[Row]:
    """While many bans are restored, counted, lifted and made again, and an operator lists them all the time."""
    now = time.time()
    bans = {("sshd", ban.offender): ban for ban in many(plan.elements, now)}
    ledger: dict[Key, Ban] = dict(bans)
    garbage.search_once()
    with Namespace() as server:
        backend = _wall_in(server)
        enforcer = Enforcer(
            backend, lambda: Wall([JAIL], [], list(ledger.values())), ledger.get, time.time, print
        )
        listing = server.command(["nft", "list", "ruleset"])
        stalls = asyncio.run(_together(enforcer, bans, ledger, listing))
        backend.close()
    for step, stall in stalls.items():
        yield Row(
            what=f"longest stall of the loop: {step} of {len(bans):,} bans", unit="ms",
            ours=[stall * 1000], must=at_most(50),
        )  # fmt: skip


async def _together(
    enforcer: Enforcer, bans: dict[Key, Ban], ledger: dict[Key, Ban], listing: list[str]
) -> dict[str, float]:
    heart = Heart()
    tasks = [asyncio.create_task(work) for work in (enforcer.run(), heart.beat())]
    await enforcer.start()
    stalls = {"restore": await heart.longest()}
    await enforcer.counters("sshd", 60)
    stalls["count"] = await heart.longest()
    tasks.append(asyncio.create_task(_listen(listing)))
    await heart.longest()
    offenders = list(bans)
    for step, decide in (("lifting", _lift), ("making", _ban)):
        for at in range(0, len(bans), 250):  # as the daemon does, batch by batch
            decide(ledger, bans, offenders[at : at + 250], enforcer)
            await asyncio.sleep(0)
        assert await enforcer.settled(60)
        stalls[step] = await heart.longest()
    enforcer.rebuild()
    assert await enforcer.settled(60)
    stalls["comparison"] = await heart.longest()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return stalls


async def _listen(argv: list[str]) -> None:
    while True:
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
        try:
            await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _lift(
    ledger: dict[Key, Ban], bans: dict[Key, Ban], keys: list[Key], enforcer: Enforcer
) -> None:
    for key in keys:
        del ledger[key]
    enforcer.submit([Lifted(bans[key], Reason.UNBAN, time.time()) for key in keys])


def _ban(
    ledger: dict[Key, Ban], bans: dict[Key, Ban], keys: list[Key], enforcer: Enforcer
) -> None:
    for key in keys:
        ledger[key] = bans[key]
    enforcer.submit([Banned(bans[key]) for key in keys])
