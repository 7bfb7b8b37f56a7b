"""Which failregexes of which jails could match an entry, told from its message alone.

Most entries of a journal are nobody's business. The sieve tells so before their other fields are fetched and before
any regex runs. It errs on one side only: what it names may not match, what it does not name cannot. An entry that
no failregex of a jail matches leaves nothing behind in that jail, unless it remembers every line (maxlines).

Of a field that an entry has twice, all that is looked at is the first: nobody but a forger writes such.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

from f2b.detect import dates, line
from f2b.detect.net import NONE, Ids, Kind, Net, Watched
from f2b.detect.routes import UNIT, Places, Routes, Want
from f2b.detect.symbols import encoded
from f2b.journal.sift import PLAIN, SMALL, Field, Sift
from f2b.model import Marks

NOBODY: Marks = {}
MOST_REMEMBERED = 2048
"""Whoever attacks chooses which factors meet in a line: what was put together for them is not kept for ever."""

_NEWLINE = ord(b"\n")
_Key = tuple[Ids, Ids, tuple[Want, ...]]


class Sieve(Sift):
    """For the entry at hand: who could want it?"""

    def __init__(
        self, names: Sequence[str], fields: Sequence[str], longest: int, net: Net, routes: Routes
    ) -> None:
        """Of the jails of these names, which look at these fields and at no message that is longer as it is."""
        self.fields = tuple(fields)
        self.names = {"SYSLOG_IDENTIFIER": PLAIN, "_COMM": PLAIN}
        if net.small:
            self.names["_HOSTNAME"] = SMALL
        self.index = {*self.names, *routes.fields}
        self._small = net.small
        self.engine = net.engine
        self.made_of = names, fields, longest, net, routes
        self._everyone: Marks = dict.fromkeys(names)
        self._longest = longest
        self._search = net.finder.search
        self._heard = heard = list[int]()
        self._hear = lambda number, *_: heard.append(number)
        self._signs = frozenset(net.signs)
        self._built, self._alone = net.owners[Kind.BUILT], net.owners[Kind.MESSAGE]
        self._route = routes.route if routes.any or any(self._alone) else None
        """None where nobody wants an entry in whose text nothing is found."""
        # Nearly all entries end here: to go through the routes as well makes noise a third dearer (1.15 µs, not 0.85).
        # Without signs of a date in the net, one in which nothing is found may still have a date that is cut out.
        self._units = routes.told_by_unit if net.signs or not any(self._alone) else ()
        self._known: dict[_Key, Marks] = {}

    @classmethod
    def over(cls, jails: Sequence[Watched], net: Net) -> Self:
        terms = {name for jail in jails for group in jail.match.groups for name, _ in group.terms}
        longest = min((jail.maxlength for jail in jails), default=line.CAP)
        names = [jail.name for jail in jails]
        routes = Routes.of(jails, net.unfactored)
        return cls(names, sorted(terms | set(line.FIELDS)), longest, net, routes)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), self.made_of

    def within(self, values: Mapping[str, Collection[bytes]]) -> "Sieve":
        names, fields, longest, net, routes = self.made_of
        return Sieve(names, fields, longest, net, routes.among(values))

    def candidates(self, message: bytes, field: Field) -> Marks:
        """Empty when nobody can want the entry. Another name may hold what regexes look for in the message."""
        plainly = _named_plainly(field) and (not self._small or _has_small_host(field))
        return self.named_plainly(message, field) if plainly else self._everyone

    def named_plainly(self, message: bytes, field: Field) -> Marks:
        """The same of an entry whose program is known to have a name without blanks."""
        if len(message) > self._longest:  # what is cut out of it joins two ends
            return self._everyone
        text = message
        if not message.isascii() or _NEWLINE in message:
            text = encoded(line.built("", {"MESSAGE": message}, self._longest)[:-1])
        self._search(text, self._hear)
        if not self._heard:
            if self._route is None:
                return NOBODY
            try:
                if self._units and field(UNIT) not in self._units:
                    return NOBODY
            except KeyError:
                pass  # a part of the kernel, or of systemd
        return self._wanted(message, text, field)

    def _wanted(self, message: bytes, text: bytes, field: Field) -> Marks:
        """Who wants the entry, by what was heard of its text and by its fields."""
        found = alone = self._gathered() if self._heard else NONE
        wants: tuple[Want, ...] = ()
        if self._route is not None:
            wants, dated = self._route(field)
            if dated and (found or not self._signs) and self._may_have_date(text, found):
                alone = self._scan_dateless(message, text, found)
            if not found and not alone and not wants:
                return NOBODY
        key = found, alone, wants
        marks = self._known.get(key)
        if marks is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            marks = self._known[key] = self._marks(key)
        return marks

    def _may_have_date(self, text: bytes, found: Ids) -> bool:
        if self._signs:
            return not self._signs.isdisjoint(found)
        # One that is not ASCII may have a date in other scripts' digits.
        return not text.isascii() or dates.possible(text)

    def _scan_dateless(self, message: bytes, text: bytes, found: Ids) -> Ids:
        """What is found where the message is the line, and loses its date."""
        dateless = encoded(line.message("", {"MESSAGE": message}, self._longest)[:-1])
        if dateless == text:
            return found
        self._search(dateless, self._hear)
        return self._gathered()

    def _gathered(self) -> Ids:
        found = tuple(sorted(self._heard))
        self._heard.clear()
        return found

    def _marks(self, key: _Key) -> Marks:
        built, alone, wants = key
        places: dict[str, set[int]] = {}
        for owners, numbers in ((self._built, built), (self._alone, alone)):
            for number in numbers:
                for jail, place in owners[number]:
                    places.setdefault(jail, set()).add(place)
        for want in wants:
            places.setdefault(want.jail, set()).update(want.places or ())
        marks: dict[str, Places | None] = {
            name: tuple(sorted(own)) for name, own in places.items()
        }
        marks |= {want.jail: None for want in wants if want.places is None}
        # In the order of the jails, in which they would be asked without us.
        return {name: marks[name] for name in self._everyone if name in marks}


def _named_plainly(field: Field) -> bool:
    for name in ("SYSLOG_IDENTIFIER", "_COMM"):
        try:
            if ident := field(name):
                return PLAIN.fullmatch(ident) is not None
        except KeyError:
            continue
    return False


def _has_small_host(field: Field) -> bool:
    try:
        return SMALL.fullmatch(field("_HOSTNAME")) is not None
    except KeyError:
        return True
