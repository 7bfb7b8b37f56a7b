"""What an entry costs as there are more jails, more bans and more tracked offenders."""

import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from f2b.store import Store
from tests.bench.bulk import decisions
from tests.bench.daemons import Ours, once
from tests.bench.journals import journal
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, Series, at_most
from tests.bench.stock import jail_local, others, units
from tests.support.netns import Namespace

JAILS = (3, 10, 30, 60, 100)
BANS = (0, 25_000, 50_000, 75_000, 100_000)
TRACKED = (0, 125_000, 250_000, 375_000, 500_000)
ROOM = "\nmaxoffenders = 600000\n"


def growth(plan: Plan) -> Iterable[Row]:
    """Microseconds an entry, without the start; each point in every round, so that noise falls on all alike."""
    with Namespace() as namespace, TemporaryDirectory() as text, ExitStack() as stack:
        room = Path(text)

        def daemon(name: str, jails: str) -> Ours:
            return stack.enter_context(Ours(room / name, namespace, jails))

        by_jails, by_bans, by_tracked = {}, {}, {}
        same = journal(plan.growth_entries)
        for count in JAILS:
            more = others(count - 3)
            by_jails[count] = (
                daemon(f"jails-{count}", jail_local(more)), journal(plan.growth_entries, units(more))
            )  # fmt: skip
        for count in BANS:
            by_bans[count] = daemon(f"bans-{count}", jail_local()), same
            _remember(by_bans[count][0], bans=count)
        for count in TRACKED:
            jails = jail_local().replace("maxretry = 5", f"maxretry = 5{ROOM}")
            by_tracked[count] = daemon(f"tracked-{count}", jails), same
            _remember(by_tracked[count][0], tracked=count)
        for what, points, must in (
            ("jails", by_jails, 1.5),
            ("bans", by_bans, 1.2),
            ("tracked offenders", by_tracked, 1.2),
        ):
            yield _row(what, points, plan, must)


def _row(what: str, points: dict[int, tuple[Ours, Path]], plan: Plan, must: float) -> Row:
    found: dict[int, list[float]] = {count: [] for count in points}
    for _ in range(plan.rounds):
        for count, (ours, folder) in points.items():
            found[count].append(once(ours, folder).reading / plan.growth_entries * 1e6)
    least, most = min(found), max(found)
    series = Series(what, tuple((count, median(times)) for count, times in found.items()))
    return Row(
        what=f"time per entry, {most:,} {what}; floor: {least}", unit="µs", ours=found[most],
        floor=found[least], judge=Judge.COST, must=at_most(must), series=series,
    )  # fmt: skip


def _remember(ours: Ours, bans: int = 0, tracked: int = 0) -> None:
    """Let every run of it begin with these."""
    ours.learn()
    with closing(Store(ours.memory)) as store:
        store.commit(decisions(bans, tracked, time.time()))
