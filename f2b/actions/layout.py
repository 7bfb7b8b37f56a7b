"""What our table looks like: its names, and the rules of every jail. Pure; nft.py says it.

chain f2b-chain   own addresses return; then one jump for every jail
chain jail-NAME   the jail's ignored networks return; then its ban sets are looked up

Names of jails and tables are such as nft can print: config.values lets no others through.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from types import MappingProxyType
from typing import NamedTuple

from f2b.actions import nft
from f2b.actions.abilities import Form
from f2b.actions.base import JailWall
from f2b.actions.netlink import Message
from f2b.actions.nft import Hook, SetFlag, SetKind, Table
from f2b.addresses import Family, Offender
from f2b.config.settings import Blocktype, WallSettings
from f2b.errors import ActionError
from f2b.model import Ban

BASE_CHAIN = "f2b-chain"
# Before conntrack (-200) and address translation (-100): a banned packet makes no conntrack entry,
# and ports are those the client sees, also where Docker publishes them. input misses containers.
HOOKS = {"prerouting": Hook(0, -300), "input": Hook(1, -1)}

_REASONS = {
    Blocktype.NO_ROUTE: nft.NO_ROUTE,
    Blocktype.HOST: nft.HOST_UNREACHABLE,
    Blocktype.PROHIBITED: nft.ADMIN_PROHIBITED,
}
_PROTOCOLS = {"tcp": 6, "udp": 17}
_NETWORKS_A_MESSAGE = 500  # an attribute holds 65,535 bytes, an IPv6 network takes 64

Where = tuple[str, Family, int]
"""A Place before it has methods: cheap enough to be made for each of a hundred thousand bans."""


class Place(NamedTuple):
    """Where a ban stands: there is one set for each of these."""

    jail: str
    family: Family
    prefix: int

    @property
    def set_name(self) -> str:
        host = f"{'addr-set' if self.family is Family.INET else 'addr6-set'}-{self.jail}"
        return host if self.prefix == self.family.bits else f"{host}-{self.prefix}"

    def kind(self, form: Form) -> SetKind:
        if form.plain:
            return nft.address_set(self.family, SetFlag.INTERVAL)
        flags = SetFlag.TIMEOUT if form.timeouts else 0
        return nft.address_set(self.family, flags, counted=form.counters)


def host_places(jail: str) -> list[Place]:
    return [Place(jail, family, family.bits) for family in Family]


def places(jail: str) -> Iterator[Place]:
    """Every place that a jail's bans may have."""
    return (Place(jail, family, prefix) for family in Family for prefix in range(family.bits + 1))


def jail_chain(jail: str) -> str:
    return f"jail-{jail}"


class Allowed(NamedTuple):
    """Networks that are let through, whatever is banned, in the chain that says so."""

    chain: str
    set_name: str
    family: Family
    networks: list[Offender]

    @property
    def kind(self) -> SetKind:
        return nft.address_set(self.family, SetFlag.INTERVAL)


def allowed_own(own: Sequence[Offender]) -> list[Allowed]:
    """The sets are there even if empty: addresses come and go while the rules stay."""
    return [
        Allowed(BASE_CHAIN, "own-addr", Family.INET, disjoint(own, Family.INET)),
        Allowed(BASE_CHAIN, "own-addr6", Family.INET6, disjoint(own, Family.INET6)),
    ]


def allowed_in(wall: JailWall) -> list[Allowed]:
    chain, four, six = jail_chain(wall.name), f"ignore-{wall.name}", f"ignore6-{wall.name}"
    both = [
        Allowed(chain, four, Family.INET, disjoint(wall.ignored, Family.INET)),
        Allowed(chain, six, Family.INET6, disjoint(wall.ignored, Family.INET6)),
    ]
    return [allowed for allowed in both if allowed.networks]


def disjoint(offenders: Sequence[Offender], family: Family) -> list[Offender]:
    """Leave out what another one covers: the kernel refuses overlaps."""
    kept: list[Offender] = []
    for offender in sorted(offenders, key=lambda o: (o.packed, o.prefix)):
        if offender.family is family and not (kept and kept[-1].covers(offender)):
            kept.append(offender)
    return kept


class Standing(NamedTuple):
    """What of ours stands in the kernel. What an admin put into our table himself is not ours."""

    hook: Hook | None = None
    chains: frozenset[str] = frozenset()
    sets: Mapping[str, SetKind] = MappingProxyType({})


def is_our_chain(name: str) -> bool:
    return name == BASE_CHAIN or name.startswith("jail-")


def is_our_set(name: str) -> bool:
    prefixes = ("addr-set-", "addr6-set-", "ignore-", "ignore6-")
    return name in {"own-addr", "own-addr6"} or name.startswith(prefixes)


