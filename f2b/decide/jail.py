"""A jail: its filter finds failures, its tally counts them, its ledger knows who is banned."""

from collections.abc import Iterable

from f2b.addresses import Family, Offender
from f2b.config.settings import Feed, JailSettings
from f2b.decide.ignore import IgnoreList
from f2b.decide.ledger import Ledger
from f2b.decide.tally import Tally
from f2b.detect.filter import Filter
from f2b.journal.match import Match, parse
from f2b.model import Ban, Banned, Decision, Failure, Found, Lifted, Prolonged, Reason, Source


class Jail:
    """Raises FilterError when its filter or journalmatch cannot be used."""

    def __init__(self, settings: JailSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.filter = Filter(settings.filter)
        self.match: Match | None = None
        if settings.filter.feed is Feed.JOURNAL:
            self.match = parse(settings.filter.journalmatch)
        self.ignored = IgnoreList(settings.ignoreip)
        self.tally = _tally(settings)
        self.ledger = Ledger(settings.name)
        self.broken: str | None = None
        """Why it finds nothing; such a jail only holds its bans."""
        self.found = 0
        self.passed = 0
        """Failures of ignored addresses."""
        self.banned = 0

    def adopt(self, old: "Jail", *, same_filter: bool) -> None:
        """Take over what the jail of the same name knew before a reload."""
        self.ledger = old.ledger
        for offender, times in old.tally:
            for time in times:
                self.tally.add(offender, time)
        if same_filter:
            self.filter = old.filter
        self.found, self.passed, self.banned = old.found, old.passed, old.banned

    def restore(
        self, failures: Iterable[tuple[Offender, float]], bans: Iterable[Banned | Lifted]
    ) -> None:
        """Take over what the store remembers: the failures that still count, and every offender's last ban."""
        for offender, time in failures:
            self.tally.add(offender, time)
        self.ledger.load(bans)

    def offender(self, address: Offender) -> Offender:
        """What is counted and banned for an address: the network of the jail's prefix length."""
        settings = self.settings
        prefix = settings.ipv4prefix if address.family is Family.INET else settings.ipv6prefix
        return address.masked(prefix)

    def count(self, failure: Failure, now: float) -> list[Decision]:
        """Decide on one failure of an address that is not ignored."""
        self.found += 1
        offender = self.offender(failure.address)
        bantime = self.settings.bantime
        if self.ledger.holds(offender, failure.time, failure.session):
            decisions: list[Decision] = [Found(self.name, offender, failure, counts=False)]
            until = None if bantime is None else failure.time + bantime
            prolonged = self.ledger.prolong(offender, until)
            if prolonged:
                decisions.append(Prolonged(prolonged))
            return decisions
        decisions = [Found(self.name, offender, failure, counts=True)]
        window = self.tally.add(offender, failure.time)
        if window:
            start = window[-1]
            ban = Ban(
                self.name,
                offender,
                start,
                until=None if bantime is None else start + bantime,
                failures=len(window),
                session=failure.session,
            )
            decisions += self.ban(ban, now)
        return decisions

    def ban(self, ban: Ban, now: float) -> list[Decision]:
        """Enter a ban. It consumes the offender's failures; at the ceiling the ban that ends first makes room."""
        decisions: list[Decision] = []
        if len(self.ledger) >= self.settings.maxbans and (soonest := self.ledger.soonest()):
            decisions += self.lift(soonest.offender, now, Reason.CEILING)
        self.tally.forget(ban.offender)
        self.banned += 1
        ban = self.ledger.ban(ban)
        decisions.append(Banned(ban, enforce=ban.lasts(now)))
        return decisions

    def ban_by_hand(self, offender: Offender, now: float, bantime: float | None) -> list[Decision]:
        """Ban exactly what was typed. Nothing to decide when it is banned for at least as long already."""
        until = None if bantime is None else now + bantime
        current = self.ledger.get(offender)
        if current is None:
            return self.ban(Ban(self.name, offender, now, until, source=Source.HAND), now)
        prolonged = self.ledger.prolong(offender, until)
        return [Prolonged(prolonged)] if prolonged else []

    def lift(self, offender: Offender, now: float, reason: Reason) -> list[Decision]:
        """End a ban early; nothing to decide if there is none."""
        ban = self.ledger.lift(offender, now)
        return [Lifted(ban, reason, now)] if ban else []

    def expire(self, now: float) -> list[Decision]:
        return [Lifted(ban, Reason.EXPIRED, now) for ban in self.ledger.expire(now)]


def _tally(settings: JailSettings) -> Tally:
    return Tally(settings.maxretry, settings.findtime, settings.maxoffenders)
