"""``f2b run``: from a directory of configuration to a daemon, and from an error to an exit status."""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from f2b.actions.base import Backend
from f2b.actions.loader import AUTO, backend
from f2b.actions.takedown import sweep
from f2b.config.load import load
from f2b.config.problems import ConfigErrors, Severity
from f2b.config.wall import NO_WALL, WATCHES
from f2b.daemon import garbage
from f2b.daemon.events import Events, Level
from f2b.daemon.notify import Notifier
from f2b.daemon.reload import remember
from f2b.daemon.service import Parts, Service
from f2b.decide.assemble import assemble
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.errors import ConfigError, Exit, F2bError
from f2b.model import Ban
from f2b.store import Batch, Store

LEVELS = {Severity.ERROR: Level.ERROR, Severity.WARNING: Level.WARNING}
MACHINE_ID = Path("/etc/machine-id")


def run(directory: Path, *, takeover: bool) -> int:
    """Serve until a signal, which ends the process; the exit status of what ended it before."""
    notifier = Notifier()
    os.umask(0o077)  # the database holds user names
    try:
        with garbage.put_off():
            parts = _parts(directory, notifier, takeover=takeover)
        asyncio.run(Service(parts).run())
    except ConfigErrors as errors:
        for problem in errors.errors:
            sys.stderr.write(f"f2b: {problem}\n")
        notifier.failed(errors)
        return errors.exit
    except F2bError as error:
        sys.stderr.write(f"f2b: {error}\n")
        notifier.failed(error)
        return error.exit
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.OK)  # all is written; to free 100,000 bans one by one takes 0.1 s


def _parts(directory: Path, notifier: Notifier, *, takeover: bool) -> Parts:
    config = load(directory)
    settings = config.daemon
    events = Events(settings.logtarget, Level[settings.loglevel], time.time)
    assembly = assemble(config)
    for problem in assembly.problems:
        events.write(LEVELS[problem.severity], str(problem))
    store = Store(settings.dbfile)  # first, since one in use means that nothing must be touched
    if store.set_aside is not None:
        events.error(
            f"{settings.dbfile} was corrupt: moved to {store.set_aside}, starting with an empty one"
        )
    instance = _instance(settings.dbfile)
    # Trying what works here is waiting for the kernel, which needs no processor: it is done beside the reading.
    with ThreadPoolExecutor(1) as beside:
        choosing = beside.submit(
            backend,
            _backend_name(assembly.jails),
            settings,
            instance=instance,
            takeover=takeover,
            walls=[jail.settings.wall for jail in assembly.jails],
            now=time.time(),
        )
        newest = _restore(assembly.jails, store, events)
    choice = choosing.result()
    wall = choice.backend
    if choice.why:
        events.warning(f"the wall is {wall.name}, because of {choice.why}")
    else:
        events.notice(f"the wall is {wall.name}")
    if store.set_aside is not None:
        _adopt(wall, assembly.jails, store, time.time())
    engine = Engine(assembly.jails, newest=newest)
    clear = partial(sweep, wall, settings, instance)
    return Parts(config, events, store, engine, wall, notifier, choice.why, clear)


def _restore(jails: Sequence[Jail], store: Store, events: Events) -> float:
    """Let the jails remember what is stored; the time of the newest failure."""
    garbage.search_once()  # of reading files much is left, of reading the store nothing
    now = time.time()
    for jail in jails:
        remember(jail, store, now)
    newest = max((store.newest(jail.name) for jail in jails), default=0.0)
    if newest > now + 1:
        events.warning(
            "the clock is behind the newest failure known: until it is right, no ban is lifted"
        )
    if store.damaged:
        events.error(f"{store.path}: {store.damaged} rows make no sense and are left out")
    return newest


def _adopt(wall: Backend, jails: Sequence[Jail], store: Store, now: float) -> None:
    """Memory is lost, the kernel's is not: no ban ends because of a corrupt database."""
    known = {jail.name: jail for jail in jails}
    decisions = [
        decision
        for name, offender, left in wall.dump(list(known))
        for decision in known[name].ban(
            Ban(name, offender, now, None if left is None else now + left), now
        )
    ]
    store.commit(Batch(tuple(decisions)))


def _backend_name(jails: Iterable[Jail]) -> str:
    """What the jails ask for together; `auto` goes along with any other."""
    wanted = {jail.settings.wall.backend for jail in jails if not jail.broken} - {NO_WALL}
    # A jail that only watches takes nobody else's wall away.
    names = wanted - {AUTO, WATCHES} if wanted != {WATCHES} else wanted
    if len(names) > 1:
        raise ConfigError(
            f"the jails name different backends: {', '.join(sorted(names))}",
            hint="set one banaction in [DEFAULT]",
        )
    return names.pop() if names else AUTO


def _instance(dbfile: Path) -> str:
    """Who we are at the wall: the same after every restart, another for another database or machine."""
    machine = MACHINE_ID.read_bytes() if MACHINE_ID.exists() else b""
    return hashlib.sha256(machine + bytes(dbfile.resolve())).hexdigest()[:8]
