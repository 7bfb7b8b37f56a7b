"""The nftables backend: keeps all bans in one table of the kernel, which also lets them expire.

The ledger is the truth and the kernel its copy. `start` makes the copy right whatever is there,
`apply` keeps it so. layout.py says what the table looks like, nft.py how that is said, and
netlink.py says it.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from f2b import failpoint
from f2b.actions import layout, nft
from f2b.actions.base import JailWall, Operation, Put, Refused, Remove
from f2b.actions.layout import Place, Standing
from f2b.actions.netlink import (
    DUMP,
    WORTH_RETRYING,
    KernelError,
    Message,
    Netfilter,
    attributes,
    no_nf_tables,
    text,
)
from f2b.actions.nft import Element, Kind, Table
from f2b.actions.watch import Watch
from f2b.addresses import Offender
from f2b.errors import ActionError, ForeignWallError
from f2b.model import Ban

_MARK = "f2b "  # and the instance; `nft list` prints it as the comment of the table
_OPERATIONS = 1000  # a transaction; more are slower, make others wait and burst an attribute
_TOLERANCE = 1.0

T = TypeVar("T")


class Nftables:
    """Bans in the table `inet TABLE`, in the network namespace of the thread that makes it."""

    name = "nftables"

    def __init__(self, table: str, hook: str, instance: str, *, takeover: bool = False) -> None:
        self._kernel = Netfilter()
        self._watch = Watch(table, self._kernel.port)
        self._name = table
        self._table = Table(table)
        self._hook = layout.HOOKS[hook]
        self._mark = _MARK + instance
        self._takeover = takeover
        self._walls: dict[str, JailWall] = {}
        self._places: set[Place] = set()

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        layout.check(jails)
        self._walls = {wall.name: wall for wall in jails}
        wanted: dict[Place, dict[bytes, Ban]] = {
            place: {} for name in self._walls for place in layout.host_places(name)
        }
        strangers = []
        for ban in bans:
            if ban.jail not in self._walls:
                strangers.append(_stranger(Put(ban)))
            elif ban.lasts(now):
                wanted.setdefault(_place(ban), {})[ban.offender.packed] = ban
        self._build(own, wanted, now)
        self._places = set(wanted)
        refused = strangers
        for part in _sliced(self._differences(wanted, now)):
            refused += self._write(part, now)
            failpoint.reach("during-restore")
        return refused

    def set_own(self, own: Sequence[Offender]) -> None:
        sets = layout.allowed_own(own)
        self._kernel.commit([part for item in sets for part in layout.fill(self._table, item)])

    def dump(self, jails: Sequence[str]) -> Iterator[tuple[str, Offender, float | None]]:
        if _read_mark(self._kernel, self._name) != self._mark:
            return
        standing = _read_standing(self._kernel, self._name)
        for jail in jails:
            for place in layout.places(jail):
                if place.set_name in standing.sets:
                    for element in self._dump(place):
                        yield jail, _offender(place, element.key), element.left

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        # A transaction shows as a whole: of several operations on one offender only the last does.
        last: dict[tuple[str, Offender], Operation] = {}
        refused = []
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            if target.jail in self._walls:
                last[target.jail, target.offender] = operation
            elif isinstance(operation, Put):
                refused.append(_stranger(operation))
        for part in _sliced(list(last.values())):
            refused += self._write(part, now)
        return refused

    def elements(self, jail: str) -> dict[Offender, Element]:
        """Everything the kernel keeps out for this jail, with what it counted."""
        return {
            _offender(place, element.key): element
            for place in self._places
            if place.jail == jail
            for element in self._dump(place)
        }

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:
        """Packets and bytes that were stopped since each ban was last written."""
        return {offender: each.counted() for offender, each in self.elements(jail).items()}

    def fileno(self) -> int:
        return self._watch.fileno()

    def disturbed(self) -> bool:
        return self._watch.disturbed()

    def lift(self) -> None:
        if _read_mark(self._kernel, self._name) == self._mark:
            self._kernel.commit([self._table.delete()])

    def close(self) -> None:
        self._watch.close()
        self._kernel.close()

    def _build(
        self, own: Sequence[Offender], wanted: Mapping[Place, Mapping[bytes, Ban]], now: float
    ) -> None:
        """Make the structure in one transaction, whatever stands there now."""
        mark = _read_mark(self._kernel, self._name)
        standing = Standing() if mark is None else _read_standing(self._kernel, self._name)
        messages: list[Message] = []
        if mark is None:
            messages = [self._table.create(self._mark)]
            gone: Collection[str] = ()
        elif mark == self._mark:
            gone = layout.unlike(standing, {place.set_name: place.kind for place in wanted})
        elif self._takeover:
            messages = [self._table.delete(), self._table.create(self._mark)]
            gone = standing.sets.keys()
            standing = Standing()
        else:
            raise _foreign(self._name, mark)
        jails = list(self._walls.values())
        messages += layout.structure(self._table, self._hook, jails, own, wanted, standing)
        # A set that is made anew under the same name must not be empty for a moment.
        for place, bans in wanted.items():
            if place.set_name in gone:
                for part in _sliced(list(bans.values())):
                    timed = nft.timed_elements(place.family, _timeouts(part, now))
                    messages.append(self._table.add(place.set_name, timed))
        try:
            self._kernel.commit(messages)
        except KernelError as refusal:
            raise _unbuilt(self._name, messages, refusal) from refusal
        self._takeover = False

    def _differences(
        self, wanted: Mapping[Place, Mapping[bytes, Ban]], now: float
    ) -> list[Operation]:
        """What to write: the latest bans first, whose offenders are likely still there."""
        missing: list[Ban] = []
        surplus: list[Operation] = []
        for place, bans in wanted.items():
            held = {element.key: element.left for element in self._dump(place)}
            surplus += [
                Remove(place.jail, _offender(place, key)) for key in held if key not in bans
            ]
            missing += [
                ban
                for key, ban in bans.items()
                if key not in held or _differs(held[key], ban, now)
            ]
        missing.sort(key=lambda ban: ban.start, reverse=True)
        return [*map(Put, missing), *surplus]

    def _write(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        """Write them in one transaction, without those that the kernel refuses."""
        if not self._send([operations], now):
            return []
        # Of every message only the first bad element is named: so now each has its own message.
        # Halving would be slow, because the kernel takes 15 ms to undo a transaction.
        bad = self._send([[operation] for operation in operations], now)
        good = [operation for at, operation in enumerate(operations) if at not in bad]
        if bad and self._send([good], now):
            raise ActionError("nf_tables does not say what it refuses", retry=True)
        return [Refused(operations[at], why) for at, why in bad.items()]

    def _send(self, groups: Sequence[Sequence[Operation]], now: float) -> dict[int, str]:
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
            sent = self._kernel.post(messages)
            failpoint.reach("after-netlink")
            self._kernel.answer(sent)
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

    def _messages(
        self, operations: Sequence[Operation], places: set[Place], now: float
    ) -> list[Message]:
        """Say the operations, and make the sets of places that have none yet."""
        puts: dict[Place, list[Ban]] = defaultdict(list)
        keys: dict[Place, list[bytes]] = defaultdict(list)
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            place = _place(target)
            keys[place].append(target.offender.packed)
            # A ban that is over by now must not live on in a longer one that it replaces.
            if isinstance(operation, Put) and operation.ban.lasts(now):
                puts[place].append(operation.ban)
        messages: list[Message] = []
        for place in puts.keys() - places:
            messages.append(self._table.set(place.set_name, place.kind))
            messages += layout.ban_rules(self._table, self._walls[place.jail].settings, place)
        places.update(puts)
        for place in keys.keys() & places:
            messages += self._replacing(place, keys[place], puts.get(place, ()), now)
        return messages

    def _replacing(
        self, place: Place, keys: Sequence[bytes], bans: Sequence[Ban], now: float
    ) -> list[Message]:
        """Add, delete, add: right on every kernel, be the element there, expired or missing.

        Kernels before 6.12 ignore the new timeout of an element that is there, and deleting a
        missing one fails.
        """
        plain = nft.plain_elements(place.family, keys)
        messages = [
            self._table.add(place.set_name, plain),
            self._table.remove(place.set_name, plain),
        ]
        if bans:
            timed = nft.timed_elements(place.family, _timeouts(bans, now))
            messages.append(self._table.add(place.set_name, timed))
        return messages

    def _dump(self, place: Place) -> Iterator[Element]:
        request = text(1, self._name) + text(2, place.set_name)
        for body in self._kernel.ask(Kind.GETSETELEM, request, DUMP):
            yield from nft.read_elements(body)


def flush_wall(table: str) -> bool:
    """Take f2b's table down without a daemon. False if there is none, or one of somebody else."""
    kernel = Netfilter()
    try:
        return _remove_table(kernel, table)
    finally:
        kernel.close()


