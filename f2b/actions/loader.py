"""Backends by name: our own, and those that other packages offer as entry points."""

import contextlib
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points

from f2b.actions import iptables, probe
from f2b.actions.base import Backend
from f2b.actions.blackhole import Blackhole, flush_routes
from f2b.actions.iptables import Iptables
from f2b.actions.nftables import Nftables
from f2b.actions.null import Null
from f2b.actions.plain import PlainNftables
from f2b.actions.probe import Choice, Make
from f2b.actions.standing import flush_wall
from f2b.config.settings import DaemonSettings, WallSettings
from f2b.errors import ActionError, ConfigError, F2bError

GROUP = "f2b.actions"
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
    if name == NFTABLES:
        return Choice(_nftables(settings, instance, takeover=takeover)(settings.table))
    if name == "null":
        return Choice(Null())
    if name == BLACKHOLE:
        return Choice(Blackhole())
    # Looked up last, and only then: it reads the metadata of every installed package.
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name in found:
        made: Backend = found[name].load()(settings, instance, takeover=takeover)
        return Choice(made)
    known = ", ".join([AUTO, NFTABLES, LEGACY, BLACKHOLE, "null", *sorted(found)])
    raise ConfigError(f"no firewall backend is called {name!r}", hint=f"there are {known}")


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

    def legacy(*, sets: bool) -> Make:
        return lambda table: Iptables(table, settings.hook, instance, sets=sets, takeover=takeover)

    return [
        (NFTABLES, _nftables(settings, instance, takeover=takeover)),
        (f"{LEGACY} with sets", legacy(sets=True)),
        (LEGACY, legacy(sets=False)),
    ]


def _nftables(settings: DaemonSettings, instance: str, *, takeover: bool) -> Make:
    kind = PlainNftables if settings.nft_plain else Nftables
    return lambda table: kind(table, settings.hook, instance, takeover=takeover)
