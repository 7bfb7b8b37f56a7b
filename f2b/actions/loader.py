"""Backends by name: our own, and those that other packages offer as entry points."""

from collections.abc import Iterable, Sequence

from f2b import plugins
from f2b.actions import makers, probe
from f2b.actions.base import Backend
from f2b.actions.guard import guarded
from f2b.actions.probe import Choice, Make
from f2b.config.settings import DaemonSettings, WallSettings

AUTO, NFTABLES, LEGACY, BLACKHOLE = "auto", "nftables", "iptables-legacy", "blackhole"


def backend(
    name: str,
    settings: DaemonSettings,
    *,
    instance: str,
    takeover: bool = False,
    walls: Iterable[WallSettings] = (),
    now: float = 0.0,
) -> Choice:
    """Make the backend of that name; of several kinds the best that works here with the jails' walls.

    `instance` marks what it creates as ours.
    """
    if name in {AUTO, LEGACY}:
        candidates = _candidates(settings, instance, takeover=takeover)
        if name == LEGACY:
            candidates = [each for each in candidates if each[0].startswith(LEGACY)]
        return probe.choose(candidates, settings.table, f"f2b-probe-{instance}", walls, now)
    make = plugins.load(plugins.BACKENDS, name)
    if name in plugins.BUILT_IN[plugins.BACKENDS]:
        return Choice(make(settings, instance, takeover=takeover))
    return Choice(guarded(name, make, settings, instance, takeover=takeover))


def _candidates(
    settings: DaemonSettings, instance: str, *, takeover: bool
) -> Sequence[tuple[str, Make]]:
    """All firewalls that we know, the best first."""

    def nftables(table: str) -> Backend:
        return makers.nftables(settings._replace(table=table), instance, takeover=takeover)

    def legacy(*, sets: bool) -> Make:
        return lambda table: makers.iptables_legacy(
            settings._replace(table=table), instance, takeover=takeover, sets=sets
        )

    return [
        (NFTABLES, nftables),
        (f"{LEGACY} with sets", legacy(sets=True)),
        (LEGACY, legacy(sets=False)),
    ]
