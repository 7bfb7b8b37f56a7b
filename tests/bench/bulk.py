"""A hundred thousand bans: restored at a start, listed, added to by hand, and left standing at a stop."""

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from f2b.addresses import Family, Offender, parse
from f2b.model import Ban, Banned, Failure, Found, Position, Source
from f2b.store import Batch, Store
from tests.bench.daemons import Peer, Tail
from tests.bench.meter import cost, resident, settle
from tests.bench.plan import Plan
from tests.bench.rows import Row, at_most
from tests.e2e.scenes import THREE
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until

BY_HAND = 1000
CURSOR = f"s={0:032x};i={{:x}};b={0:032x};m=1;t=1;x=1"
TABLE, SET = ["inet", "f2b-table"], "addr-set-custom"


def bulk(plan: Plan) -> Iterable[Row]:
    count = plan.elements
    start, status, stop, floor = ([], [], [], [])
    with (
        Namespace() as server,
        Namespace() as other,
        TemporaryDirectory() as room,
        Journal(Path(room, "journal")) as feed,
        closing(Daemon(Path(room, "f2b"), feed.folder, server, jails=THREE)) as daemon,
    ):
        fill(daemon, bans=count)
        text = ruleset(offenders(count))
        for _ in range(plan.rounds):
            settle()
            start.append(cost(lambda: daemon.start(timeout=60)).wall)
            standing = listed(server)
            assert standing == count, f"{standing} bans in the kernel"
            status.append(cost(lambda: daemon.cli("status")).wall)
            stop.append(cost(daemon.stop).wall)
            server.run(["nft", "flush", "ruleset"])
            floor.append(cost(lambda: other.run(["nft", "-f", "-"], stdin=text)).wall)
            flush(other)
    yield Row(
        what=f"start with {count:,} bans, exec to READY; floor: nft -f", ours=start, floor=floor,
        must=at_most(1),
    )  # fmt: skip
    yield Row(what=f"f2b status, {count:,} bans", ours=status, must=at_most(0.3))
    yield Row(what=f"stop with {count:,} bans", ours=stop, must=at_most(0.1))


def thousand(plan: Plan) -> Iterable[Row]:
    """What fail2ban can do as well: as many as it restores in some seconds."""
    ours, hand, their_hand, theirs = ([], [], [], [])
    addresses = [str(offender) for offender in offenders(BY_HAND)]
    jails = THREE.replace("[sshd]", "[DEFAULT]\nbanaction = nftables-multiport\n[sshd]")
    with (
        Namespace() as server,
        Namespace() as other,
        TemporaryDirectory() as room,
        Journal(Path(room, "journal")) as feed,
    ):
        for number in range(plan.rounds):
            peer = Peer(Path(room, f"peer-{number}"), feed.folder, other, jails)
            everything = f"{BY_HAND} bans of fail2ban"

            def banned() -> bool:
                time.sleep(0.1)  # each look is two processes, and fail2ban needs the processor
                return listed(other, "addr-set-sshd") == BY_HAND

            with peer.running():
                tail = Tail(peer.log, "' started")
                wait_until(lambda: tail.has("' started", 1), "fail2ban", 60)  # noqa: B023
                began = time.perf_counter()
                peer.client("set", "sshd", "banip", *addresses)
                wait_until(banned, everything, 120)
                their_hand.append(time.perf_counter() - began)
            began = time.perf_counter()
            with peer.running():
                wait_until(banned, everything, 120)
                theirs.append(time.perf_counter() - began)
            with closing(
                Daemon(Path(room, f"ours-{number}"), feed.folder, server, jails=THREE)
            ) as daemon:
                daemon.start()
                settle()
                hand.append(cost(lambda: daemon.cli("ban", "sshd", *addresses)).wall)
                assert listed(server, "addr-set-sshd") == BY_HAND
                daemon.stop()
                server.run(["nft", "flush", "ruleset"])
                ours.append(cost(daemon.start).wall)
                assert listed(server, "addr-set-sshd") == BY_HAND
                daemon.stop()
            server.run(["nft", "flush", "ruleset"])
    yield Row(what=f"start with {BY_HAND:,} bans, exec to the kernel", ours=ours, peer=theirs)
    yield Row(
        what=f"{BY_HAND:,} bans by hand, one command", ours=hand, peer=their_hand,
        must=at_most(0.2),
    )  # fmt: skip


def each(plan: Plan) -> Iterable[Row]:
    """What one more ban, and one more offender who is not banned yet, add to the memory."""
    idle, full, busy = [], [], []
    for _ in range(plan.rounds):
        idle.append(_size())
        full.append(_size(bans=plan.elements))
        busy.append(_size(tracked=plan.elements))
    for what, found in (("ban", full), ("tracked offender", busy)):
        more = [
            (size - least) / plan.elements / 1000 for size, least in zip(found, idle, strict=True)
        ]
        yield Row(what=f"memory for each further {what}", unit="kB", ours=more, must=at_most(0.6))


def _size(bans: int = 0, tracked: int = 0) -> int:
    with (
        Namespace() as server,
        TemporaryDirectory() as room,
        Journal(Path(room, "journal")) as feed,
        closing(Daemon(Path(room, "f2b"), feed.folder, server, jails=THREE)) as daemon,
    ):
        fill(daemon, bans, tracked)
        daemon.start(timeout=60)
        time.sleep(1)
        assert daemon.process
        return resident(daemon.process.pid)


def offenders(count: int) -> list[Offender]:
    return [parse(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count)]


def fill(daemon: Daemon, bans: int = 0, tracked: int = 0) -> None:
    """Let it begin with these."""
    daemon.start()
    daemon.stop()
    with closing(Store(daemon.database)) as store:
        store.commit(decisions(bans, tracked, time.time()))


def decisions(bans: int, tracked: int, now: float) -> Batch:
    """So many bans by hand in jail custom, and in jail sshd so many offenders who have failed once.

    The journal is read up to there: else each failure would be remembered, to be known when it comes again.
    """
    made = [
        Banned(Ban("custom", offender, now, now + 86_400, 1, Source.HAND))
        for offender in offenders(bans)
    ]
    seen = [
        Found("sshd", offender, Failure(offender, now - 60, CURSOR.format(number)), counts=True)
        for number, offender in enumerate(offenders(tracked))
    ]
    position = Position(CURSOR.format(tracked), now - 60) if tracked else None
    return Batch((*made, *seen), position)


def listed(server: Namespace, name: str = SET) -> int:
    """How many of our offenders the kernel has in a set."""
    text = server.run(["nft", "list", "set", *TABLE, name], check=False)
    return len(re.findall(r"\b10\.\d+\.\d+\.\d+", text))


def flush(namespace: Namespace) -> None:
    namespace.run(["nft", "flush", "ruleset"])
    time.sleep(0.5)  # the kernel frees the elements later, and makes others wait meanwhile


def ruleset(some: Sequence[Offender]) -> str:
    kind = "ipv4_addr" if some[0].family is Family.INET else "ipv6_addr"
    elements = ", ".join(f"{offender} timeout 600s" for offender in some)
    return f"""
        add table inet floor
        add set inet floor s {{ type {kind}; flags timeout; counter; }}
        add element inet floor s {{ {elements} }}"""
