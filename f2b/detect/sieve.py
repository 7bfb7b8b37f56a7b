"""Which failregexes of which jails could match an entry, told from its message alone.

Most entries of a journal are nobody's business. The sieve tells so before their other fields are fetched and before
any regex runs. It errs on one side only: what it names may not match, what it does not name cannot. An entry that
no failregex of a jail matches leaves nothing behind in that jail, unless it remembers every line (maxlines).

Of a field that an entry has twice, all that is looked at is the first: nobody but a forger writes such.
"""

from collections.abc import Sequence
from types import MappingProxyType

from f2b.detect import dates, line
from f2b.detect.net import Ids, Kind, Net, Watched
from f2b.detect.routes import Places, Routes, Want
from f2b.detect.symbols import encoded
from f2b.journal.sift import PLAIN, Field
from f2b.model import Marks

NOBODY: Marks = MappingProxyType({})
MOST_REMEMBERED = 2048
"""Whoever attacks chooses which factors meet in a line: what was put together for them is not kept for ever."""

_Key = tuple[Ids, Ids, tuple[Want, ...]]


class Sieve:
    """For the entry at hand: who could want it?"""

    def __init__(self, jails: Sequence[Watched], net: Net) -> None:
        self.engine = net.engine
        terms = {name for jail in jails for group in jail.match.groups for name, _ in group.terms}
        self.fields = tuple(sorted(terms | set(line.FIELDS)))
        self._everyone: Marks = MappingProxyType({jail.name: None for jail in jails})
        self._longest = min((jail.maxlength for jail in jails), default=line.CAP)
        self._scan = net.finder.scan
        self._signs = frozenset(net.signs)
        self._built, self._alone = net.owners[Kind.BUILT], net.owners[Kind.MESSAGE]
        routes = Routes(jails, net.unfactored)
        self._route = routes.route if routes.any or any(self._alone) else None
        """None where nobody wants an entry in whose text nothing is found."""
        self._known: dict[_Key, Marks] = {}

    def begin(self) -> None:
        """Nothing to be told: every entry is one for itself."""

    def candidates(self, message: bytes, field: Field) -> Marks:
        """Empty when nobody can want the entry. A name with blanks may hold what regexes look for in the message."""
        return self.named_plainly(message, field) if _named_plainly(field) else self._everyone

    def named_plainly(self, message: bytes, field: Field) -> Marks:
        """The same of an entry whose program is known to have a name without blanks."""
        if len(message) > self._longest:  # what is cut out of it joins two ends
            return self._everyone
        text = message
        if not message.isascii() or message.find(b"\n") >= 0:
            text = encoded(line.built("", {"MESSAGE": message}, self._longest)[:-1])
        found = alone = self._scan(text)
        wants: tuple[Want, ...] = ()
        if self._route:
            wants, dated = self._route(field)
            if dated and self._may_have_date(text, found):
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
        return found if dateless == text else self._scan(dateless)

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
        return MappingProxyType({name: marks[name] for name in self._everyone if name in marks})


def _named_plainly(field: Field) -> bool:
    for name in ("SYSLOG_IDENTIFIER", "_COMM"):
        try:
            if ident := field(name):
                return PLAIN.fullmatch(ident) is not None
        except KeyError:
            continue
    return False
