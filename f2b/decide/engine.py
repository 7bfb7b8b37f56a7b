"""All jails together: an entry in, decisions out. Plain functions of the state, the entry and the time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from f2b.addresses import Offender
from f2b.config.settings import Feed
from f2b.decide.ignore import IgnoreList
from f2b.decide.jail import Jail
from f2b.detect.budget import Guard
from f2b.detect.filter import Filter, Places
from f2b.detect.line import Lines
from f2b.detect.search import Question, Take
from f2b.errors import ControlError
from f2b.model import Banned, Decision, Entry, Failure, Forgiven, Reason, Source, Suspect

OWN_UNIT = b"f2b.service"
"""Our own log lines name offenders: no jail reads them."""

FUTURE = 1.0
"""Seconds that an entry may be ahead of the clock before its time is clipped."""

Find = Callable[[Entry, Places], Failure | Suspect | None]


class Slow(NamedTuple):
    """An entry of which a filter could not tell in time what it is. `warm`: it was decided on before."""

    jail: str
    filter: Filter
    entry: Entry
    question: Question
    warm: bool = False


Asked = tuple[Jail, Failure | Suspect]


class Engine:
    """Owns the jails. Every method is synchronous; what it returns is stored, enforced and logged by others."""

    def __init__(
        self, jails: Iterable[Jail], own: Iterable[Offender] = (), newest: float = 0.0
    ) -> None:
        """`newest` is the time of the newest failure known: a clock that is behind it is wrong."""
        self.jails = {jail.name: jail for jail in jails}
        self._newest = newest
        self.own = IgnoreList(own)
        self.entries = 0
        self.clipped = 0
        self.guard = Guard()
        self._lines = Lines()
        self.slow: list[Slow] = []
        """What took too long to be answered here; whoever can answer it takes it from this list."""
        self.overlooked = ""
        """What the sieve overlooked that never should."""
        self.asked: list[Asked] = []
        """What was found and counts only when somebody has been asked; who asks takes it away."""

    def feed(self, entry: Entry, now: float) -> list[Decision]:
        """Let every jail whose journalmatch fits look at an entry."""
        self.entries += 1
        decisions: list[Decision] = []
        for jail, found in self._finds(entry):
            decisions += self.weigh(jail, found, now)
            if entry.marks is not None and not entry.marks:
                self.overlooked = f"a failure of jail {jail.name}, journal entry {entry.cursor}"
        return decisions

    def pass_over(self, entries: int) -> None:
        """Hear of entries that nobody wants."""
        self.entries += entries
        self.guard.pass_over(entries)

    def weigh(self, jail: Jail, found: Failure | Suspect, now: float) -> list[Decision]:
        """Count a failure, unless somebody must be asked first: then it is in `asked`."""
        if isinstance(found, Failure):
            if not jail.settings.ignorecommand:
                return self.count(jail, found, now)
            if self.lets_off(jail, found):
                return []
        self.asked.append((jail, found))
        return []

    def warm(self, entry: Entry) -> None:
        """Rebuild the filters' session memory from an entry that was decided on before."""
        for _ in self._finds(entry, warm=True):
            pass

    def wants(self, slow: Slow) -> bool:
        """Say whether the answer still matters. A filter that is gone by now has its past read anew."""
        jail = self.jails.get(slow.jail)
        return jail is not None and jail.filter is slow.filter

    def late(self, slow: Slow, take: Take | None) -> tuple[Jail, Failure | Suspect] | None:
        """Go on with an entry whose regexes took long."""
        if not self.wants(slow):
            return None
        jail = self.jails[slow.jail]
        self.guard.begin()
        late = partial(jail.filter.late, slow.question, take)
        found = self._look(jail, slow.entry, late, None)
        self._put_off(jail, slow.entry, warm=slow.warm)
        return None if found is None or slow.warm else (jail, found)

    def oldest_session(self) -> float | None:
        """When the oldest that the filters of all jails remember began: a session, or lines for maxlines."""
        times = (jail.filter.oldest() for jail in self.jails.values())
        return min((time for time in times if time is not None), default=None)

    def count(self, jail: Jail, failure: Failure, now: float) -> list[Decision]:
        """Decide on a failure, and on what the ban it may cause means for jails that count bans (recidive).

        One that had to wait comes here late, with its entry's own time and cursor. One that an earlier run has stored
        decides nothing.
        """
        if self.lets_off(jail, failure):
            return []
        if failure.time > max(now, self._newest) + FUTURE:
            failure = failure._replace(time=now)
            self.clipped += 1
        self._newest = max(self._newest, failure.time)
        decisions = jail.count(failure, now, self._elsewhere(jail, failure.address))
        for decision in tuple(decisions):
            if isinstance(decision, Banned) and jail.settings.filter.feed is not Feed.BANS:
                decisions += self._recidive(decision, failure, now)
        return decisions

    def lets_off(self, jail: Jail, failure: Failure) -> bool:
        """Say whether there is nothing to decide: it was decided on before, or the address is ignored."""
        if jail.seen and jail.repeats(failure):
            return True
        own = jail.settings.ignoreself and self.own.covers(failure.address)
        ignored = own or jail.ignored.covers(failure.address)
        jail.passed += ignored
        return ignored

    def tick(self, now: float) -> list[Decision]:
        """The bans whose time is over. A clock that is behind the newest failure is wrong, and lifts nothing."""
        if now < self._newest - FUTURE:
            return []
        return [decision for jail in self.jails.values() for decision in jail.expire(now)]

    def allow(self, name: str, offender: Offender) -> None:
        """Raises ControlError when a ban by hand would shut out the host itself or an ignored address."""
        jail = self.jail(name)
        for network, what in (
            (self.own, "an address of this machine"),
            (jail.ignored, f"in ignoreip of jail {name}"),
        ):
            if network.covers(offender):
                raise ControlError(f"{offender} is {what}", hint="--force bans it anyway")

    def ban(
        self, name: str, offender: Offender, now: float, bantime: float | None
    ) -> list[Decision]:
        """Ban by hand, exactly what was typed."""
        return self.jail(name).ban_by_hand(offender, now, bantime)

    def unban(self, offender: Offender, now: float, name: str | None = None) -> list[Decision]:
        """Lift the bans of an address, and of everything inside a network, in one jail or in all."""
        decisions: list[Decision] = []
        for jail in [self.jail(name)] if name else self.jails.values():
            targets = {offender, jail.offender(offender)} if offender.is_host else {offender}
            if not offender.is_host:
                targets.update(b.offender for b in jail.ledger if offender.covers(b.offender))
                targets.update(o for o, _ in jail.tally if offender.covers(o))
            for target in sorted(targets):
                decisions += jail.lift(target, now, Reason.UNBAN)
                if jail.tally.forget(target):
                    decisions.append(Forgiven(jail.name, target))
        return decisions

    def unban_all(self, now: float, name: str | None = None) -> list[Decision]:
        """Lift every ban, in one jail or in all."""
        decisions: list[Decision] = []
        for jail in [self.jail(name)] if name else self.jails.values():
            for ban in sorted(jail.ledger, key=lambda ban: ban.offender):
                decisions += jail.lift(ban.offender, now, Reason.UNBAN)
        return decisions

    def covering(self, offender: Offender) -> list[tuple[str, Offender]]:
        """The bans in force, by jail, that keep this offender out."""
        wider = [offender.masked(prefix) for prefix in range(offender.prefix + 1)]
        return [
            (jail.name, ban.offender)
            for jail in self.jails.values()
            if jail.ledger
            for network in wider
            if (ban := jail.ledger.get(network))
        ]

    def jail(self, name: str) -> Jail:
        """Raises ControlError for a name that is no running jail's."""
        try:
            return self.jails[name]
        except KeyError:
            running = ", ".join(self.jails) or "none"
            raise ControlError(f"no jail named {name!r} (running: {running})") from None

    def swap(self, jails: Sequence[Jail], now: float) -> list[Decision]:
        """Replace the jails after a reload. Bans end only where the jail is gone or ignores the offender now."""
        decisions: list[Decision] = []
        kept = {jail.name for jail in jails}
        for name, jail in self.jails.items():
            if name not in kept:
                for ban in tuple(jail.ledger):
                    decisions += jail.lift(ban.offender, now, Reason.JAIL_GONE)
        old, self.jails = self.jails, {jail.name: jail for jail in jails}
        for jail in jails:
            before = old[jail.name].ignored if jail.name in old else IgnoreList()
            decisions += _let_go(jail, before, now)
        return decisions

    def exempt(self, jail: Jail, also: Iterable[Offender], now: float) -> list[Decision]:
        """Ignore these beside the addresses of ignoreip; a ban of one that was not ignored before ends."""
        before = jail.ignored
        jail.exempt(also)
        return _let_go(jail, before, now)

    def _finds(
        self, entry: Entry, *, warm: bool = False
    ) -> Iterator[tuple[Jail, Failure | Suspect]]:
        """What the jails whose entry it is find, each with those of its regexes that may match it."""
        self.guard.begin()
        fields = entry.fields
        if fields.get("_SYSTEMD_UNIT") == OWN_UNIT:
            return
        for name, places in (entry.marks or dict.fromkeys(self.jails)).items():
            jail = self.jails.get(name)
            if jail is not None and jail.match and jail.match.fits(fields):
                found = self._look(jail, entry, jail.filter.find, places)
                if jail.filter.questions:
                    self._put_off(jail, entry, warm=warm)
                if found is not None:
                    yield jail, found

    def _elsewhere(self, jail: Jail, address: Offender) -> int:
        """The offences in other jails, if they count. A ban for being banned (recidive) is no offence of its own."""
        increment = jail.settings.increment
        if increment is None or not increment.overalljails:
            return 0
        return sum(
            other.ledger.offences(other.offender(address))
            for other in self.jails.values()
            if other is not jail and other.settings.filter.feed is not Feed.BANS
        )

    def _recidive(self, banned: Banned, failure: Failure, now: float) -> list[Decision]:
        ban = banned.ban
        if ban.source is Source.HAND:
            return []
        again = Failure(ban.offender, ban.start, f"{failure.cursor};jail={ban.jail}")
        return [
            decision
            for jail in self.jails.values()
            if jail.settings.filter.feed is Feed.BANS
            for decision in self.count(jail, again, now)
        ]

    def _look(
        self, jail: Jail, entry: Entry, find: Find, places: Places
    ) -> Failure | Suspect | None:
        jail.filter.guard, jail.filter.lines = self.guard, self._lines
        try:
            return find(entry, places)
        except Exception as error:  # noqa: BLE001 - else the entry would stop all jails, at every start again
            jail.bug = f"{error!r} at journal entry {entry.cursor}"
            return None

    def _put_off(self, jail: Jail, entry: Entry, *, warm: bool) -> None:
        """Leave what the filter could not answer in time to whoever can."""
        questions = jail.filter.questions
        self.slow += [Slow(jail.name, jail.filter, entry, each, warm) for each in questions]
        questions.clear()


def _let_go(jail: Jail, before: IgnoreList, now: float) -> list[Decision]:
    """End the bans of those who are ignored now and were not before."""
    return [
        decision
        for ban in tuple(jail.ledger)
        if jail.ignored.covers(ban.offender) and not before.covers(ban.offender)
        for decision in jail.lift(ban.offender, now, Reason.IGNORED)
    ]
