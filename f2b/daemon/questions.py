"""Failures that count only when somebody else has answered: the resolver, or an ignorecommand.

Owns the questions under way. Each is a task of its own, so nobody waits for anybody, and each holds the journal at the
entry that it is about. What is outstanding at a stop or a crash is read and asked again.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic

from f2b.addresses import Offender
from f2b.config.settings import UseDns
from f2b.daemon.events import Events
from f2b.daemon.ignorecommand import Commands
from f2b.daemon.resolver import Resolver, look_up
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.detect.filter import Filter
from f2b.model import Decision, Failure, Position, Suspect

CEILING = 500
"""Questions of one jail at a time."""
SLICE = 16
"""Questions of one catch-up at a time: it leaves room for what is live."""
TOLD = 1000
"""Host names that were warned of, and are not again."""
PAUSE = 1.0
"""Seconds between two such warnings: attackers have many names."""

CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]


class Questions:
    """`dropped` counts host names, and `unasked` failures counted without asking, that were too many at a time."""

    def __init__(
        self,
        engine: Engine,
        holds: Holds,
        events: Events,
        carry_out: CarryOut,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._holds = holds
        self._events = events
        self._carry_out = carry_out
        self._clock = clock
        self._resolver = Resolver(monotonic, look_up)
        self._commands = Commands(monotonic, events.error)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[tuple[str, str], Filter] = {}
        self._load: Counter[str] = Counter()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._quiet_until = 0.0
        self._stopped = False
        self.dropped = 0
        self.unasked = 0

    def counters(self) -> dict[str, int]:
        return {
            "questions_waiting": len(self._tasks),
            "names_dropped": self.dropped + self._resolver.dropped,
            "names_unanswered": self._resolver.unanswered,
            "ignorecommands_failed": self._commands.failed,
            "ignorecommands_not_asked": self.unasked,
        }

    def take(self, position: Position, now: float) -> list[Decision]:
        """Ask what the engine wants to know of entries behind that position; what is decided at once."""
        asked, self._engine.asked = self._engine.asked, []
        decisions: list[Decision] = []
        for jail, found in asked:
            release = partial(self._holds.release, self._holds.take(position))
            decisions += self.ask(jail, found, release, now)
        return decisions

    def ask(
        self, jail: Jail, found: Failure | Suspect, release: Callable[[], None], now: float
    ) -> list[Decision]:
        """Ask about a failure, and release its entry afterwards; what is decided at once."""
        if self._load[jail.name] < CEILING:
            self._start(jail, found, release)
            return []
        release()
        if isinstance(found, Suspect):
            self.dropped += 1
            return []
        self.unasked += 1
        return self._engine.count(jail, found, now)

    async def settle(self, jail: Jail, found: Sequence[Failure | Suspect]) -> list[Failure]:
        """Those that count in the end, for one who can wait: a catch-up. What is asked live already is left out."""
        fresh = [
            each
            for each in found
            if self._waiting.get((jail.name, each.cursor)) is not jail.filter
            and not (isinstance(each, Failure) and self._engine.lets_off(jail, each))
        ]
        settled: list[Failure] = []
        for at in range(0, len(fresh), SLICE):
            part = fresh[at : at + SLICE]
            answers = await asyncio.gather(*(self._answer(jail, each) for each in part))
            settled += [failure for failures in answers for failure in failures]
        return settled

    async def stop(self) -> None:
        """Let go of everything. The tickets stay, so that the position stays before what was not answered."""
        self._stopped = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, jail: Jail, found: Failure | Suspect, release: Callable[[], None]) -> None:
        if self._stopped:
            return
        self._load[jail.name] += 1
        self._waiting[jail.name, found.cursor] = jail.filter
        task = asyncio.get_running_loop().create_task(self._ask(jail, found))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._load[jail.name] -= 1
            self._waiting.pop((jail.name, found.cursor), None)
            if task.cancelled():
                return
            release()
            if (error := task.exception()) is not None:
                self._events.error(f"bug in a question of jail {jail.name}: {error!r}")

        task.add_done_callback(done)

    async def _ask(self, jail: Jail, found: Failure | Suspect) -> None:
        failures = await self._answer(jail, found)
        running = self._engine.jails.get(jail.name)
        # Of a jail that is gone nothing counts; one with another filter reads its past with that.
        if running is None or running.filter is not jail.filter:
            return
        now = self._clock()
        decisions = [d for failure in failures for d in self._engine.count(running, failure, now)]
        if decisions:
            await self._carry_out(decisions)

    async def _answer(self, jail: Jail, found: Failure | Suspect) -> list[Failure]:
        failures = [found] if isinstance(found, Failure) else await self._resolved(jail, found)
        if not jail.settings.ignorecommand:
            return failures
        verdicts = await asyncio.gather(
            *(self._commands.ignores(jail, failure) for failure in failures)
        )
        for failure, ignored in zip(failures, verdicts, strict=True):
            if ignored:
                jail.passed += 1
                self._events.info(f"[{jail.name}] Ignore {failure.address} by ignorecommand")
        return [
            failure for failure, ignored in zip(failures, verdicts, strict=True) if not ignored
        ]

    async def _resolved(self, jail: Jail, suspect: Suspect) -> list[Failure]:
        addresses = await self._resolver.resolve(suspect.name)
        if addresses and jail.settings.filter.usedns is UseDns.WARN:
            self._warn(jail, suspect.name, addresses)
        # Addresses in one network are one offender, who failed once. The same one each time: it may be asked again.
        networks = {jail.offender(each): each for each in sorted(addresses, reverse=True)}
        failures = [suspect.at(address) for address in networks.values()]
        # Whoever is ignored anyway is no question for the command.
        return [failure for failure in failures if not self._engine.lets_off(jail, failure)]

    def _warn(self, jail: Jail, name: str, addresses: Sequence[Offender]) -> None:
        now = monotonic()
        if name in self._told or now < self._quiet_until:
            return
        self._quiet_until = now + PAUSE
        self._remember(name)
        found = ", ".join(map(str, addresses))
        self._events.warning(
            f"[{jail.name}] {name!r} was looked up: {found}; who owns a name decides what it stands for"
        )

    def _remember(self, name: str) -> None:
        self._told[name] = None
        if len(self._told) > TOLD:
            self._told.popitem(last=False)
