"""How the daemon is: in one line for the service manager, and in full for f2b status."""

import time

from f2b.actions import given
from f2b.config import needs
from f2b.config.settings import DaemonSettings
from f2b.daemon import report
from f2b.daemon.actions import Actions
from f2b.daemon.catchup import CatchUps
from f2b.daemon.enforcer import Enforcer
from f2b.daemon.events import Events
from f2b.daemon.pace import Pace
from f2b.daemon.questions import Questions
from f2b.daemon.recorder import Recorder
from f2b.daemon.sieves import Sieves
from f2b.daemon.wall import watched
from f2b.decide.engine import Engine
from f2b.journal.reader import JournalReader
from f2b.model import Position
from f2b.protocol import DaemonStatus, LackingRow


class Health:
    """Reads everything; changes nothing but what is still to be told."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        engine: Engine,
        recorder: Recorder,
        enforcer: Enforcer,
        catch_ups: CatchUps,
        questions: Questions,
        events: Events,
        pace: Pace,
        actions: Actions,
        sieves: Sieves,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._enforcer = enforcer
        self._catch_ups = catch_ups
        self._questions = questions
        self._events = events
        self._pace = pace
        self._actions = actions
        self._sieves = sieves
        self._told: set[str] = set()
        self._since = time.time()

    def degraded(self, reader: JournalReader) -> list[str]:
        """What does not work at the moment."""
        found = [f"store: {self._recorder.degraded}"] if self._recorder.degraded else []
        if reader.trouble:
            found.append(f"journal: {reader.trouble}")
        if self._enforcer.failing:
            found.append(f"{self._enforcer.name}: {self._enforcer.failing}")
        if self._enforcer.refused:
            jail, offender = key = min(self._enforcer.refused)
            why = self._enforcer.unenforced.get(key, "")
            number = len(self._enforcer.refused)
            found.append(
                f"{self._enforcer.name}: {number} not enforced, as {offender} of jail {jail}: {why}"
            )
        if self._enforcer.embattled:
            found.append(f"{self._enforcer.name}: {self._enforcer.embattled}")
        broken = (jail for jail in self._engine.jails.values() if jail.broken)
        found += [f"jail {jail.name}: {jail.broken}" for jail in broken]
        return [*found, *self._actions.degraded()] + [
            f"jail {name}: the regex at {row['regex']} takes too long, quarantined"
            for name, row in self._pace.quarantined()
        ]

    def lacking(self) -> list[needs.Lacking]:
        """The drop-ins of our unit that the jails lack; asked of this process itself."""
        wanted = needs.needs(jail.settings for jail in self._engine.jails.values())
        if not wanted:
            return []
        return needs.lacking(wanted, given.of_this_process(), given.folder())

    def line(self, reader: JournalReader) -> str:
        jails = self._engine.jails.values()
        banned = sum(len(jail.ledger) for jail in jails)
        text = f"{len(jails)} jails, {banned} banned, {self._engine.entries} entries read"
        return "; ".join([text, *(f"degraded: {why}" for why in self.degraded(reader))])

    def status(
        self, reader: JournalReader, settings: DaemonSettings, position: Position
    ) -> DaemonStatus:
        jails = self._engine.jails.values()
        counters = {
            "clipped": self._engine.clipped,
            "skipped": reader.skipped,
            "failures_not_stored": self._recorder.dropped,
            "log_lines_dropped": self._events.dropped,
            "offenders_evicted": sum(jail.tally.evicted for jail in jails),
            "offences_forgotten": sum(jail.ledger.forgotten for jail in jails),
            "sessions_evicted": sum(jail.filter.sessions.evicted for jail in jails),
            "lines_not_judged": self._pace.lane.dropped.total() + self._pace.lane.unjudged.total(),
            "invalid_addresses": sum(jail.filter.invalid for jail in jails),
            **self._questions.counters(),
            **self._actions.counters(),
        }
        status = report.daemon_status(
            self._engine,
            now=time.time(),
            since=self._since,
            journal=settings.journal,
            position=position.time if position.cursor else None,
            sieve=self._sieves.engine,
            backend=self._enforcer.name,
            reduced=list(self._enforcer.losses),
            degraded=self.degraded(reader),
            counters=counters,
            progress=self._catch_ups.progress,
            unenforced={
                **watched(self._engine, self._enforcer.name),
                **self._actions.unenforced(),
                **self._enforcer.unenforced,
            },
        )
        if self._enforcer.why:
            status["backend_why"] = self._enforcer.why
        if lacks := self.lacking():
            status["lacking"] = [
                LackingRow(
                    text=each.text,
                    dropin=each.dropin,
                    needed_by=each.needed_by,
                    command=each.command,
                )
                for each in lacks
            ]
        return status

    def tell_lacking(self) -> None:
        """After the start and a reload; who runs f2b without its unit may have to give it in another way."""
        for each in self.lacking():
            self._events.warning(f"{each.text}: {each.command}")

    def tell(self) -> None:
        """Say once what went wrong beside the loop."""
        if (error := self._catch_ups.failure()) is not None:
            self._events.error(f"the past of a jail could not be read: {error}")
        if self._engine.overlooked:
            self._events.error(f"bug in the sieve, which overlooked {self._engine.overlooked}")
            self._engine.overlooked = ""
        for jail in self._engine.jails.values():
            if jail.bug is not None:
                self._events.error(f"bug in the filter of jail {jail.name}: {jail.bug}")
                jail.bug = None
            if jail.filter.nobody is not None and jail.name not in self._told:
                self._told.add(jail.name)
                self._events.warning(
                    f"[{jail.name}] {jail.filter.nobody!r} is no address, and nobody is banned for it"
                )
