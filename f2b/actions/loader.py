"""Backends by name: our own, and those that other packages offer as entry points."""

from importlib.metadata import entry_points

from f2b.actions.base import Backend
from f2b.actions.nftables import Nftables
from f2b.actions.null import Null
from f2b.actions.plain import PlainNftables
from f2b.config.settings import DaemonSettings
from f2b.errors import ConfigError

GROUP = "f2b.actions"


def backend(
    name: str, settings: DaemonSettings, *, instance: str, takeover: bool = False
) -> Backend:
    """Make the backend of that name. `instance` marks what it creates as ours."""
    if name == "nftables":
        kind = PlainNftables if settings.nft_plain else Nftables
        return kind(settings.table, settings.hook, instance, takeover=takeover)
    if name == "null":
        return Null()
    # Looked up last, and only then: it reads the metadata of every installed package.
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name in found:
        made: Backend = found[name].load()(settings, instance, takeover=takeover)
        return made
    known = ", ".join(["nftables", "null", *sorted(found)])
    raise ConfigError(f"no firewall backend is called {name!r}", hint=f"there are {known}")
