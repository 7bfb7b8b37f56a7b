"""Old and new: what a reload has to do. Where something is written does not matter, only what."""

import hashlib
from enum import StrEnum
from typing import NamedTuple

from f2b.config.load import Config
from f2b.config.settings import FilterSettings, JailSettings
from f2b.config.table import Where, settings
from f2b.config.wall import NO_WALL, WATCHES


class Part(StrEnum):
    """What may change about a jail, by who must know: detector, wall, tally and ledger, ignore, commands."""

    FILTER = "filter"
    WALL = "wall"
    THRESHOLDS = "thresholds"
    IGNORE = "ignore"
    ACTIONS = "actions"


class Change(NamedTuple):
    """A jail that goes on in another form."""

    old: JailSettings
    new: JailSettings
    parts: frozenset[Part]


class Plan(NamedTuple):
    """The jails by what happens to them, in the order of the files; and daemon settings that
    stay as they are until a restart.
    """

    added: tuple[JailSettings, ...]
    removed: tuple[JailSettings, ...]
    kept: tuple[JailSettings, ...]
    changed: tuple[Change, ...]
    restart: tuple[str, ...]


def other_firewalls(old: Config, new: Config, stands: str) -> set[str]:
    """The firewalls that jails name now and did not before: the wall stands where it stands, as `stands` says."""
    before, after = ({jail.wall.backend for jail in config.jails} for config in (old, new))
    named = after - before - {NO_WALL, WATCHES}
    if stands != WATCHES:
        named.discard("auto")
    return {name for name in named if stands.split(" ", maxsplit=1)[0].rstrip(",") != name}


def diff(old: Config, new: Config) -> Plan:
    before = {jail.name: jail for jail in old.jails}
    after = {jail.name: jail for jail in new.jails}
    both = [(before[name], jail) for name, jail in after.items() if name in before]
    changes = [Change(was, jail, _changed_parts(was, jail)) for was, jail in both]
    return Plan(
        added=tuple(jail for name, jail in after.items() if name not in before),
        removed=tuple(jail for name, jail in before.items() if name not in after),
        kept=tuple(change.new for change in changes if not change.parts),
        changed=tuple(change for change in changes if change.parts),
        restart=tuple(
            row.name
            for row in settings(Where.DAEMON).values()
            if row.restart and getattr(old.daemon, row.name) != getattr(new.daemon, row.name)
        ),
    )


def fingerprint(jail: JailSettings) -> str:
    """Of what decides which entries are failures: another one means reading them again."""
    return hashlib.sha256(repr(_words(jail.filter)).encode()).hexdigest()


def _words(filter_: FilterSettings) -> tuple[object, ...]:
    """The filter without the places where it is written, which move with every edit."""
    lists = (filter_.failregex, filter_.ignoreregex, filter_.journalmatch)
    return (
        filter_.feed.value,
        filter_.reading.value,
        filter_.prefregex and filter_.prefregex.text,
        filter_.maxlines,
        filter_.maxlength,
        "names" if filter_.usedns.looks_up else filter_.usedns.value,
        *(tuple(line.text for line in lines) for lines in lists),
    )


def _changed_parts(old: JailSettings, new: JailSettings) -> frozenset[Part]:
    def aspects(jail: JailSettings) -> dict[Part, tuple[object, ...]]:
        return {
            Part.FILTER: (_words(jail.filter), jail.filter.maxsessions, jail.filter.usedns),
            Part.WALL: (jail.wall,),
            Part.ACTIONS: (jail.actions,),
            Part.THRESHOLDS: (
                jail.maxretry,
                jail.findtime,
                jail.bantime,
                jail.increment,
                jail.counting,
                jail.ipv4prefix,
                jail.ipv6prefix,
                jail.maxoffenders,
                jail.maxbans,
            ),
            Part.IGNORE: (
                jail.ignoreip,
                jail.ignoreelsewhere,
                jail.ignoreself,
                jail.ignorecommand,
                jail.ignorecache,
            ),
        }

    was, is_ = aspects(old), aspects(new)
    return frozenset(part for part in Part if was[part] != is_[part])
