"""A jail: its filter finds failures, its tally counts them, its ledger knows who is banned."""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter

from f2b.addresses import Family, Offender
from f2b.config.settings import Counting, Feed, JailSettings
from f2b.decide.bantime import bantime, retries
from f2b.decide.estimate import Estimate
from f2b.decide.ignore import IgnoreList
from f2b.decide.ledger import Ledger
from f2b.decide.tally import SLACK, Tally
from f2b.decide.trust import trusted_match
from f2b.detect.filter import Filter
from f2b.journal.match import Match
from f2b.model import Ban, Banned, Decision, Failure, Found, Lifted, Prolonged, Reason, Source

EXPIRED_AT_ONCE = 1000


class Jail:
    """Raises FilterError when its filter or journalmatch cannot be used."""

    def __init__(self, settings: JailSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.filter = Filter(settings.filter)
        self.match: Match | None = None
        if settings.filter.feed is Feed.JOURNAL:
            self.match = trusted_match(settings.filter)
        self.exempt(())
        self.tally = _tally(settings)
        self.ledger = Ledger(settings.name, settings.findtime + SLACK, settings.maxbans)
        self.seen: set[tuple[str, Offender]] = set()
        """Cursor and address of failures that an earlier run decided on and that may be read again."""
        self.broken: str | None = None
        """Why it finds nothing; such a jail only holds its bans."""
        self.bug: str | None = None
        """What last went wrong in its filter that never should."""
        self.found = 0
        self.passed = 0
        """Failures of ignored addresses."""
        self.banned = 0

    def exempt(self, also: Iterable[Offender]) -> None:
        """Ignore these, whom names and lists in files stand for at the moment, beside the addresses of ignoreip."""
        self.ignoring = tuple(dict.fromkeys((*self.settings.ignoreip, *also)))
        self.ignored = IgnoreList(self.ignoring)

    def adopt(
        self,
        old: "Jail",
        stored: Iterable[tuple[Offender, float]],
        now: float,
        *,
        same_filter: bool,
    ) -> None:
        """Take over what the jail of the same name knew before a reload; of a longer findtime, what is stored."""
        self.ledger = old.ledger
        self.ledger.resize(self.settings.findtime + SLACK, self.settings.maxbans)
        self.tally = _tally(self.settings)
        known = Counter((offender, time) for offender, times in old.tally for time in times)
        for offender, time in sorted((known | Counter(stored)).elements(), key=itemgetter(1)):
            if self.ledger.get(offender) is None:
                self._tally_again(offender, time, now)
        if same_filter:
            self.filter = old.filter
        self.seen = old.seen
        if self.settings.ignoreelsewhere:
            self.exempt(old.ignoring)  # until somebody has looked again
        self.found, self.passed, self.banned = old.found, old.passed, old.banned

    def restore(
        self,
        failures: Iterable[tuple[Offender, float]],
        bans: Iterable[Ban | Lifted],
        newest: float,
        now: float,
    ) -> None:
        """Take over what the store remembers: the failures that still count, and every offender's last ban.

        `newest` is the time of the newest failure, whether it counts or not.
        """
        self.tally.seen(newest, now)
        for offender, time in failures:
            self._tally_again(offender, time, now)
        self.ledger.load(bans)
        self.banned = len(self.ledger)

    def repeats(self, failure: Failure) -> bool:
        """Say whether an earlier run decided on this failure. An entry is read again once, so it is told once."""
        key = failure.cursor, failure.address
        known = key in self.seen
        self.seen.discard(key)
        return known

    def _tally_again(self, offender: Offender, time: float, now: float) -> None:
        self.tally.seen(time, now)
        self.tally.add(offender, time)

    def offender(self, address: Offender) -> Offender:
        """What is counted and banned for an address: the network of the jail's prefix length."""
        settings = self.settings
        prefix = settings.ipv4prefix if address.family is Family.INET else settings.ipv6prefix
        return address.masked(prefix)

    def count(self, failure: Failure, now: float, elsewhere: int = 0) -> list[Decision]:
        """Decide on one failure of an address that is not ignored; `elsewhere` are its offences in other jails."""
        self.found += 1
        self.tally.seen(failure.time, now)
        offender = self.offender(failure.address)
        here = self.ledger.offences(offender)
        if held := self.ledger.holds(offender, failure.time, failure.session):
            decisions: list[Decision] = [Found(self.name, offender, failure, counts=False)]
            seconds = bantime(self.settings, offender, held.start, held.offence + elsewhere - 1)
            until = None if seconds is None else failure.time + seconds
            revived = self.ledger.get(offender) is None
            prolonged = self.ledger.prolong(offender, until)
            if prolonged:
                decisions.append(Prolonged(prolonged))
                if revived:
                    decisions += self._make_room(prolonged, now)
            return decisions
        decisions = [Found(self.name, offender, failure)]
        window = self.tally.add(offender, failure.time, retries(self.settings, here))
        if window:
            start = window[-1]
            seconds = bantime(self.settings, offender, start, here + elsewhere)
            ban = Ban(
                self.name,
                offender,
                start,
                until=None if seconds is None else start + seconds,
                failures=len(window),
                session=failure.session,
            )
            decisions += self.ban(ban, now)
        return decisions

    def ban(self, ban: Ban, now: float) -> list[Decision]:
        """Enter a ban. It consumes the offender's failures; at the ceiling the ban that ends first makes room."""
        self.tally.forget(ban.offender)
        self.banned += 1
        before = self.lift(ban.offender, now, Reason.EXPIRED)  # its end may not be noted yet
        ban = self.ledger.ban(ban)
        return [*before, *self._make_room(ban, now), Banned(ban, enforce=ban.lasts(now))]

    def _make_room(self, ban: Ban, now: float) -> list[Decision]:
        """At the ceiling the ban that ends first goes; one that is over already takes nobody's place."""
        if len(self.ledger) <= self.settings.maxbans or not ban.lasts(now):
            return []
        soonest = self.ledger.soonest(keep=ban.offender)
        return self.lift(soonest.offender, now, Reason.CEILING) if soonest else []

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
        lifted = self.ledger.lift(offender, reason, now)
        return [lifted] if lifted else []

    def expire(self, now: float) -> list[Decision]:
        """End bans whose time is over; what is too much for one turn of the loop waits for the next."""
        return [*self.ledger.expire(now, EXPIRED_AT_ONCE)]


def _tally(settings: JailSettings) -> Tally:
    kind = Estimate if settings.counting is Counting.ESTIMATE else Tally
    return kind(settings.maxretry, settings.findtime, settings.maxoffenders)
