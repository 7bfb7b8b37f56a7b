"""From the journal to the verdict: real daemons on the same journal, and what it takes merely to read that.

Both find and count the same failures on the same filters; f2b also runs on its own filters. No firewall: each verdict
is in the log and in the database.
"""

import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.daemons import Found, Ours, Run, once, peer_run
from tests.bench.journals import journal, size
from tests.bench.meter import Cost, cost
from tests.bench.plan import Plan
from tests.bench.reader import bare_loop
from tests.bench.rows import NONE, Goal, Judge, Row, at_least, at_most
from tests.bench.stock import jail_local, others, units
from tests.support.netns import Namespace
from tests.support.processes import CHECKOUT


def race(plan: Plan) -> Iterable[Row]:
    """Three jails, in turns: fail2ban, we, we with our own filters, we on a past, and the two floors."""
    folder = journal(plan.entries)
    stock: list[Run] = []
    own: list[Run] = []
    past: list[Run] = []
    peer: list[Run] = []
    printed, bare = [], []
    with Namespace() as namespace, TemporaryDirectory() as text, ExitStack() as stack:
        room = Path(text)
        ours = stack.enter_context(Ours(room / "stock", namespace, jail_local()))
        shipped = stack.enter_context(
            Ours(room / "own", namespace, jail_local(), CHECKOUT / "etc")
        )
        for number in range(plan.rounds):
            peer.append(peer_run(room / f"peer-{number}", folder, namespace, jail_local()))
            stock.append(once(ours, folder))
            own.append(once(shipped, folder))
            if not plan.quick:
                past.append(once(ours, folder, past=True))
            printed.append(plan.time(print_all(folder)))
            bare.append(plan.time(bare_loop(folder)))
    yield _unlike(stock[0].found, peer[0].found)
    theirs, mine = ([plan.time(run) for run in runs] for runs in (peer, own))
    name = f"{size(folder):,} entries"
    goal = Goal(judge=Judge.GAIN, must=at_least(12), aim=at_least(20))
    yield Row(
        what=f"{name}, fail2ban's filters", ours=[plan.time(run) for run in stock], peer=theirs,
        **goal,
    )  # fmt: skip
    yield Row(what=f"{name}, our filters", ours=mine, peer=theirs, **goal)
    yield Row(
        what=f"{name}, our filters; floor: journalctl -o cat", ours=mine, floor=printed,
        judge=Judge.COST, must=at_most(1),
    )  # fmt: skip
    yield Row(
        what=f"{name}, our filters; floor: next + MESSAGE", ours=mine, floor=bare,
        judge=Judge.COST,
    )  # fmt: skip
    if past:
        yield Row(
            what=f"{name} of the past, at a first start", ours=[run.wall for run in past],
            peer=theirs, judge=Judge.GAIN,
        )  # fmt: skip
        yield Row(
            what=f"{name}, fail2ban's filters, without the start",
            ours=[run.reading for run in stock], peer=[run.reading for run in peer],
            judge=Judge.GAIN,
        )  # fmt: skip


def sixty(plan: Plan) -> Iterable[Row]:
    """Sixty jails whose units all log, against three jails on a journal of the same size."""
    more = others(57)
    folders = journal(plan.many_entries), journal(plan.many_entries, units(more))
    few, many = [], []
    with Namespace() as namespace, TemporaryDirectory() as room, ExitStack() as stack:
        three = stack.enter_context(Ours(Path(room, "three"), namespace, jail_local()))
        all_ = stack.enter_context(Ours(Path(room, "sixty"), namespace, jail_local(more)))
        for _ in range(plan.rounds):
            few.append(once(three, folders[0]))
            many.append(once(all_, folders[1]))
    yield Row(
        what=f"{plan.many_entries:,} entries, 60 jails; floor: 3 jails",
        ours=[run.cpu if plan.quick else run.reading for run in many],
        floor=[run.cpu if plan.quick else run.reading for run in few],
        judge=Judge.COST, must=at_most(2), aim=at_most(1.5),
    )  # fmt: skip


def print_all(folder: Path) -> Cost:
    command = ["journalctl", f"--directory={folder}", "--output=cat", "--quiet", "--no-pager"]
    return cost(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def _unlike(ours: Found, peer: Found) -> Row:
    """Whoever finds less has less to do."""
    only = {"f2b": ours - peer, "fail2ban": peer - ours}
    said = [f"{next(iter(found))} by {who}" for who, found in only.items() if found]
    return Row(
        what=f"of {peer.total():,} failures, found by one alone", unit="",
        ours=[only["f2b"].total() + only["fail2ban"].total()], must=NONE,
        note=", ".join(said),
    )  # fmt: skip
