"""The actions of all jails that are no firewall of ours: what each has to do, and what becomes of it.

Owns their queues. What is decided is planned as rows of the outbox, which are committed with the decisions; only then
they are queued. A slow action delays nobody but itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import monotonic

from f2b.actions import facts
from f2b.actions.command import Runner, family
from f2b.actions.plugin import PluginRunner
from f2b.addresses import Offender
from f2b.config.settings import ActionSettings
from f2b.config.wall import NO_WALL
from f2b.daemon.events import Events
from f2b.daemon.ignorecommand import tags
from f2b.daemon.matches import Matches
from f2b.daemon.queue import AnyRunner, Job, Queue, Surroundings, Turns
from f2b.daemon.recorder import Recorder
from f2b.daemon.resolver import Resolver, look_up_address, look_up_own
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.model import Ban, Banned, Decision, Failure, Found, Lifted, Prolonged, Reason
from f2b.outbox import Row, Step
from f2b.protocol import ActionRow
from f2b.store import Batch, Store

CEILING = 20_000
"""Rows that wait for one action; beyond it new bans are not told to it."""
PATIENCE = 1.0
"""Seconds that a start waits for our own name."""
LOST = 86_400.0
"""Seconds that a row waits for an action that is no longer configured, as after a slip in its file."""

Key = tuple[str, str]
Groups = tuple[tuple[str, str], ...]


class Actions:
    """`dropped` counts bans that an action was not told of, because too many waited already."""

    def __init__(
        self,
        engine: Engine,
        recorder: Recorder,
        store: Store,
        events: Events,
        source: str,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._store = store
        self._events = events
        self._clock = clock
        self._matches = Matches(engine, recorder, store, source)
        self._around = Surroundings(
            Turns(), self._describe, self._in_force, self._holds, self._done, events.error, clock
        )
        self._host: Mapping[str, str] = {}
        self._our_name = Resolver(monotonic, look_up_own)
        self._names = Resolver(monotonic, look_up_address)
        self._learning: asyncio.Task[tuple[str, ...] | None] | None = None
        self._queues: dict[Key, Queue] = {}
        self._left: dict[Key, set[Offender]] = {}  # whom they hear of anyway after a start
        self._tasks: dict[Queue, asyncio.Task[None]] = {}
        self._superseded: list[str] = []
        self._untold: OrderedDict[tuple[str, Offender], float] = OrderedDict()
        """The starts of bans that no action holds: over when they were decided, or by now."""
        self.dropped = 0

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Go on with what an earlier run left."""
        stored = self._store.waiting()
        if stored or any(True for _ in self._configured()):
            await self._learn_our_name()
        for settings in self._configured():
            self._open(settings)
        lost = []
        for row in stored:
            key = row.ban.jail, row.action
            if (queue := self._queues.get(key)) is not None:
                queue.add([Job(row)])
                if row.step is Step.BAN:
                    self._left.setdefault(key, set()).add(row.ban.offender)
            elif row.at < self._clock() - LOST:
                lost.append(row.id)
        if lost:
            self._events.warning(
                f"{len(lost)} things to do are dropped, since their actions are gone"
            )
            await self._recorder.record(Batch(done=tuple(lost)))

    def tell_of_restored(self) -> None:
        """Tell the actions that want to know of all bans in force. There is time for that when the wall stands."""
        left, self._left = self._left, {}
        for key, queue in self._queues.items():
            self._restore(queue, left.get(key, set()))

    async def _learn_our_name(self) -> None:
        """A name server that does not answer must not hold up the start: until it does, the short name counts."""
        self._host = facts.of_the_host()
        self._learning = asyncio.create_task(self._our_name.fresh(""))

        def learnt(task: asyncio.Task[tuple[str, ...] | None]) -> None:
            if not task.cancelled() and (found := task.result()):
                self._host = facts.of_the_host(found[0])

        self._learning.add_done_callback(learnt)
        await asyncio.wait([self._learning], timeout=PATIENCE)

    def renew(self) -> None:
        """Follow a reload: start what is new, end what is gone, and start what has changed anew."""
        wanted = {(each.jail, each.name): each for each in self._configured()}
        for key, queue in tuple(self._queues.items()):
            settings = wanted.get(key)
            if settings is None:
                del self._queues[key]
                queue.retire(drain=True, flush=True)
            elif settings != queue.runner.settings:
                self._change(key, queue, settings)
        for key, settings in wanted.items():
            if key in self._queues:
                continue
            # One that was taken away and comes back must not be ended by its own past.
            before = [queue for queue in self._tasks if queue.key == key]
            if before:
                self._succeed(before[-1], settings)
            else:
                self._restore(self._open(settings), set())

    async def stop(self, timeout: float, *, lift: bool) -> None:
        """Let every action finish what is under way and stop. What waits stays in the outbox."""
        for queue in self._queues.values():
            flushes = any(queue.runner.text(name, "flush") for name in ("inet4", "inet6"))
            queue.retire(drain=False, flush=lift)
            if lift and not flushes:
                rows = self._in_force(queue.runner.settings, Step.UNBAN)
                queue.add(Job(row, stored=False) for row in rows)
        for queue in self._tasks:
            queue.hurry()
        tasks = tuple(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if late:
            self._events.error(f"{len(late)} actions did not stop in {timeout:g} s: killed")

    # --- from decisions to rows -----------------------------------------------------------------

    def plan(self, decisions: Sequence[Decision]) -> tuple[Row, ...]:
        """What the actions are to do about these decisions; to be committed with them, and then submitted."""
        if not self._queues:
            return ()
        acting = {jail for jail, _ in self._queues}
        found: dict[tuple[str, Offender], Groups] = {}
        rows: list[Row] = []
        for decision in decisions:
            match decision:
                case Found(jail, offender, failure) if jail in acting:
                    found[jail, offender] = _groups(jail, failure)
                case Banned(ban, enforce=True):
                    self._untold.pop((ban.jail, ban.offender), None)
                    rows += self._rows(Step.BAN, decision, found.get((ban.jail, ban.offender), ()))
                case Banned(ban):
                    self._note_untold(ban)
                case Prolonged(ban):
                    rows += self._rows(self._prolonging(ban), decision)
                case Lifted(ban, reason):
                    if self._untold.get((ban.jail, ban.offender)) != ban.start:
                        rows += self._rows(Step.UNBAN, decision)
                    if reason is Reason.EXPIRED:
                        self._note_untold(ban)
                case _:
                    pass
        return tuple(_latest(rows))

    def _prolonging(self, ban: Ban) -> Step | None:
        """What a new end means to an action. A late failure may be the first that makes the ban worth telling."""
        key = ban.jail, ban.offender
        if self._untold.get(key) != ban.start:
            return Step.PROLONG
        if not ban.lasts(self._clock()):
            return None
        del self._untold[key]
        return Step.BAN

    def _note_untold(self, ban: Ban) -> None:
        self._untold[ban.jail, ban.offender] = ban.start
        if len(self._untold) > CEILING:
            self._untold.popitem(last=False)

    def submit(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if (queue := self._queues.get((row.ban.jail, row.action))) is None:
                continue
            if row.step is Step.PROLONG and (before := queue.prolong(row)):
                self._superseded.append(before)
            else:
                queue.add([Job(row)])

    def superseded(self) -> tuple[str, ...]:
        """The ids of rows in whose place later ones came; to be removed with the next transaction."""
        taken, self._superseded = self._superseded, []
        return tuple(taken)

    def _rows(
        self, step: Step | None, decision: Banned | Prolonged | Lifted, groups: Groups = ()
    ) -> Iterator[Row]:
        if step is None:
            return
        ban = decision.ban
        gone = isinstance(decision, Lifted) and decision.reason is Reason.JAIL_GONE
        for queue in self._of(ban.jail):
            runner = queue.runner
            if not runner.text(family(ban.offender), step):
                continue
            if gone and runner.text(family(ban.offender), "flush"):
                continue  # one command for all of them, when the action ends
            if step is Step.BAN and len(queue) >= CEILING:
                self.dropped += 1
                continue
            yield Row(self._clock(), runner.settings.name, step, ban, groups)

    # --- how it is ------------------------------------------------------------------------------

    def rows(self, jail: str) -> list[ActionRow]:
        return [
            ActionRow(
                name=queue.runner.settings.name,
                waiting=queue.waiting,
                given_up=queue.given_up,
                failing=queue.failing,
            )
            for queue in self._of(jail)
        ]

    def degraded(self) -> list[str]:
        return [
            f"action {queue.name}: {queue.failing}"
            for queue in self._queues.values()
            if queue.failing
        ]

    def counters(self) -> dict[str, int]:
        return {
            "actions_waiting": sum(queue.waiting for queue in self._queues.values()),
            "actions_given_up": sum(queue.given_up for queue in self._queues.values()),
            "actions_dropped": self.dropped,
        }

    def unenforced(self) -> dict[tuple[str, Offender], str]:
        """The bans of jails whose only wall is a command that has not been carried out."""
        return {
            (jail.name, offender): queue.failing or f"waits for {queue.name}"
            for queue in self._queues.values()
            if (jail := self._engine.jails.get(queue.runner.settings.jail))
            and jail.settings.wall.backend == NO_WALL
            for offender in queue.untold()
        }

    async def settled(self, timeout: float) -> None:
        """Wait until every ban of such a jail is carried out, or longer than that."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self.unenforced() and loop.time() < deadline:
            await asyncio.sleep(0.02)

    # --- the queues -----------------------------------------------------------------------------

    def _configured(self) -> Iterator[ActionSettings]:
        return (each for jail in self._engine.jails.values() for each in jail.settings.actions)

    def _of(self, jail: str) -> Iterator[Queue]:
        return (queue for (name, _), queue in self._queues.items() if name == jail)

    def _open(self, settings: ActionSettings, after: Queue | None = None) -> Queue:
        common = partial(self._common, settings.jail)
        plugin = PluginRunner(settings, common) if settings.plugin else None
        queue = Queue(plugin or Runner(settings, common, set()), self._around)
        self._queues[settings.jail, settings.name] = queue
        task = asyncio.create_task(queue.run(None if after is None else self._tasks.get(after)))
        self._tasks[queue] = task

        def done(task: asyncio.Task[None]) -> None:
            del self._tasks[queue]
            if not task.cancelled() and (error := task.exception()) is not None:
                self._events.error(f"bug in action {queue.name}: {error!r}")

        task.add_done_callback(done)
        return queue

    def _change(self, key: Key, queue: Queue, settings: ActionSettings) -> None:
        if settings.inet4.reload or settings.inet6.reload:
            queue.runner.settings = settings
            queue.reload()
            return
        del self._queues[key]
        self._succeed(queue, settings)

    def _succeed(self, queue: Queue, settings: ActionSettings) -> None:
        """Let a new queue go on where that one is."""
        jobs = queue.jobs()
        queue.retire(drain=False, flush=True)
        queue.heir = new = self._open(settings, after=queue)
        new.add(jobs)
        self._restore(new, {job.offender for job in jobs if job.row.step is Step.BAN})

    def _restore(self, queue: Queue, but: set[Offender]) -> None:
        """Tell it of the bans in force that it does not hear of anyway."""
        settings = queue.runner.settings
        jail = self._engine.jails.get(settings.jail)
        if settings.norestored or jail is None:
            return
        now = self._clock()
        queue.restore(ban for ban in jail.ledger if ban.lasts(now) and ban.offender not in but)

    def _in_force(self, settings: ActionSettings, step: Step = Step.BAN) -> Iterator[Row]:
        now = self._clock()
        jail = self._engine.jails.get(settings.jail)
        for ban in jail.ledger if jail else ():
            if ban.lasts(now):
                yield Row(now, settings.name, step, ban)

    def _holds(self, row: Row) -> bool:
        jail = self._engine.jails.get(row.ban.jail)
        return jail is not None and jail.ledger.get(row.ban.offender) is not None

    async def _done(self, row: Row) -> None:
        await self._recorder.record(Batch(done=(row.id, *self.superseded())))

    async def _describe(self, job: Job, runner: AnyRunner) -> Mapping[str, str]:
        found = facts.of_the_ban(job.row, restored=job.restored)
        if runner.uses("ip-host"):
            found["ip-host"] = "".join(await self._names.resolve(facts.address(found)))
        return found | await self._matches.asked_for(job.row, runner)

    def _common(self, name: str) -> dict[str, str]:
        jail = self._engine.jails.get(name)
        return {**self._host, "time": f"{self._clock():.6f}", "name": name, **_figures(name, jail)}


def _latest(rows: Sequence[Row]) -> list[Row]:
    """Without those that move the end of a ban that is moved once more."""
    kept: list[Row] = []
    moved = set()
    for row in reversed(rows):
        key = row.action, row.ban.jail, row.ban.offender
        if row.step is not Step.PROLONG:
            moved.discard(key)
        elif key in moved:
            continue
        else:
            moved.add(key)
        kept.append(row)
    return kept[::-1]


def _groups(jail: str, failure: Failure) -> Groups:
    """What the regex captured; fail2ban's regexes call the address ip4 or ip6."""
    said = tags(jail, failure)
    captured = tuple((name[2:], text) for name, text in said.items() if name[:2] == "f-")
    return (*captured, (f"ip{failure.address.family.value}", said["ip"]))


def _figures(name: str, jail: Jail | None) -> dict[str, str]:
    if jail is None:
        return {"jail.name": name}
    return {
        "jail.name": name,
        "jail.banned": str(len(jail.ledger)),
        "jail.banned_total": str(jail.banned),
        "jail.found": str(jail.found),
        "jail.found_total": str(jail.found),
    }
