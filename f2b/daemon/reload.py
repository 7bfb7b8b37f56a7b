"""A reload that can never drop a ban: all that can fail is done before anything changes."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from f2b.addresses import Offender
from f2b.config.diff import diff, fingerprint, other_firewalls
from f2b.config.load import Config, load
from f2b.config.problems import ConfigErrors
from f2b.daemon.recorder import Recorder
from f2b.decide.assemble import assemble
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.model import Decision
from f2b.store import Store

Stored = list[tuple[Offender, float]]


class Prepared(NamedTuple):
    """A new configuration that has shown that it can run."""

    config: Config
    jails: Sequence[Jail]
    stored: Mapping[str, Stored]
    summary: str
    warnings: list[str]

    def swap(self, engine: Engine, now: float) -> list[Decision]:
        """Put the new jails in the place of the old ones, with what those know."""
        for jail in self.jails:
            old = engine.jails.get(jail.name)
            if old is not None:
                same = fingerprint(old.settings) == fingerprint(jail.settings)
                jail.adopt(old, self.stored.get(jail.name, []), now, same_filter=same)
        return engine.swap(self.jails, now)


async def prepare(
    config: Config, engine: Engine, recorder: Recorder, store: Store, wall: str, now: float
) -> Prepared:
    """`wall` is the backend that stands. Raises ConfigErrors with every error of the new configuration."""
    # Compiling a hundred jails takes a second: the loop goes on meanwhile.
    new = await asyncio.to_thread(load, config.directory)
    assembly = await asyncio.to_thread(assemble, new)
    if assembly.errors:
        raise ConfigErrors(assembly.errors)
    stored = {}
    for jail in assembly.jails:
        old = engine.jails.get(jail.name)
        if old is None:
            await recorder.between(partial(remember, jail, store, now))
        elif jail.tally.reach > old.tally.reach:
            stored[jail.name] = await recorder.between(partial(_failures, jail, store, now))
    plan = diff(config, new)
    warnings = [str(problem) for problem in assembly.problems]
    warnings += [f"{name} takes effect at the next start" for name in plan.restart]
    warnings += [
        f"banaction {name} takes effect at the next start"
        for name in sorted(other_firewalls(config, new, wall))
    ]
    summary = ", ".join(
        f"{len(names)} jails {what}"
        for what, names in (
            ("added", plan.added),
            ("removed", plan.removed),
            ("changed", plan.changed),
        )
        if names
    )
    lasting = {name: getattr(config.daemon, name) for name in plan.restart}
    new = new._replace(daemon=new.daemon._replace(**lasting))
    return Prepared(new, assembly.jails, stored, summary or "nothing has changed", warnings)


def remember(jail: Jail, store: Store, now: float) -> None:
    """Give a jail back what the store knows of it; also what the reader will bring a second time.

    That is what was stored beyond the position, which stays behind where an entry waits for an answer.
    """
    failures = _failures(jail, store, now)
    jail.restore(failures, store.bans(jail.name), store.newest(jail.name), now)
    if jail.match is not None and (position := store.position()) is not None:
        jail.seen = set(store.seen(jail.name, jail.tally.reach, now, position))


def _failures(jail: Jail, store: Store, now: float) -> Stored:
    return list(store.failures(jail.name, jail.tally.reach, now))
