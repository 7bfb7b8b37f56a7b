"""What the enforcer must know of the engine: the wall as it should be."""

from collections.abc import Iterable, Mapping, Sequence

from f2b.actions.base import JailWall
from f2b.addresses import Offender
from f2b.config.wall import NO_WALL, WATCHES
from f2b.daemon.enforcer import Key, Wall
from f2b.decide.engine import Engine
from f2b.model import Ban, Banned, Decision, Lifted, Prolonged

ELSEWHERE = frozenset({NO_WALL, WATCHES})
"""What jails name that have no part in the wall."""


def picture(engine: Engine, own: Sequence[Offender], now: float) -> Wall:
    """All jails, and all bans that are not over."""
    jails = [jail for jail in engine.jails.values() if jail.settings.wall.backend not in ELSEWHERE]
    walls = [JailWall(jail.name, jail.settings.wall, jail.ignoring) for jail in jails]
    return Wall(walls, own, [ban for jail in jails for ban in jail.ledger if ban.lasts(now)])


def touching(engine: Engine, decisions: Iterable[Decision]) -> list[Decision]:
    """Those that change a ban, unless its jail's wall is a command of the admin's, or it has none."""
    none = {jail.name for jail in engine.jails.values() if jail.settings.wall.backend in ELSEWHERE}
    bans = (each for each in decisions if isinstance(each, Banned | Prolonged | Lifted))
    return [each for each in bans if each.ban.jail not in none]


def in_force(engine: Engine, key: Key) -> Ban | None:
    name, offender = key
    jail = engine.jails.get(name)
    if jail is None or jail.settings.wall.backend in ELSEWHERE:
        return None
    return jail.ledger.get(offender)


def watched(engine: Engine, backend: str) -> Mapping[Key, str]:
    """The bans that keep nobody out, and why: those of jails that only watch, and all in a daemon that only watches."""
    return {
        (jail.name, ban.offender): "null keeps nobody out"
        for jail in engine.jails.values()
        if jail.settings.wall.backend == WATCHES
        or (backend == WATCHES and jail.settings.wall.backend != NO_WALL)
        for ban in jail.ledger
    }
