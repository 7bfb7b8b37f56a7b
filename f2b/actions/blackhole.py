"""The blackhole backend: a route for every ban that leads nowhere. Owns what it believes of its routes.

What a banned offender sends still arrives, but no answer leaves. A route knows no jail, no port and no time: of jails
that ban the same network the first one's kind counts, and the enforcer removes it when the ledger says so. Around
addresses that are to be let through, a network is cut into those that do not hold them. Routes of others are never
touched: ours carry a protocol number of their own.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence

from f2b.actions.base import Disturbance, JailWall, Operation, Put, Refused
from f2b.actions.rtnetlink import Change, Kind, Routes, Watch
from f2b.actions.rtsocket import ABSENT
from f2b.addresses import Family, Offender
from f2b.config.settings import Blocktype, DaemonSettings
from f2b.model import Ban

_KINDS = {Blocktype.DROP: Kind.BLACKHOLE, Blocktype.PROHIBITED: Kind.PROHIBIT}
Bans = dict[Offender, tuple[str, ...]]
"""Whom the jails ban, each with its jails in order."""


class Blackhole:
    """Bans in the main routing table, in the network namespace of the thread that makes it."""

    name = "blackhole"

    def __init__(self) -> None:
        self._routes = Routes()
        self._watch = Watch(self._routes.port)
        self._walls: dict[str, JailWall] = {}
        self._bans: Bans = {}
        self._held: dict[Offender, Kind] = {}
        self._pieces: dict[Offender, tuple[Offender, ...]] = {}
        self._users: dict[Offender, set[Offender]] = {}
        self._holes: dict[tuple[str, Family, int], dict[Offender, list[Offender]]] = {}
        self._no_inet6 = False

    @property
    def losses(self) -> Sequence[str]:
        found = ["routes have no timeouts: without the daemon no ban ends, and nothing is counted"]
        if self._no_inet6:
            found.append("IPv6 is off: nothing is done for it")
        return found

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        """The own addresses are in the kernel's table `local`, which comes before every route of ours."""
        del own
        self._walls = {wall.name: wall for wall in jails}
        self._bans, self._pieces, self._users, self._holes = {}, {}, {}, {}
        refused = []
        ordered: dict[str, list[Ban]] = {name: [] for name in self._walls}
        for ban in bans:
            if ban.jail not in self._walls:
                refused.append(_stranger(Put(ban)))
            elif ban.lasts(now):
                ordered[ban.jail].append(ban)
        puts: dict[Offender, Put] = {}
        for those in ordered.values():
            for ban in those:
                puts.setdefault(ban.offender, Put(ban))
                self._ban(ban.offender, ban.jail)
        self._held = _standing(self._routes)
        for offender in self._bans:
            self._cut(offender)
        places = {**self._held, **dict.fromkeys(self._bans), **dict.fromkeys(self._users)}
        return refused + self._level(places, puts)

    def set_own(self, own: Sequence[Offender]) -> None:
        pass

    def dump(self, jails: Sequence[str]) -> Iterator[tuple[str, Offender, float | None]]:  # noqa: ARG002
        """Nothing: whose a ban was and when it ends only the daemon knew."""
        return iter(())

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        refused: list[Refused] = []
        puts: dict[Offender, Put] = {}
        touched: dict[Offender, None] = {}
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            put = isinstance(operation, Put) and operation.ban.lasts(now)
            if target.jail not in self._walls:
                if isinstance(operation, Put):
                    refused.append(_stranger(operation))
                continue
            offender = target.offender
            if put and isinstance(operation, Put):
                puts[offender] = operation
                self._ban(offender, target.jail)
            elif offender in self._bans:
                left = tuple(each for each in self._bans[offender] if each != target.jail)
                self._bans[offender] = left
            touched |= dict.fromkeys([offender, *self._pieces.get(offender, ())])
            self._cut(offender)
            touched |= dict.fromkeys(self._pieces.get(offender, ()))
        return refused + self._level(touched, puts)

    def fileno(self) -> int:
        return self._watch.fileno()

    def disturbed(self) -> Disturbance | None:
        return Disturbance() if self._watch.heard() else None

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:  # noqa: ARG002
        return {}

    def lift(self) -> None:
        _lift(self._routes)
        self._held.clear()

    def close(self) -> None:
        self._routes.close()
        self._watch.close()

    def _ban(self, offender: Offender, jail: str) -> None:
        jails = self._bans.get(offender, ())
        if jail not in jails:
            self._bans[offender] = (*jails, jail)

    def _kind(self, place: Offender) -> Kind | None:
        """What the narrowest ban asks for that needs it; None if nobody needs it any more."""
        whole = [place] if place in self._bans and place not in self._pieces else []
        users = [*whole, *self._users.get(place, ())]
        if not users:
            return None
        jail = self._bans[max(users, key=lambda each: each.prefix)][0]
        return _KINDS.get(self._walls[jail].settings.blocktype, Kind.UNREACHABLE)

    def _cut(self, offender: Offender) -> None:
        """Keep the books of the pieces that it must be cut into now, if it must be."""
        for piece in self._pieces.pop(offender, ()):
            self._users[piece].discard(offender)
            if not self._users[piece]:
                del self._users[piece]
        jails = self._bans.get(offender)
        if not jails:
            self._bans.pop(offender, None)
            return
        ignored = [self._ignored(jail, offender) for jail in jails]
        if not all(ignored):
            return
        # What a jail ignores is let through whatever that jail bans, and no other.
        pieces = dict.fromkeys(piece for holes in ignored for piece in without(offender, holes))
        self._pieces[offender] = tuple(pieces)
        for piece in pieces:
            self._users.setdefault(piece, set()).add(offender)

    def _ignored(self, jail: str, offender: Offender) -> list[Offender]:
        """What the jail ignores within this network. Looked up, since both may be many."""
        if offender.is_host:
            return []
        key = jail, offender.family, offender.prefix
        if (found := self._holes.get(key)) is None:
            found = self._holes[key] = {}
            for each in self._walls[jail].ignored:
                if each.family is offender.family and each.prefix >= offender.prefix:
                    found.setdefault(each.masked(offender.prefix), []).append(each)
        return found.get(offender, [])

    def _level(self, places: Iterable[Offender], puts: dict[Offender, Put]) -> list[Refused]:
        """Make the kernel hold what is wanted of these places."""
        wanted = {place: self._kind(place) for place in places}
        changes: list[Change] = []
        on_link = self._on_link([place for place, kind in wanted.items() if kind is not None])
        why: dict[Offender, str] = {}
        for place, kind in wanted.items():
            held = self._held.get(place)
            if kind is not None and place in on_link:
                why[place] = "this network is on a link of this machine"
                kind = None  # noqa: PLW2901
            if kind is held:
                continue
            if held is not None:
                changes.append(Change(add=False, kind=held, network=place))
            if kind is not None:
                changes.append(Change(add=True, kind=kind, network=place))
        codes = self._routes.change(changes)
        for index, change in enumerate(changes):
            why |= self._account(change, codes.get(index, 0))
        if not why:
            return []
        told = {
            user: reason
            for place, reason in why.items()
            for user in (place, *self._users.get(place, ()))
        }
        return [Refused(puts[user], reason) for user, reason in told.items() if user in puts]

    def _account(self, change: Change, code: int) -> dict[Offender, str]:
        network = change.network
        if not change.add:
            self._held.pop(network, None)
        elif not code:
            self._held[network] = change.kind
        elif network.family is Family.INET6 and code in {*ABSENT, errno.EACCES}:
            self._no_inet6 = True  # no packet of that family comes
        elif code == errno.EEXIST:
            return {network: "somebody else has a route to it"}
        else:
            return {network: os.strerror(code)}
        return {}

    def _on_link(self, wanted: Iterable[Offender]) -> set[Offender]:
        """Networks that must not be cut off."""
        families = {each.family for each in wanted if not each.is_host}
        return {each for family in families for each in self._routes.on_link(family)}