def structure(  # noqa: PLR0917
    table: Table,
    hook: Hook,
    jails: Sequence[JailWall],
    own: Sequence[Offender],
    places: Collection[Place],
    standing: Standing,
    form: Form,
) -> list[Message]:
    """Make everything but the bans, out of what stands now. Sets that are right keep theirs.

    In one transaction no packet sees a chain between its flush and its new rules.
    """
    chains = [jail_chain(wall.name) for wall in jails]
    ignored = [item for wall in jails for item in allowed_in(wall)]
    allowed = allowed_own(own) + ignored if form.intervals else []
    sets = {item.set_name: item.kind for item in allowed}
    sets |= {place.set_name: place.kind(form) for place in places}
    # The kernel answers EBUSY while a rule names a chain or a set: rules first.
    messages = [table.flush_chain(name) for name in sorted(standing.chains)]
    stale = standing.chains.difference(chains, [BASE_CHAIN] if standing.hook == hook else [])
    messages += [table.delete_chain(name) for name in sorted(stale)]
    messages += [table.delete_set(name) for name in unlike(standing, sets)]
    messages += [table.base_chain(BASE_CHAIN, hook), *map(table.chain, chains)]
    messages += [table.set(name, kind) for name, kind in sets.items()]
    for item in allowed:
        messages += fill(table, item)
    messages += base_rules(table, own, jails, form)
    for item in ignored:
        messages += let_through(table, item, form)
    walls = {wall.name: wall.settings for wall in jails}
    for place in places:
        messages += ban_rules(table, walls[place.jail], place, form)
    return messages


def base_rules(
    table: Table, own: Sequence[Offender], jails: Sequence[JailWall], form: Form
) -> list[Message]:
    messages = [part for item in allowed_own(own) for part in let_through(table, item, form)]
    jumps = (nft.jump(jail_chain(wall.name)) for wall in jails)
    return messages + [table.rule(BASE_CHAIN, jump) for jump in jumps]


def let_through(table: Table, allowed: Allowed, form: Form) -> list[Message]:
    """One rule with a set; without interval sets a rule for each network."""
    family = allowed.family
    if form.intervals:
        tests = [nft.source(family, family.bits) + nft.lookup(allowed.set_name)]
    else:
        tests = [
            nft.source(family, network.prefix) + nft.equals(network.packed)
            for network in allowed.networks
        ]
    return [table.rule(allowed.chain, test, nft.RETURN) for test in tests]


def unlike(standing: Standing, sets: Mapping[str, SetKind]) -> list[str]:
    """Name the sets that must go: not wanted any more, or of another kind than wanted."""
    return [name for name, kind in standing.sets.items() if sets.get(name) != kind]


def fill(table: Table, allowed: Allowed) -> list[Message]:
    """Make an allow set hold these networks and no others."""
    messages = [table.flush_set(allowed.set_name)]
    for at in range(0, len(allowed.networks), _NETWORKS_A_MESSAGE):
        part = allowed.networks[at : at + _NETWORKS_A_MESSAGE]
        messages.append(table.add(allowed.set_name, nft.intervals(part)))
    return messages


def ban_rules(table: Table, settings: WallSettings, place: Place, form: Form) -> list[Message]:
    """The rules that act on the set of that place."""
    sender = nft.source(place.family, place.prefix) + nft.lookup(place.set_name)
    reset = settings.blocktype is Blocktype.RESET and form.reject
    names: Sequence[str] = settings.protocols
    if not names:
        names = ("tcp", "udp") if settings.ports else ("tcp", "") if reset else ("",)
    messages: list[Message] = []
    for name in names:
        verdict = nft.TCP_RESET if reset and name == "tcp" else _verdict(settings, form)
        protocol = nft.protocol(_PROTOCOLS[name]) if name else b""
        for made, port in _port_tests(table, settings):
            messages += made
            messages.append(table.rule(jail_chain(place.jail), protocol, port, sender, verdict))
    return messages


def _verdict(settings: WallSettings, form: Form) -> bytes:
    if settings.blocktype is Blocktype.DROP or not form.reject:
        return nft.DROP
    return nft.reject(_REASONS.get(settings.blocktype, nft.PORT_UNREACHABLE))


def _port_tests(table: Table, settings: WallSettings) -> Iterator[tuple[list[Message], bytes]]:
    """What each rule says of the port, and the set that has to be made for it."""
    ports = settings.ports
    if not ports:
        yield [], b""
    singles = [low for low, high in ports if low == high]
    if len(singles) > 1:
        yield table.among_ports(singles)
        ports = tuple(ends for ends in ports if ends[0] != ends[1])
    # Linux 6.18 fills a new set of intervals only after it has switched to the new rules, and a set
    # of ports is always new: so a range is a rule of its own.
    for low, high in ports:
        yield [], nft.port_range(low, high)


def check(jails: Sequence[JailWall]) -> None:
    """Refuse jails that would share a set: the networks of one, the hosts of the other."""
    names = {wall.name for wall in jails}
    for name in names:
        stem, _, last = name.rpartition("-")
        if last.isdigit() and stem in names:
            raise ActionError(
                f"the jails {stem} and {name} would share the set addr-set-{name}",
                hint="rename one of them",
            )


def timeouts(bans: Iterable[Ban], now: float) -> list[tuple[bytes, int]]:
    """The key of each and the milliseconds that are left to it, 0 for ever."""
    return [
        (ban.offender.packed, 0 if ban.until is None else int((ban.until - now) * 1000) + 1)
        for ban in bans
    ]


def pack(family: Family, bans: Iterable[Ban], now: float, form: Form) -> bytes:
    if form.timeouts:
        return nft.timed_elements(family, timeouts(bans, now))
    return nft.plain_elements(family, [ban.offender.packed for ban in bans])


def additions(table: Table, bans: Iterable[Ban], now: float, form: Form) -> list[Message]:
    """Say bans whose sets are there and hold none of them."""
    puts: dict[Where, list[Ban]] = defaultdict(list)
    for ban in bans:
        family, _, prefix = ban.offender
        puts[ban.jail, family, prefix].append(ban)
    return [
        table.add(place.set_name, pack(place.family, puts[place], now, form))
        for place in starmap(Place, puts)
    ]
