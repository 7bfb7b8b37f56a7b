"""What the daemon answers: its state as plain rows. Reads everything, changes nothing."""

import os
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice

from f2b import __version__
from f2b.addresses import Offender
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.model import Ban
from f2b.protocol import ActionRow, BanRow, DaemonStatus, JailRow, JailStatus, SlowLaneRow

SLICE = 5000

Unenforced = Mapping[tuple[str, Offender], str]


def jail_row(jail: Jail, now: float, progress: float | None, unenforced: Unenforced) -> JailRow:
    return JailRow(
        name=jail.name,
        failing=jail.tally.count(now),
        found=jail.found,
        ignored=jail.passed,
        banned=len(jail.ledger),
        banned_total=jail.banned,
        unenforced=sum(
            jail.ledger.get(who) is not None for name, who in unenforced if name == jail.name
        ),
        catching_up=progress,
        broken=jail.broken,
    )


def jail_status(
    jail: Jail,
    row: JailRow,
    bans: Iterable[BanRow],
    slow: SlowLaneRow,
    actions: list[ActionRow],
) -> JailStatus:
    settings = jail.settings
    return JailStatus(
        **row,
        filter=settings.filter.name,
        reading=settings.filter.reading.value if jail.match else None,
        journalmatch=[located.text for located in settings.filter.journalmatch],
        maxretry=settings.maxretry,
        findtime=settings.findtime,
        bantime=settings.bantime,
        slow_lane=slow,
        increment=settings.increment is not None,
        actions=actions,
        bans=bans,
    )


def ban_rows(
    bans: Iterable[Ban], unenforced: Unenforced, counters: Mapping[Offender, tuple[int, int]]
) -> Iterator[BanRow]:
    """Sorted by offender; in slices, because a sort lets no other thread run until it is through."""
    slices = iter(bans)
    runs = iter(lambda: sorted(islice(slices, SLICE), key=_offender), [])
    for ban in merge(*runs, key=_offender):
        row = BanRow(
            offender=str(ban.offender),
            start=ban.start,
            until=ban.until,
            offence=ban.offence,
            failures=ban.failures,
            source=ban.source,
            enforced=True,
        )
        if why := unenforced.get((ban.jail, ban.offender)):
            row["enforced"] = False
            row["why"] = why
        if counted := counters.get(ban.offender):
            row["packets"], row["bytes"] = counted
        yield row


def _offender(ban: Ban) -> Offender:
    return ban.offender


def daemon_status(  # noqa: PLR0913
    engine: Engine,
    *,
    now: float,
    since: float,
    journal: str,
    position: float | None,
    sieve: str,
    backend: str,
    reduced: list[str],
    degraded: list[str],
    counters: dict[str, int],
    progress: Mapping[str, float],
    unenforced: Unenforced,
) -> DaemonStatus:
    return DaemonStatus(
        version=__version__,
        pid=os.getpid(),
        since=since,
        journal=journal,
        entries=engine.entries,
        position=position,
        sieve=sieve,
        backend=backend,
        reduced=reduced,
        degraded=degraded,
        counters=counters,
        jails=[
            jail_row(jail, now, progress.get(jail.name), unenforced)
            for jail in engine.jails.values()
        ],
    )
