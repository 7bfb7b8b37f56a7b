"""Backends by name: our own, and those that other packages offer as entry points."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from f2b import plugins
from f2b.actions import iptables, makers, probe
from f2b.actions.base import Backend
from f2b.actions.blackhole import flush_routes
from f2b.actions.guard import guarded
from f2b.actions.nftables import Nftables
from f2b.actions.probe import Choice, Make
from f2b.actions.standing import flush_wall
from f2b.config.settings import DaemonSettings, WallSettings
from f2b.errors import ActionError, F2bError

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


def sweep(kept: Backend, settings: DaemonSettings, instance: str) -> None:
    """Take down what this f2b put up when it had another backend. What cannot be seen stays."""
    with contextlib.suppress(F2bError):
        if not kept.name.startswith(NFTABLES):
            _lift(Nftables(settings.table, settings.hook, instance))
    with contextlib.suppress(F2bError):
        if not kept.name.startswith(LEGACY) and iptables.in_use():
            iptables.flush_rules(settings.table, instance)
    with contextlib.suppress(F2bError):
        if kept.name != BLACKHOLE:
            flush_routes()


def flush(table: str) -> list[str]:
    """Take every wall of f2b down without a daemon; names what was there."""
    rules_gone = iptables.flush_rules(table)
    routes_gone = flush_routes()
    try:
        table_gone = flush_wall(table)
    except ActionError:
        # Where nf_tables cannot be used it holds nothing of ours.
        if not rules_gone and not routes_gone:
            raise
        table_gone = False
    found = (
        (table_gone, f"table inet {table}"),
        (rules_gone, "the chains of iptables-legacy"),
        (routes_gone, "the routes"),
    )
    return [what for gone, what in found if gone]


def _lift(backend: Backend) -> None:
    try:
        backend.lift()
    finally:
        backend.close()


def _candidates(
    settings: DaemonSettings, instance: str, *, takeover: bool
) -> Sequence[tuple[str, Make]]:
    """All firewalls that we know, the best first."""

    def nftables(table: str) -> Backend:
        return makers.nftables(replace(settings, table=table), instance, takeover=takeover)

    def legacy(*, sets: bool) -> Make:
        return lambda table: makers.iptables_legacy(
            replace(settings, table=table), instance, takeover=takeover, sets=sets
        )

    return [
        (NFTABLES, nftables),
        (f"{LEGACY} with sets", legacy(sets=True)),
        (LEGACY, legacy(sets=False)),
    ]