def _remove_table(kernel: Netfilter, table: str) -> bool:
    if not (_read_mark(kernel, table) or "").startswith(_MARK):
        return False
    kernel.commit([Table(table).delete()])
    return True


def _read_mark(kernel: Netfilter, table: str) -> str | None:
    """The comment of the table, empty without one; None if there is no table of that name."""
    try:
        (body,) = kernel.ask(Kind.GETTABLE, text(1, table))
    except KernelError as refusal:
        if refusal.code == errno.ENOENT:
            return None
        if refusal.code in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise no_nf_tables() from refusal
        raise
    return nft.read_comment(dict(attributes(body)))


def _read_standing(kernel: Netfilter, table: str) -> Standing:
    chains: dict[str, nft.Hook | None] = {}
    for body in kernel.ask(Kind.GETCHAIN, text(1, table), DUMP):
        fields = dict(attributes(body))
        # Older kernels list the chains of all tables.
        if nft.read_name(fields[1]) == table:
            chains[nft.read_name(fields[3])] = nft.read_hook(fields)
    sets = {}
    for body in kernel.ask(Kind.GETSET, text(1, table), DUMP):
        fields = dict(attributes(body))
        sets[nft.read_name(fields[2])] = nft.read_set(fields)
    return Standing(
        chains.get(layout.BASE_CHAIN),
        frozenset(filter(layout.is_our_chain, chains)),
        {name: kind for name, kind in sets.items() if layout.is_our_set(name)},
    )


