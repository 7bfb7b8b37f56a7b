"""Forgetting what is too old to matter, in slices between commits."""

import asyncio
from functools import partial

from f2b.daemon.recorder import Recorder
from f2b.decide.engine import Engine
from f2b.store import FailureKey, Store

SLICE = 5000


async def purge(
    engine: Engine, recorder: Recorder, store: Store, *, age: float, now: float
) -> None:
    """Bans that ended more than `age` seconds ago, with their offences; failures that no window reaches any more."""
    await recorder.between(partial(store.purge_bans, now - age))
    for jail in tuple(engine.jails.values()):
        while jail.ledger.purge(now - age, SLICE):
            await asyncio.sleep(0)
        before = now - max(age, jail.tally.reach)
        after: FailureKey | None = ("", "")
        while after is not None:
            after = await recorder.between(partial(store.purge_failures, jail.name, after, before))