def _standing(routes: Routes) -> dict[Offender, Kind]:
    return {n: kind for family in Family for n, kind in routes.ours(family).items()}


def _lift(routes: Routes) -> dict[Offender, Kind]:
    held = _standing(routes)
    routes.change([Change(add=False, kind=kind, network=n) for n, kind in held.items()])
    return held


def _stranger(operation: Put) -> Refused:
    return Refused(operation, f"there is no jail {operation.ban.jail} at this wall")


def without(network: Offender, holes: Sequence[Offender]) -> list[Offender]:
    """The widest networks that make up this one except the holes."""
    holes = [hole for hole in holes if network.covers(hole) or hole.covers(network)]
    if not holes:
        return [network]
    if any(hole.covers(network) for hole in holes):
        return []
    bits, prefix = network.family.bits, network.prefix + 1
    first = int.from_bytes(network.packed)
    halves = (
        Offender(network.family, number.to_bytes(bits // 8), prefix)
        for number in (first, first | 1 << (bits - prefix))
    )
    return [piece for half in halves for piece in without(half, holes)]


def make(settings: DaemonSettings, instance: str, *, takeover: bool) -> Blackhole:
    """All routes with our number are this f2b's: two in one network namespace cannot share them."""
    del settings, instance, takeover
    return Blackhole()


def flush_routes() -> bool:
    """Remove all routes of f2b; say whether there were any."""
    routes = Routes()
    try:
        held = _lift(routes)
    finally:
        routes.close()
    return bool(held)