def _foreign(table: str, mark: str) -> ForeignWallError:
    if mark.startswith(_MARK):
        whose = f"belongs to another f2b (instance {mark.removeprefix(_MARK)!r})"
    else:
        whose = "is not f2b's; fail2ban uses the same name"
    return ForeignWallError(
        f"the nftables table inet {table} {whose}",
        hint="stop its owner and start once with `f2b run --takeover`, "
        "or set another name with `table =` in f2b.conf",
    )


def _unbuilt(table: str, messages: Sequence[Message], refusal: KernelError) -> ActionError:
    where = Kind(messages[refusal.index].kind).name if refusal.index >= 0 else "the transaction"
    # All that a rule names is made in the same transaction: it misses a part of the kernel.
    lacking = where == Kind.NEWRULE.name and refusal.code == errno.ENOENT
    return ActionError(
        f"cannot build the table {table}: {refusal.message} ({where})",
        hint="does the kernel have NFT_REJECT, and inet tables?"
        if not refusal.retry or lacking
        else "",
        retry=refusal.retry and not lacking,
    )


def _stranger(put: Put) -> Refused:
    return Refused(put, f"the wall has no jail {put.ban.jail}")


def _place(target: Ban | Remove) -> Place:
    return Place(target.jail, target.offender.family, target.offender.prefix)


def _offender(place: Place, key: bytes) -> Offender:
    return Offender(place.family, key, place.prefix)


def _timeouts(bans: Iterable[Ban], now: float) -> list[tuple[bytes, int]]:
    return [
        (ban.offender.packed, 0 if ban.until is None else max(1, int((ban.until - now) * 1000)))
        for ban in bans
    ]


def _differs(left: float | None, ban: Ban, now: float) -> bool:
    if left is None or ban.until is None:
        return left is not ban.until
    return abs(left - (ban.until - now)) > _TOLERANCE


def _sliced(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), _OPERATIONS):
        yield items[at : at + _OPERATIONS]
