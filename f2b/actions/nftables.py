"""The nftables backend: keeps all bans in one table of the kernel, which also lets them expire.

The ledger is the truth and the kernel its copy. `start` makes the copy right whatever is there, `apply` keeps it so.
layout.py says what the table looks like, nft.py how that is said, and netlink.py says it.
"""

import contextlib
import errno
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from f2b import failpoint
from f2b.actions import layout, nft
from f2b.actions.abilities import Form, probe
from f2b.actions.base import Disturbance, JailWall, Operation, Put, Refused, Remove, stranger
from f2b.actions.layout import Place, Standing, Where
from f2b.actions.netlink import WORTH_RETRYING, KernelError, Message, Netfilter
from f2b.actions.nft import Element, Table
from f2b.actions.standing import MARK, elements, foreign, read_mark, read_standing, unbuilt
from f2b.actions.watch import Watch
from f2b.addresses import Offender
from f2b.errors import ActionError
from f2b.model import Ban

_OPERATIONS = 1000  # a transaction; more are slower, make others wait and burst an attribute
_COUNTED = 500  # elements with their counters in a message: an attribute holds 65,535 bytes
_TOLERANCE = 1.0

T = TypeVar("T")
Change = Ban | Remove
"""As Operation, without one object more for each ban."""


class Nftables:
    """Bans in the table `inet TABLE`, in the network namespace of the thread that makes it.

    Without `form` the kernel is asked what it can.
    """

    name = "nftables"

    def __init__(
        self,
        table: str,
        hook: str,
        instance: str,
        *,
        takeover: bool = False,
        form: Form | None = None,
    ) -> None:
        self._kernel = Netfilter()
        self._watch = Watch(table, self._kernel.port)
        self._name = table
        self._table = Table(table)
        self._hook = layout.HOOKS[hook]
        self._mark = MARK + instance
        self._takeover = takeover
        self._known = form
        self._own: Sequence[Offender] = ()
        self._walls: dict[str, JailWall] = {}
        self._places: set[Place] = set()

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        self._prepare(jails)
        wanted: defaultdict[Where, dict[bytes, Ban]] = defaultdict(dict)
        for name in self._walls:
            wanted |= {place: {} for place in layout.host_places(name)}
        strangers = []
        for ban in bans:
            if ban.jail not in self._walls:
                strangers.append(stranger(Put(ban)))
            elif ban.lasts(now):
                family, packed, prefix = ban.offender
                wanted[ban.jail, family, prefix][packed] = ban
        places = {Place(*where): those for where, those in wanted.items()}
        return strangers + self._establish(own, places, now)

    def _establish(
        self,
        own: Sequence[Offender],
        wanted: Mapping[Place, Mapping[bytes, Ban]],
        now: float,
        *,
        again: bool = False,
    ) -> list[Refused]:
        self._build(own, wanted, now)
        self._own = own
        self._places = set(wanted)
        missing, other = self._differences(wanted, now)
        if again or len(missing) + len(other) <= _OPERATIONS:
            return self._write_all(missing, other, now)
        with self._watch.away(self._kernel) as absence:
            refused = self._write_all(missing, other, now)
        # What others did to our table meanwhile nobody has told.
        return self._establish(own, wanted, now, again=True) if absence.others else refused

    @property
    def losses(self) -> Sequence[str]:
        return self._form.losses()

    @property
    def _form(self) -> Form:
        return self._known or Form()

    def set_own(self, own: Sequence[Offender]) -> None:
        if self._form.intervals:
            sets = layout.allowed_own(own)
            messages = [part for item in sets for part in layout.fill(self._table, item)]
        else:
            jails = list(self._walls.values())
            messages = [self._table.flush_chain(layout.BASE_CHAIN)]
            messages += layout.base_rules(self._table, own, jails, self._form)
        self._kernel.commit(messages)

    def dump(self, jails: Sequence[str]) -> Iterator[tuple[str, Offender, float | None]]:
        if read_mark(self._kernel, self._name) != self._mark:
            return
        standing = read_standing(self._kernel, self._name)
        for jail in jails:
            for place in layout.places(jail):
                if place.set_name in standing.sets:
                    for element in self._dump(place):
                        yield jail, self._offender(place, element.key), element.left

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        # A transaction shows as a whole: of several operations on one offender only the last does.
        last: dict[tuple[str, Offender], Change] = {}
        refused = []
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            if target.jail in self._walls:
                last[target.jail, target.offender] = target
            elif isinstance(operation, Put):
                refused.append(stranger(operation))
        for part in sliced(list(last.values())):
            refused += self._write(part, now)
        return refused

    def elements(self, jail: str) -> dict[Offender, Element]:
        """Everything the kernel keeps out for this jail, with what it counted."""
        return dict(self._kept_out(jail))

    def _kept_out(self, jail: str) -> Iterator[tuple[Offender, Element]]:
        for place in self._places:
            if place.jail == jail:
                for element in self._dump(place):
                    yield self._offender(place, element.key), element

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:
        if not self._form.counters:
            return {}
        return {offender: each.counted() for offender, each in self._kept_out(jail)}

    def fileno(self) -> int:
        return self._watch.fileno()

    def disturbed(self) -> Disturbance | None:
        news = self._watch.news()
        if news is None:
            return None
        places = {place.set_name: place for place in self._places}
        removed = [
            (places[name].jail, self._offender(places[name], key))
            for name, key in news.removed
            if name in places
        ]
        return Disturbance(news.who, tuple(removed))

    def lift(self) -> None:
        if read_mark(self._kernel, self._name) == self._mark:
            self._kernel.commit([self._table.delete()])

    def close(self) -> None:
        self._watch.close()
        self._kernel.close()

    def _prepare(self, jails: Sequence[JailWall]) -> None:
        layout.check(jails)
        if self._known is None:
            self._known = self._probe()
        self._walls = {wall.name: wall for wall in jails}

    def _probe(self) -> Form:
        return probe(self._kernel, self._hook)

    def _build(
        self, own: Sequence[Offender], wanted: Mapping[Place, Mapping[bytes, Ban]], now: float
    ) -> None:
        """Make the structure in one transaction, whatever stands there now."""
        mark = read_mark(self._kernel, self._name)
        standing = Standing() if mark is None else read_standing(self._kernel, self._name)
        messages: list[Message] = []
        if mark is None:
            messages = [self._table.create(self._mark)]
            gone: Collection[str] = ()
        elif mark == self._mark:
            kinds = {place.set_name: place.kind(self._form) for place in wanted}
            gone = layout.unlike(standing, kinds)
        elif self._takeover:
            messages = [self._table.delete(), self._table.create(self._mark)]
            gone = standing.sets.keys()
            standing = Standing()
        else:
            raise foreign(self._name, mark)
        jails = list(self._walls.values())
        messages += layout.structure(
            self._table, self._hook, jails, own, wanted, standing, self._form
        )
        # A set that is made anew under the same name must not be empty for a moment.
        for place, bans in wanted.items():
            if place.set_name in gone:
                for part in sliced(list(bans.values())):
                    elements = self._elements(place, part, now)
                    messages.append(self._table.add(place.set_name, elements))
        try:
            self._kernel.commit(messages)
        except KernelError as refusal:
            raise unbuilt(self._name, messages, refusal) from refusal
        self._takeover = False

    def _differences(
        self, wanted: Mapping[Place, Mapping[bytes, Ban]], now: float
    ) -> tuple[Sequence[Ban], Sequence[Change]]:
        """What to add, the latest bans first, whose offenders are likely still there; what to change or remove."""
        missing: list[Ban] = []
        other: list[Change] = []
        for place, bans in wanted.items():
            # Not a second table of a hundred thousand elements: what is right is struck out of `bans`.
            left: dict[bytes, Ban | None] = dict(bans)
            for element in self._dump(place):
                key = element.key
                if key not in left:
                    other.append(Remove(place.jail, self._offender(place, key)))
                elif ban := left[key]:
                    if self._differs(element.left, ban, now):
                        other.append(ban)
                    left[key] = None  # a dump may tell an element twice
            missing += [ban for ban in left.values() if ban]
        missing.sort(key=attrgetter("start"), reverse=True)
        return missing, other

    def _write_all(
        self, missing: Sequence[Ban], other: Sequence[Change], now: float
    ) -> list[Refused]:
        refused: list[Refused] = []
        for part in sliced(missing):
            try:
                self._commit(layout.additions(self._table, part, now, self._form))
            except KernelError:
                refused += self._write(part, now)
            failpoint.reach("during-restore")
        for changes in sliced(other):
            refused += self._write(changes, now)
            failpoint.reach("during-restore")
        return refused

    def _write(self, changes: Sequence[Change], now: float) -> list[Refused]:
        """Write them in one transaction, without those that the kernel refuses."""
        if not self._send([changes], now):
            return []
        # Of every message only the first bad element is named: so now each has its own message.
        # Halving would be slow, because the kernel takes 15 ms to undo a transaction.
        bad = self._send([[change] for change in changes], now)
        good = [change for at, change in enumerate(changes) if at not in bad]
        if bad and self._send([good], now):
            raise ActionError("nf_tables does not say what it refuses", retry=True)
        return [
            Refused(Put(change) if isinstance(change := changes[at], Ban) else change, why)
            for at, why in bad.items()
        ]

    def _send(self, groups: Sequence[Sequence[Change]], now: float) -> dict[int, str]:
        """Send one transaction. Names the groups that the kernel refuses; then nothing is written."""
        messages: list[Message] = []
        owners: list[int] = []
        places = set(self._places)
        for number, group in enumerate(groups):
            messages += self._messages(group, places, now)
            owners += [number] * (len(messages) - len(owners))
        if not messages:
            return {}
        try:
            self._commit(messages)
        except KernelError as error:
            if error.index == -1:
                raise
            codes: dict[int, int] = {}
            for at, code in error.codes.items():
                # What a refused addition leaves undone makes the messages after it fail, too.
                codes.setdefault(owners[at], code)
            if errno.ENOENT in codes.values():
                raise ActionError(
                    f"somebody changed the table {self._name}", hint="it is built anew", retry=True
                ) from error
            if not WORTH_RETRYING.isdisjoint(codes.values()):
                raise
            return {number: os.strerror(code) for number, code in codes.items()}
        self._places = places
        return {}

    def _commit(self, messages: Sequence[Message]) -> None:
        sent = self._kernel.post(messages)
        failpoint.reach("after-netlink")
        self._kernel.answer(sent)

    def _messages(
        self, changes: Sequence[Change], places: set[Place], now: float
    ) -> list[Message]:
        """Say the changes, and make the sets of places that have none yet."""
        puts: dict[Where, list[Ban]] = defaultdict(list)
        gone: dict[Where, list[bytes]] = defaultdict(list)
        for change in changes:
            family, packed, prefix = change.offender
            where = change.jail, family, prefix
            # A ban that is over by now must not live on in a longer one that it replaces.
            if isinstance(change, Ban) and change.lasts(now):
                puts[where].append(change)
            else:
                gone[where].append(packed)
        messages: list[Message] = []
        for where in puts.keys() - places:
            place = Place(*where)
            settings = self._walls[place.jail].settings
            messages.append(self._table.set(place.set_name, place.kind(self._form)))
            messages += layout.ban_rules(self._table, settings, place, self._form)
            places.add(place)
        for where in (puts.keys() | gone) & places:
            place, bans = Place(*where), puts.get(where, ())
            messages += self._replacing(place, gone.get(where, []), bans, now)
        return messages

    def _replacing(
        self, place: Place, gone: list[bytes], bans: Sequence[Ban], now: float
    ) -> list[Message]:
        """Say what is to be there of these keys, be they there now, expired or missing.

        Deleting a missing element fails, so it is added first. Kernels before 6.12 ignore the new
        timeout of an element that is there: it is deleted and added, with what it has counted.
        """
        name = place.set_name
        adding = [self._elements(place, bans, now)] if bans else []
        if bans and self._form.timeouts:
            if self._form.update:
                adding = [nft.renewed_elements(place.family, layout.timeouts(bans, now))]
            else:
                gone += [ban.offender.packed for ban in bans]
                if self._form.counters:
                    adding = self._counting_on(place, bans, now)
        messages = [self._table.add(name, elements) for elements in adding]
        if gone:
            plain = nft.plain_elements(place.family, gone)
            messages = [self._table.add(name, plain), self._table.remove(name, plain), *messages]
        return messages

    def _elements(self, place: Place, bans: Iterable[Ban], now: float) -> bytes:
        return layout.pack(place.family, bans, now, self._form)

    def _counting_on(self, place: Place, bans: Iterable[Ban], now: float) -> list[bytes]:
        """Ask element by element what was counted: of those that are missing there is no answer."""
        packed, name = [], place.set_name
        for key, timeout in layout.timeouts(bans, now):
            only = nft.plain_elements(place.family, [key])
            counter = b""
            with contextlib.suppress(KernelError):
                for element in elements(self._kernel, self._table, name, nft.only(only)):
                    counter = element.counter
            packed.append(nft.counted_element(key, timeout, counter))
        return [b"".join(part) for part in sliced(packed, _COUNTED)]

    def _differs(self, left: float | None, ban: Ban, now: float) -> bool:
        if not self._form.timeouts:
            return False
        if left is None or ban.until is None:
            return left is not ban.until
        return abs(left - (ban.until - now)) > _TOLERANCE

    def _offender(self, place: Place, key: bytes) -> Offender:
        return Offender(place.family, key, place.prefix)

    def _dump(self, place: Place) -> Iterator[Element]:
        return elements(self._kernel, self._table, place.set_name)


def sliced(items: Sequence[T], size: int = _OPERATIONS) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]
