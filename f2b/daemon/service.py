"""The daemon's life: the order of start and stop, the clock, the loop from the journal to the wall.

Owns the clock. Everything it waits for is here; everything it decides is in f2b.decide.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from f2b import __version__
from f2b.actions.base import Backend
from f2b.config.load import Config
from f2b.config.settings import OnStop
from f2b.daemon import garbage, reload, wall
from f2b.daemon.actions import Actions
from f2b.daemon.catchup import CatchUps
from f2b.daemon.control import Control
from f2b.daemon.enforcer import Enforcer
from f2b.daemon.events import Events, Level
from f2b.daemon.exempt import Exempt
from f2b.daemon.health import Health
from f2b.daemon.live import Live, Look
from f2b.daemon.notify import Notifier
from f2b.daemon.own import Own
from f2b.daemon.pace import Pace
from f2b.daemon.purge import purge_or_warn
from f2b.daemon.questions import Questions
from f2b.daemon.recorder import Recorder
from f2b.daemon.requests import Desk
from f2b.daemon.sieves import Sieves
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.detect.closing import Closing
from f2b.detect.session import LIFETIME
from f2b.detect.sieve import Sieve
from f2b.errors import Exit, F2bError
from f2b.model import Decision, Found, Position
from f2b.protocol import DaemonStatus
from f2b.store import Batch, Store

FOLLOW_UP = 5.0
"""Seconds until a position without decisions is written."""
STEP = 2.0
"""Seconds by which wall clock and monotonic clock may drift apart before all timeouts are written anew."""
GATHER, GATHER_OLD = 0.2, 0.5
"""Seconds for which decisions wait for company in a transaction while there is more to read; and if it is OLD."""
OLD = 5.0
PURGE = 3600.0
STOP = 5.0
SAID = 500
"""Log lines that are written at a time: an unban of all may be 100,000."""


class Parts(NamedTuple):
    """What is made before the loop runs."""

    config: Config
    events: Events
    store: Store
    engine: Engine
    backend: Backend
    notifier: Notifier
    why: str = ""  # this backend and no better one
    sweep: Callable[[], None] = lambda: None  # removes what another backend left


class Service:
    """One daemon. `run` returns after a clean stop and raises when it cannot go on."""

    def __init__(self, parts: Parts) -> None:
        self._config = parts.config
        self._engine = parts.engine
        self._events = parts.events
        self._notifier = parts.notifier
        self._store = parts.store
        self._own = Own(self._engine)
        self._recorder = Recorder(parts.store, parts.events.error)
        self._enforcer = Enforcer(
            parts.backend,
            lambda: wall.picture(self._engine, self._own.addresses, time.time()),
            lambda key: wall.in_force(self._engine, key),
            time.time,
            parts.events.error,
            parts.config.daemon.heal,
        )
        self._position = Position(None, 0.0)
        self._holds = Holds()
        self._questions = Questions(
            self._engine, self._holds, self._events, self._carry_out, time.time
        )
        self._pace = Pace(
            self._engine,
            self._holds,
            self._events,
            self._carry_out,
            self._questions.ask,
            time.time,
        )
        self._exempt = Exempt(
            self._engine, self._carry_out, self._enforcer.rebuild, self._events.warning, time.time
        )
        self._catch_ups = CatchUps(
            self._recorder, self._store, self._questions.settle, time.time, self._pace
        )
        self._actions = Actions(
            self._engine, self._recorder, parts.store, parts.events, self._config.daemon.journal,
            time.time,
        )  # fmt: skip
        settings = parts.config.daemon
        self._live = Live(settings.journal, self._engine.jails.values(), self._events.error)
        self._sieves = Sieves(settings.dbfile, self._sift, self._events.warning, self._live.hosts)
        self._health = Health(
            self._engine, self._recorder, self._enforcer, self._catch_ups, self._questions,
            self._events, self._pace, self._actions, self._sieves,
        )  # fmt: skip
        self._enforcer.why = parts.why
        self._sweep = parts.sweep
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._gathered: list[Decision] = []
        self._followed = self._fed = float("-inf")
        self._purged = time.monotonic()
        self._offset = time.time() - time.monotonic()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_by_signal()))
        stored = self._store.position()
        self._position = stored or Position(None, time.time())
        self._spawn(self._recorder.run())
        self._pace.start()
        self._spawn(self._pace.lane.run())
        control = self._control()
        await control.start()  # first, since a socket in use means that nothing must be touched
        built = False
        try:
            await self._actions.start()
            await self._exempt.start()
            await self._enforcer.start()
            built = True
            for loss in self._enforcer.losses:
                self._events.warning(f"{self._enforcer.name}: {loss}")
            await asyncio.to_thread(self._sweep)
            self._enforcer.watch(loop)
            self._spawn(self._enforcer.run())
            self._spawn(self._exempt.run())
            if stored is None:
                await self._recorder.record(Batch(position=self._position))
            with self._own.watch(self._spawn, self._enforcer.set_own):
                await self._own.refresh(self._enforcer.set_own)
                self._live.attach(self._position, _warmup(self._position))
                self._sieves.renew(self._engine.jails.values())
                await self._catch_up()
                self._health.tell_lacking()
                self._notifier.ready()
                self._events.notice(
                    f"f2b {__version__} is ready: {', '.join(self._engine.jails) or 'no jail'}"
                )
                self._actions.tell_of_restored()
                await self._follow()
        finally:
            self._notifier.stopping()
            await control.close()
            await self._stop(lift=built and self._config.daemon.onstop is OnStop.LIFT)

    def _end(self) -> None:
        self._stopping.set()
        self._live.wake()

    async def _stop(self, *, lift: bool) -> None:
        self._sieves.stop()
        await self._catch_ups.stop()
        await self._questions.stop()
        if self._position.cursor or self._gathered:
            self._spawn(self._carry_out((), self._safe()))
            await asyncio.sleep(0)
        await self._actions.stop(STOP, lift=lift)
        written = await self._recorder.finish(STOP)
        await self._enforcer.settled(STOP)
        if lift:
            await self._enforcer.lift(STOP)
        if not written:
            self._give_up()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._live.detach()
        self._enforcer.unwatch(asyncio.get_running_loop())
        self._enforcer.close()
        self._store.close()
        self._events.notice("f2b has stopped")
        self._events.finish()

    def _give_up(self) -> None:
        """End at once: a thread may hang in a commit for ever, and cannot be ended. A kill loses nothing."""
        error = sys.exception() or self._failure
        if error is not None:
            self._events.error(f"ended by {error!r}")
        self._events.error(
            "stopped before all was written; the rest is read from the journal again"
        )
        os._exit(Exit.OK if error is None else Exit.NO)

    def _control(self) -> Control:
        settings = self._config.daemon
        desk = Desk(
            self._engine,
            self._enforcer,
            carry_out=self._carry_out,
            reload=self._reload,
            status=self._status,
            progress=self._catch_ups.progress,
            slow=self._pace.slow,
            actions=self._actions,
            clock=time.time,
        )
        return Control(
            settings.socket,
            desk.handle,
            read_groups=settings.read_groups,
            change_groups=settings.change_groups,
            complain=self._events.error,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the loop. What fails there unhandled ends the daemon: half a daemon protects nobody."""

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failure = error
                self._end()

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(done)

    # --- from the journal to the wall -----------------------------------------------------------

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            busy = await self._decide(self._live.read())
            if not busy:
                await self._live.wait(self._config.daemon.latency)
        if self._failure is not None:
            raise self._failure

    def _sift(self, sieve: Sieve | None) -> None:
        filters = {name: jail.filter for name, jail in self._engine.jails.items()}
        self._live.pass_over(Closing.of(sieve, filters) if sieve else None)
        self._catch_ups.pass_over(sieve)

    async def _decide(self, look: Look) -> bool:
        """Slice by slice; say whether there was anything to decide."""
        entries, passed, end, more = look
        busy = bool(entries or passed)
        self._engine.pass_over(passed)
        reader = self._live.reader
        while True:
            now, before = time.time(), self._position
            decisions, last, number = self._pace.feed(entries, before, now)
            entries = entries[number:]
            if last is not None:
                self._position = Position(last.cursor, last.time, self._engine.oldest_session())
            if not entries and end.cursor != self._position.cursor:
                self._position = end._replace(sessions=self._engine.oldest_session())
            decisions += self._questions.take(before, now)
            decisions += self._engine.tick(now)
            if any(isinstance(decision, Found) for decision in decisions):
                self._live.found()
            busy = busy or bool(decisions)
            self._gathered += decisions
            if self._is_time(now, more=more):
                self._followed = time.monotonic()
                await self._carry_out((), self._safe())
            elif number or passed:
                await asyncio.sleep(0)
            self._keep_house()
            # After a reload another reader may bring the rest again.
            if not entries or self._stopping.is_set() or self._live.reader is not reader:
                return busy

    def _is_time(self, now: float, *, more: bool) -> bool:
        """Say whether to commit now: decisions at once, or soon if more may come at once; a position alone later."""
        waited = time.monotonic() - self._followed
        if self._gathered:
            old = now - self._position.time > OLD
            return not more or waited > (GATHER_OLD if old else GATHER)
        behind = self._position.cursor is not None and self._safe() != self._recorder.committed
        return behind and waited > FOLLOW_UP

    def _safe(self) -> Position:
        """How far everything is decided: a restart reads on from there."""
        return self._holds.oldest() or self._position

    async def _carry_out(
        self, decisions: Sequence[Decision], position: Position | None = None
    ) -> None:
        """Remember, then enforce, then say so: what was gathered, and these."""
        decisions = (*self._gathered, *decisions)
        self._gathered.clear()
        rows = self._actions.plan(decisions)
        try:
            done = self._actions.superseded()
            await self._recorder.record(Batch(decisions, position, outbox=rows, done=done))
        finally:
            # Also when cancelled: it is decided.
            self._enforcer.submit(wall.touching(self._engine, decisions))
            self._actions.submit(rows)
        for number, decision in enumerate(decisions, 1):
            self._events.decided(decision)
            if number % SAID == 0:
                await asyncio.sleep(0)

    async def _catch_up(self) -> None:
        jails = tuple(self._engine.jails.values())
        source = self._config.daemon.journal
        await self._catch_ups.start(jails, source, self._position, self._engine, self._carry_out)

    # --- reload ---------------------------------------------------------------------------------

    async def _reload_by_signal(self) -> None:
        try:
            for warning in await self._reload():
                self._events.warning(warning)
        except F2bError as error:
            self._events.error(f"not reloaded, nothing has changed: {error}")

    async def _reload(self) -> list[str]:
        """Raises ConfigErrors, and nothing has changed; else what the admin should know."""
        async with self._reloading:
            self._notifier.reloading()
            try:
                return await self._reload_now()
            finally:
                self._notifier.ready()

    async def _reload_now(self) -> list[str]:
        prepared = await reload.prepare(
            self._config, self._engine, self._recorder, self._store, self._enforcer.name, time.time()
        )  # fmt: skip
        await self._catch_ups.stop()  # they count for the jails of before
        # From here to the next await nothing can fail and nobody else runs: the old jails become the new ones.
        decisions = prepared.swap(self._engine, time.time()) + self._exempt.renew()
        self._config = prepared.config
        garbage.search_again()
        self._events.threshold = Level[prepared.config.daemon.loglevel]
        self._enforcer.rebuild()
        await self._carry_out(decisions)
        self._actions.renew()
        source = self._config.daemon.journal
        self._live.follow(source, self._engine.jails.values(), self._position)
        self._sieves.renew(self._engine.jails.values())
        await self._catch_up()
        self._health.tell_lacking()
        self._events.notice(f"reloaded: {prepared.summary}")
        return prepared.warnings

    # --- house keeping --------------------------------------------------------------------------

    def _keep_house(self) -> None:
        now, monotonic = time.time(), time.monotonic()
        drift = now - monotonic - self._offset
        if abs(drift) > STEP:
            self._offset += drift
            self._events.warning(
                f"the clock moved by {drift:+.0f} s: all timeouts are written anew"
            )
            self._enforcer.rebuild()
        if monotonic - self._fed > min(1.0, (self._notifier.watchdog or 2.0) / 2):
            self._fed = monotonic
            self._notifier.alive()
            self._notifier.status(self._health.line(self._live.reader))
            self._pace.keep_house()
            self._health.tell()
        if monotonic - self._purged > PURGE:
            self._purged = monotonic
            age = self._config.daemon.dbpurgeage
            warn = self._events.warning
            self._spawn(
                purge_or_warn(self._engine, self._recorder, self._store, warn, age=age, now=now)
            )

    def _status(self) -> DaemonStatus:
        return self._health.status(self._live.reader, self._config.daemon, self._position)


def _warmup(position: Position) -> float:
    """Seconds to go back: to where the oldest session began that is open there, and what may be out of order."""
    oldest = position.time if position.sessions is None else position.sessions
    return max(0.0, position.time - oldest) + LIFETIME
