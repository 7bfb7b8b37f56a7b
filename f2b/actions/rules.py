"""What our part of iptables' tables looks like, and how one look becomes another. Pure text.

PREFIX-chain      own addresses return; then jumps to the jails, for their protocols and ports
PREFIX-jail-NAME  the jail's ignored networks return; then a rule for every ban, or one for their set
PREFIX-reset      resets TCP and rejects the rest, where a jail wants that
PREFIX-of-WHO     empty: says which f2b made the others

Rules are written as iptables-save prints them, so that comparing is comparing text.
"""

import hashlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from f2b.actions.base import JailWall
from f2b.addresses import Family, Offender
from f2b.config.settings import Blocktype, WallSettings

Chains = dict[str, list[str]]
"""Rules by chain, without `-A CHAIN`."""

EARLY = ("raw", "mangle")
"""The tables before address translation, the better first."""

_CHAIN_NAME, _SET_NAME = 28, 31
_PORTS = 15  # in a rule; a range counts twice
_OURS = "f2b-table"
_REASONS = {
    Blocktype.REJECT: ("icmp-port-unreachable", "icmp6-port-unreachable"),
    Blocktype.NO_ROUTE: ("icmp-net-unreachable", "icmp6-no-route"),
    Blocktype.HOST: ("icmp-host-unreachable", "icmp6-addr-unreachable"),
    Blocktype.PROHIBITED: ("icmp-admin-prohibited", "icmp6-adm-prohibited"),
}


class Naming(NamedTuple):
    """Our names, made from the setting `table` so that two daemons can live side by side."""

    prefix: str
    instance: str

    @classmethod
    def of(cls, table: str, instance: str) -> "Naming":
        return cls("f2b" if table == _OURS else _short(table, 10), instance)

    @property
    def base(self) -> str:
        return f"{self.prefix}-chain"

    @property
    def mark(self) -> str:
        return f"{self.marks}{self.instance}"

    @property
    def marks(self) -> str:
        return f"{self.prefix}-of-"

    @property
    def reset(self) -> str:
        return f"{self.prefix}-reset"

    def jail(self, name: str) -> str:
        return _short(f"{self.prefix}-jail-{name}", _CHAIN_NAME)

    def set(self, name: str, family: Family) -> str:
        return _short(f"{self.prefix}{family.value}-{name}", _SET_NAME)

    def is_ours(self, chain: str) -> bool:
        alone = chain in {self.base, self.reset}
        return alone or chain.startswith((f"{self.prefix}-jail-", self.marks))


