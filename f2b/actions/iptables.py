"""The iptables-legacy backend, for kernels without nf_tables. Owns what it believes of its chains and sets.

A chain for every jail; rules.py says what they look like, xtables.py runs the tools. Where the kernel has ip_set a
jail has one rule, and the bans are elements with timeouts of their own. Without it every ban is a rule, which knows no
end: the enforcer removes it when the ledger says so. Nobody tells of changes by others: compared by the enforcer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from f2b.actions import rules
from f2b.actions.base import Disturbance, JailWall, Operation, Put, Refused, stranger
from f2b.actions.ipset import LONGEST, Sets
from f2b.actions.rules import Chains, Naming, Stand
from f2b.actions.xtables import Tools, families
from f2b.addresses import Family, Offender
from f2b.errors import ActionError, ForeignWallError
from f2b.model import Ban

_HOOKS = {"raw": ("PREROUTING",), "mangle": ("PREROUTING",), "filter": ("INPUT", "FORWARD")}
_EARLIEST = {
    "mangle": "no table raw: banned packets pass connection tracking first",
    "": "no tables raw and mangle: banned packets pass address translation first",
}
_UNKNOWN = 3600.0  # what is left of a ban that only a rule remembers
_TOLERANCE = 2.0  # of whole seconds, rounded up
_MANY = 100  # removals by which writing a chain anew is cheaper than finding each rule

Bans = dict[Offender, Ban]


class Iptables:
    """Bans in iptables' tables raw and filter, in the network namespace of the thread that calls.

    The first of the tables `early` that the kernel has takes raw's place; filter has to be there.
    """

    def __init__(
        self,
        table: str,
        hook: str,
        instance: str,
        *,
        sets: bool,
        takeover: bool = False,
        early: Sequence[str] = rules.EARLY,
    ) -> None:
        self._naming = Naming.of(table, instance)
        self._hook = hook
        self._takeover = takeover
        self._tools = {family: Tools(family) for family in families()}
        self._sets = Sets() if sets else None
        self._tables = early
        self._early: dict[Family, str] = {}
        self._jails: Sequence[JailWall] = ()
        self._walls: dict[str, JailWall] = {}
        self._own: Sequence[Offender] = ()
        self._mended: list[str] = []
        # Whether it stood as we wanted it when we last looked, when that was, and whether a set refused something.
        self._whole, self._looked, self._full = False, 0.0, False
        # Without sets: who has a rule in the chain of which jail.
        self._held: dict[Family, dict[str, set[Offender]]] = {}
        self.name = "iptables-legacy with sets" if sets else "iptables-legacy"
        if Family.INET6 not in self._tools:
            self.name += ", and the kernel has no IPv6"

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        every = {family: self._read(family) for family in self._tools}
        self._mended = self._changed_by_others(every) if self._whole else []
        self._whole = False
        before, self._jails, self._own = self._walls, tuple(jails), own
        self._walls = {wall.name: wall for wall in jails}
        wanted: dict[Family, dict[str, Bans]] = {
            family: {name: {} for name in self._walls} for family in Family
        }
        refused = []
        for ban in bans:
            if ban.jail not in self._walls:
                refused.append(stranger(Put(ban)))
            elif ban.lasts(now):
                wanted[ban.offender.family][ban.jail][ban.offender] = ban
        early = any(self._stand(wall, Family.INET).table == rules.EARLY[0] for wall in jails)
        if early and not self._early:
            self._early = {
                family: _first(tools, self._tables) for family, tools in self._tools.items()
            }
        for family, standing in every.items():
            self._held[family] = {name: set(held) for name, held in wanted[family].items()}
            if self._sets is not None:
                for name, those in wanted[family].items():
                    refused += self._fill(
                        self._sets, family, name, those, now, told=name in before
                    )
            self._restore(family, standing)
            if self._sets is not None:
                self._drop_stale(self._sets, family, standing)
        self._takeover = False
        self._whole, self._looked, self._full = True, now, bool(refused)
        return refused

    def set_own(self, own: Sequence[Offender]) -> None:
        self._whole, self._own = False, own
        for family in self._tools:
            self._restore(family, self._read(family))
        self._whole = True

    def dump(self, jails: Sequence[str]) -> Iterator[tuple[str, Offender, float | None]]:
        for family, tools in self._tools.items():
            for chains in rules.read(tools.save()).values():
                if self._naming.mark not in chains:
                    continue
                looked_up = rules.sets_in(chains, self._naming)
                for jail in jails:
                    for offender in rules.banned(chains.get(self._naming.jail(jail), ()), family):
                        yield jail, offender, _UNKNOWN
                    name = self._naming.set(jail, family)
                    if self._sets is not None and name in looked_up:
                        for offender, member in self._sets.read(name, family):
                            yield jail, offender, member.left

    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        last: dict[tuple[str, Offender], Operation] = {}
        refused = []
        for operation in operations:
            target = operation.ban if isinstance(operation, Put) else operation
            if target.offender.family not in self._tools:
                continue  # no packet of that family comes
            if target.jail in self._walls:
                last[target.jail, target.offender] = operation
            elif isinstance(operation, Put):
                refused.append(stranger(operation))
        puts: dict[tuple[Family, str], list[Ban]] = defaultdict(list)
        gone: dict[tuple[Family, str], list[Offender]] = defaultdict(list)
        for (jail, offender), operation in last.items():
            if isinstance(operation, Put) and operation.ban.lasts(now):
                puts[offender.family, jail].append(operation.ban)
            else:
                gone[offender.family, jail].append(offender)
        if self._sets is not None:
            return refused + self._change_sets(self._sets, puts, gone, now)
        self._change_rules(puts, gone)
        return refused

    @property
    def losses(self) -> Sequence[str]:
        told = {_EARLIEST[early] for early in self._early.values() if early != rules.EARLY[0]}
        if self._sets is None:
            told.add("no ip_set: every ban is a rule, and without the daemon none ends")
        return sorted(told)

    def counters(self, jail: str) -> dict[Offender, tuple[int, int]]:
        """Packets and bytes that each ban of the jail has stopped."""
        found: dict[Offender, tuple[int, int]] = {}
        if jail not in self._walls:
            return found
        for family, tools in self._tools.items():
            if self._sets is not None:
                members = self._sets.read(self._naming.set(jail, family), family)
                found |= {offender: member.stopped for offender, member in members}
            else:
                saved = tools.save(counted=True)
                found |= rules.stopped(saved, self._naming.jail(jail), family)
        return found

    def fileno(self) -> int:
        return -1

    def disturbed(self) -> Disturbance | None:
        mended, self._mended = self._mended, []
        return Disturbance(what=", ".join(mended)) if mended else None

    def lift(self) -> None:
        for family, tools in self._tools.items():
            standing = rules.read(tools.save())
            ours = {table: each for table, each in standing.items() if self._naming.mark in each}
            self._write(family, ours, {})
            if self._sets is not None:
                for chains in ours.values():
                    for name in rules.sets_in(chains, self._naming):
                        self._sets.destroy(name)

    def close(self) -> None:
        if self._sets is not None:
            self._sets.close()

    # --- rules ----------------------------------------------------------------------------------

    def _stand(self, wall: JailWall, family: Family) -> Stand:
        return rules.stand(self._hook, wall.settings, self._early.get(family, rules.EARLY[0]))

    def _read(self, family: Family) -> dict[str, Chains]:
        standing = rules.read(self._tools[family].save())
        for table, chains in standing.items():
            marks = [chain for chain in chains if chain.startswith(self._naming.marks)]
            foreign = self._naming.base in chains and self._naming.mark not in marks
            if foreign and not self._takeover:
                raise _foreign(table, self._naming, marks)
        return standing

    def _changed_by_others(self, every: Mapping[Family, dict[str, Chains]]) -> list[str]:
        """What is not as we left it, in words."""
        return [
            part
            for family, standing in every.items()
            for part in rules.told(self._lines(family, standing, self._wanted(family)), family)
        ]

    def _wanted(self, family: Family) -> dict[str, Chains]:
        early = self._early.get(family, rules.EARLY[0])
        wanted = rules.structure(self._naming, self._hook, family, self._jails, self._own, early)
        for wall in self._jails:
            chain = wanted[self._stand(wall, family).table][self._naming.jail(wall.name)]
            if self._sets is not None:
                name = self._naming.set(wall.name, family)
                chain.append(rules.look_up(self._naming, name, wall.settings, family))
            else:
                held = self._held[family][wall.name]
                chain += [rules.ban(self._naming, offender, wall.settings) for offender in held]
        return wanted

    def _restore(self, family: Family, standing: Mapping[str, Chains]) -> None:
        self._write(family, standing, self._wanted(family))

    def _write(
        self, family: Family, standing: Mapping[str, Chains], wanted: Mapping[str, Chains]
    ) -> None:
        if lines := self._lines(family, standing, wanted):
            self._tools[family].restore("\n".join([*lines, ""]))

    def _lines(
        self, family: Family, standing: Mapping[str, Chains], wanted: Mapping[str, Chains]
    ) -> list[str]:
        leading = {hook for wall in self._jails for hook in self._stand(wall, family).hooks}
        lines: list[str] = []
        for table, hooks in _HOOKS.items():
            leads = {hook: table in wanted and hook in leading for hook in hooks}
            chains = wanted.get(table, {})
            lines += rules.becoming(self._naming, table, standing.get(table, {}), chains, leads)
        return lines

    def _change_rules(
        self,
        puts: Mapping[tuple[Family, str], Sequence[Ban]],
        gone: Mapping[tuple[Family, str], Sequence[Offender]],
    ) -> None:
        """Add and delete rules, in one call a family."""
        for family, tools in self._tools.items():
            tables: dict[str, list[str]] = defaultdict(list)
            held = {name: set(those) for name, those in self._held[family].items()}
            anew = False
            for name, wall in self._walls.items():
                chain, settings = self._naming.jail(name), wall.settings
                added = {ban.offender for ban in puts.get((family, name), ())} - held[name]
                removed = held[name].intersection(gone.get((family, name), ()))
                held[name] = (held[name] | added) - removed
                anew = anew or len(removed) > _MANY
                tables[self._stand(wall, family).table] += [
                    *(
                        f"-D {chain} {rules.ban(self._naming, offender, settings)}"
                        for offender in removed
                    ),
                    *(
                        f"-A {chain} {rules.ban(self._naming, offender, settings)}"
                        for offender in added
                    ),
                ]
            lines = [
                line
                for table, each in tables.items()
                if each
                for line in (f"*{table}", *each, "COMMIT", "")
            ]
            if anew:
                self._held[family] = held
                self._restore(family, self._read(family))
            elif lines:
                tools.restore("\n".join(lines))
            self._held[family] = held

    # --- sets -----------------------------------------------------------------------------------

    def _fill(
        self, sets: Sets, family: Family, jail: str, bans: Bans, now: float, *, told: bool
    ) -> list[Refused]:
        """Make the set of a jail hold these bans and no others. `told`: what is missing others have taken out."""
        name = self._naming.set(jail, family)
        sets.create(name, family)
        elements = {part: ban for ban in bans.values() for part in _parts(ban.offender)}
        held = dict(sets.read(name, family))
        missing = [
            (part, ban)
            for part, ban in elements.items()
            if part not in held or _differs(held[part].left, ban, now)
        ]
        missing.sort(key=lambda item: item[1].start, reverse=True)
        # What was banned after the last look may be on its way, what is refused was never there.
        taken = sum(ban.start < self._looked and part not in held for part, ban in missing)
        if taken and told and not self._full:
            self._mended.append(f"{taken} missing in set {name}")
        refused = sets.put(name, [(part, _left(ban, now)) for part, ban in missing])
        sets.remove(name, [part for part in held if part not in elements])
        return [Refused(Put(missing[at][1]), why) for at, why in refused.items()]

    def _change_sets(
        self,
        sets: Sets,
        puts: Mapping[tuple[Family, str], Sequence[Ban]],
        gone: Mapping[tuple[Family, str], Sequence[Offender]],
        now: float,
    ) -> list[Refused]:
        refused: list[Refused] = []
        for (family, jail), bans in puts.items():
            parts = [(part, ban) for ban in bans for part in _parts(ban.offender)]
            elements = [(part, _left(ban, now)) for part, ban in parts]
            why = sets.put(self._naming.set(jail, family), elements)
            refused += [Refused(Put(parts[at][1]), text) for at, text in why.items()]
        for (family, jail), offenders in gone.items():
            whole = [part for offender in offenders for part in _parts(offender)]
            sets.remove(self._naming.set(jail, family), whole)
        return refused

    def _drop_stale(self, sets: Sets, family: Family, before: Mapping[str, Chains]) -> None:
        wanted = {self._naming.set(name, family) for name in self._walls}
        for chains in before.values():
            for name in rules.sets_in(chains, self._naming) - wanted:
                sets.destroy(name)


def _first(tools: Tools, tables: Sequence[str]) -> str:
    """The first of them that the kernel has; asking makes it load the module."""
    for table in tables:
        try:
            tools.save(table)
        except ActionError as error:
            if "Table does not exist" not in error.message:
                raise
        else:
            return table
    return ""


def _parts(offender: Offender) -> list[Offender]:
    """A set holds no network of everything: two halves do."""
    if offender.prefix:
        return [offender]
    empty = bytes(len(offender.packed))
    upper = b"\x80" + empty[1:]
    return [Offender(offender.family, half, 1) for half in (empty, upper)]


def _left(ban: Ban, now: float) -> float | None:
    return None if ban.until is None else ban.until - now


def _differs(held: float | None, ban: Ban, now: float) -> bool:
    left = _left(ban, now)
    if held is None or left is None:
        return held is not left
    return abs(held - min(left, LONGEST)) > (_TOLERANCE if left < LONGEST else LONGEST / 2)


def _foreign(table: str, naming: Naming, marks: Sequence[str]) -> ForeignWallError:
    owner = "is not f2b's"
    if marks:
        owner = f"belongs to another f2b (instance {marks[0].removeprefix(naming.marks)!r})"
    return ForeignWallError(
        f"iptables' chain {naming.base} in table {table} {owner}",
        hint="stop its owner and start once with `f2b run --takeover`, "
        "or set another name with `table =` in f2b.conf",
    )


def flush_chains(table: str, instance: str) -> bool:
    """Take the chains of that f2b down, or of any, without a daemon. False if there are none."""
    naming = Naming.of(table, instance)
    found: dict[str, bool] = {}  # whose chains, and whether they look up sets
    for family in families():
        for chains in rules.read(Tools(family).save()).values():
            for chain in chains:
                if chain.startswith(naming.mark):
                    owner = chain.removeprefix(naming.marks)
                    sets = bool(rules.sets_in(chains, naming))
                    found[owner] = found.get(owner, False) or sets
    for owner, sets in found.items():
        wall = Iptables(table, "prerouting", owner, sets=sets)
        try:
            wall.lift()
        finally:
            wall.close()
    return bool(found)
