"""The wall as fail2ban's actions write it (`nft_plain`): hosts and networks of a jail in one set of networks.

Such a set takes no two networks that overlap: what stands in it are the widest of the bans, and when one of these is
lifted those that it covered come forward. It has no timeouts either: the daemon lifts what is over. Every change
costs a walk through the whole set, here and in the kernel: for thousands of bans, not for hundreds of thousands.
"""

from collections.abc import Iterable, Iterator, Sequence

from f2b.actions import layout, nft
from f2b.actions.abilities import PLAIN, Form
from f2b.actions.base import JailWall, Operation, Put, Refused, stranger
from f2b.actions.layout import Place
from f2b.actions.netlink import KernelError, Message
from f2b.actions.nft import Element
from f2b.actions.nftables import Nftables, sliced
from f2b.addresses import Offender
from f2b.errors import ActionError
from f2b.model import Ban

_NETWORKS = 500  # a message; see layout.py


class PlainNftables(Nftables):
    """`_bans` are all bans in force, `_held` those of them that the kernel has."""

    _bans: dict[Place, set[Offender]]
    _held: dict[Place, set[Offender]]

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        self._prepare(jails)
        every: dict[Place, dict[Offender, Ban]] = {
            place: {} for name in self._walls for place in layout.host_places(name)
        }
        strangers = []
        for ban in bans:
            if ban.jail not in self._walls:
                strangers.append(stranger(Put(ban)))
            elif ban.lasts(now):
                every[_place(ban.jail, ban.offender)][ban.offender] = ban
        self._bans = {place: set(bans) for place, bans in every.items()}
        wanted = {
            place: {each.packed: every[place][each] for each in _widest(place, bans)}
            for place, bans in self._bans.items()
        }
        self._build(own, wanted, now)
        self._own = own
        self._places = set(every)
        self._held = {
            place: nft.read_intervals(place.family, self._dump(place)) for place in every
        }
        self._level(every)
        return strangers

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        refused = []
        changed: dict[Place, None] = {}
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            place = _place(target.jail, target.offender)
            if target.jail not in self._walls:
                if isinstance(operation, Put):
                    refused.append(stranger(operation))
                continue
            changed[place] = None
            if isinstance(operation, Put) and operation.ban.lasts(now):
                self._bans[place].add(target.offender)
            else:
                self._bans[place].discard(target.offender)
        self._level(changed)
        return refused

    def dump(self, jails: Sequence[str]) -> Iterator[tuple[str, Offender, float | None]]:  # noqa: ARG002
        """Nothing: when such a ban ends only the daemon knew."""
        return iter(())

    def elements(self, jail: str) -> dict[Offender, Element]:
        return {
            offender: Element(offender.packed, None, b"")
            for place in self._places
            if place.jail == jail
            for offender in nft.read_intervals(place.family, self._dump(place))
        }

    def _level(self, places: Iterable[Place]) -> None:
        """Make the kernel hold the widest bans of these places, in one transaction."""
        wanted = {place: set(_widest(place, self._bans[place])) for place in places}
        messages: list[Message] = []
        for place, widest in wanted.items():
            messages += self._removing(place, self._held[place] - widest)
            messages += self._adding(place, widest - self._held[place])
        if not messages:
            return
        try:
            self._kernel.commit(messages)
        except KernelError as error:
            raise ActionError(
                f"somebody changed the table {self._name}: {error.message}",
                hint="it is built anew",
                retry=True,
            ) from error
        self._held |= wanted

    def _adding(self, place: Place, networks: Iterable[Offender]) -> Iterator[Message]:
        for part in sliced(sorted(networks), _NETWORKS):
            yield self._table.add(place.set_name, nft.intervals(part))

    def _removing(self, place: Place, networks: Iterable[Offender]) -> Iterator[Message]:
        for part in sliced(sorted(networks), _NETWORKS):
            yield self._table.remove(place.set_name, nft.intervals(part))

    def _elements(self, place: Place, bans: Iterable[Ban], now: float) -> bytes:  # noqa: ARG002
        return nft.intervals([ban.offender for ban in bans])

    def _offender(self, place: Place, key: bytes) -> Offender:
        found = (each for each in self._held[place] if each.packed == key)
        return next(found, super()._offender(place, key))

    def _probe(self) -> Form:
        form = super()._probe()
        if not form.intervals:
            raise ActionError(
                "nft_plain needs sets of networks, which this kernel does not have",
                hint="write nft_plain = no into f2b.conf",
            )
        return PLAIN._replace(reject=form.reject)


def _place(jail: str, offender: Offender) -> Place:
    return Place(jail, offender.family, offender.family.bits)


def _widest(place: Place, bans: Iterable[Offender]) -> list[Offender]:
    return layout.disjoint(list(bans), place.family)