def _short(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    return f"{name[: most - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Stand(NamedTuple):
    """The table of a jail's chain, and the chains of the kernel that lead there."""

    table: str
    hooks: tuple[str, ...]
    translated: bool = False


def stand(hook: str, settings: WallSettings, early: str = EARLY[0]) -> Stand:
    """Where a jail stands. Only filter can reject, which comes after address translation.

    `early` comes before it: ports there are those that the client sees, also where containers publish them. Empty
    where the kernel has no such table.
    """
    if hook == "input":
        return Stand("filter", ("INPUT",))
    if early and settings.blocktype is Blocktype.DROP:
        return Stand(early, ("PREROUTING",))
    return Stand("filter", ("INPUT", "FORWARD"), translated=True)


def structure(
    naming: Naming,
    hook: str,
    family: Family,
    jails: Sequence[JailWall],
    own: Sequence[Offender],
    early: str = EARLY[0],
) -> dict[str, Chains]:
    """Everything but the bans, by table."""
    tables: dict[str, Chains] = {}
    for wall in jails:
        place = stand(hook, wall.settings, early)
        chains = tables.setdefault(
            place.table, {naming.mark: [], naming.base: [*_returning(family, own)]}
        )
        chain = naming.jail(wall.name)
        tests = _tests(wall.settings, translated=place.translated)
        chains[naming.base] += [f"{test}-j {chain}" for test in tests]
        chains[chain] = [*_returning(family, wall.ignored)]
        if wall.settings.blocktype is Blocktype.RESET:
            rest = _reject(Blocktype.REJECT, family)
            chains[naming.reset] = ["-p tcp -j REJECT --reject-with tcp-reset", rest]
    return tables


def _returning(family: Family, networks: Iterable[Offender]) -> Iterator[str]:
    for network in sorted(set(networks)):
        if network.family is family:
            yield f"{source(network)}-j RETURN"


def source(offender: Offender) -> str:
    """The test for an address; nothing where all addresses are meant."""
    if not offender.prefix:
        return ""
    kind = socket.AF_INET if offender.family is Family.INET else socket.AF_INET6
    return f"-s {socket.inet_ntop(kind, offender.packed)}/{offender.prefix} "


def ban(naming: Naming, offender: Offender, settings: WallSettings) -> str:
    return source(offender) + _verdict(naming, settings, offender.family)


def look_up(naming: Naming, set_name: str, settings: WallSettings, family: Family) -> str:
    return f"-m set --match-set {set_name} src {_verdict(naming, settings, family)}"


def _verdict(naming: Naming, settings: WallSettings, family: Family) -> str:
    match settings.blocktype:
        case Blocktype.DROP:
            return "-j DROP"
        case Blocktype.RESET:
            return f"-j {naming.reset}"
        case reason:
            return _reject(reason, family)


def _reject(reason: Blocktype, family: Family) -> str:
    return f"-j REJECT --reject-with {_REASONS[reason][family is Family.INET6]}"


def _tests(settings: WallSettings, *, translated: bool) -> Iterator[str]:
    """What the rules that jump to a jail ask of a packet, each with a space behind it."""
    for protocol in settings.protocols or (("tcp", "udp") if settings.ports else ("",)):
        test = f"-p {protocol} " if protocol else ""
        if not settings.ports:
            yield test
        elif translated:
            for port in map(_port, settings.ports):
                yield f"{test}-m conntrack --ctorigdstport {port} --ctdir ORIGINAL "
        else:
            for ports in _grouped(settings.ports):
                yield f"{test}-m multiport --dports {ports} "


def _grouped(ports: Iterable[tuple[int, int]]) -> Iterator[str]:
    group: list[str] = []
    room = _PORTS
    for low, high in ports:
        need = 1 if low == high else 2
        if need > room:
            yield ",".join(group)
            group, room = [], _PORTS
        group.append(_port((low, high)))
        room -= need
    yield ",".join(group)


def _port(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}:{high}"


def read(saved: str) -> dict[str, Chains]:
    """What iptables-save printed, by table."""
    tables: dict[str, Chains] = {}
    chains: Chains = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains[line[1:].split(" ", 1)[0]] = []
        elif line.startswith("-A "):
            _, chain, rule = line.split(" ", 2)
            chains[chain].append(rule)
    return tables


def sets_in(chains: Mapping[str, Sequence[str]], naming: Naming) -> set[str]:
    """The sets that rules of ours look up."""
    return {
        rule.split(" ", 4)[3]
        for chain, rules in chains.items()
        if naming.is_ours(chain)
        for rule in rules
        if rule.startswith("-m set --match-set ")
    }


def banned(rules: Iterable[str], family: Family) -> Iterator[Offender]:
    """Whom the rules of a jail's chain keep out."""
    for rule in rules:
        words = rule.split()
        if words[-1] == "RETURN" or "-m" in words:
            continue
        address, _, prefix = (words[1] if words[0] == "-s" else "").partition("/")
        kind = socket.AF_INET if family is Family.INET else socket.AF_INET6
        packed = socket.inet_pton(kind, address) if address else bytes(family.bits // 8)
        yield Offender(family, packed, int(prefix or 0))


def stopped(saved: str, chain: str, family: Family) -> dict[Offender, tuple[int, int]]:
    """The packets and bytes that each ban in a chain has stopped, of `iptables-save -c`."""
    found: dict[Offender, tuple[int, int]] = {}
    for line in saved.splitlines():
        counted, _, rest = line.partition(f"] -A {chain} ")
        if rest and counted.startswith("["):
            packets, _, size = counted[1:].partition(":")
            found |= {each: (int(packets), int(size)) for each in banned([rest], family)}
    return found


def becoming(
    naming: Naming, table: str, standing: Chains, wanted: Chains, hooks: Mapping[str, bool]
) -> list[str]:
    """The lines that turn what stands in a table into what is wanted; none if it is that already.

    `hooks` are the kernel's chains and whether each leads to ours: first of all, and once.
    """
    jump = f"-j {naming.base}"
    lines = []
    gone = [chain for chain in standing if naming.is_ours(chain) and chain not in wanted]
    changed = [chain for chain, rules in wanted.items() if not _alike(standing.get(chain), rules)]
    # A chain that is named is emptied; the rules follow when all chains are there.
    lines += [f":{chain} - [0:0]" for chain in changed]
    lines += [f"-A {chain} {rule}" for chain in changed for rule in wanted[chain]]
    for hook, leads in hooks.items():
        there = standing.get(hook, [])
        if leads and there[:1] == [jump] and there.count(jump) == 1:
            continue
        lines += [f"-D {hook} {jump}"] * there.count(jump)
        lines += [f"-I {hook} 1 {jump}"] * leads
    lines += [f"-F {chain}" for chain in gone] + [f"-X {chain}" for chain in gone]
    return [f"*{table}", *lines, "COMMIT"] if lines else []


def told(lines: Iterable[str], family: Family) -> Iterator[str]:
    """What the lines of `becoming` put right, for the log."""
    table = ""
    for line in lines:
        if line.startswith("*"):
            table = f"{line[1:]} (IPv{family})"
        elif line.startswith(":"):
            yield f"chain {line[1:].split(' ', 1)[0]} in {table}"
        elif line.startswith("-I "):
            yield f"the jump from {line.split(' ', 2)[1]} in {table}"


def _alike(standing: Sequence[str] | None, wanted: Sequence[str]) -> bool:
    """Say whether two chains do the same: the order of bans means nothing."""
    if standing is None or len(standing) != len(wanted):
        return False
    if standing == wanted:
        return True
    ordered = [rule for rule in wanted if rule.endswith("-j RETURN") or "-jail-" in rule]
    same_order = standing[: len(ordered)] == ordered == wanted[: len(ordered)]
    return same_order and sorted(standing) == sorted(wanted)
