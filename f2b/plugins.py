"""What is offered under a name: firewall backends and actions, f2b's own and those of other packages.

f2b's own are entry points in setup.cfg as anybody's are, and stand here once more: to read the metadata of every
installed package costs more than all the rest of a start, and a checkout has none. A name of ours is ours.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from f2b.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BACKENDS = "f2b.actions"
SIDE_ACTIONS = "f2b.side_actions"

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    BACKENDS: {
        "blackhole": "f2b.actions.blackhole:make",
        "iptables-legacy": "f2b.actions.makers:iptables_legacy",
        "nftables": "f2b.actions.makers:nftables",
        "null": "f2b.actions.null:make",
    },
    SIDE_ACTIONS: {
        "abuseipdb": "f2b.actions.abuseipdb:make",
        "cloudflare": "f2b.actions.cloudflare:make",
        "mail": "f2b.actions.mail:make",
        "root": "f2b.actions.root:make",
        "webhook": "f2b.actions.webhook:make",
    },
}
WHAT = {BACKENDS: "firewall backend", SIDE_ACTIONS: "plug-in"}


def names(group: str) -> list[str]:
    """All that are offered, ours first."""
    ours = BUILT_IN[group]
    return [*ours, *sorted({point.name for point in _others(group)} - ours.keys())]


def offered(group: str, name: str) -> bool:
    return name in BUILT_IN[group] or any(point.name == name for point in _others(group))


def load(group: str, name: str) -> Any:
    """The function that makes it. Raises ConfigError where nobody offers it, or it cannot be imported."""
    if name in BUILT_IN[group]:
        module, _, attribute = BUILT_IN[group][name].partition(":")
        return getattr(import_module(module), attribute)
    points = [point for point in _others(group) if point.name == name]
    if not points:
        raise unknown(group, name)
    if len({point.value for point in points}) > 1:
        owners = " and ".join(sorted({_owner(point) for point in points}))
        raise ConfigError(
            f"{WHAT[group]} {name!r} is offered more than once, by {owners}",
            hint="uninstall one of them",
        )
    try:
        return points[0].load()
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{WHAT[group]} {name!r} of {_owner(points[0])} cannot be imported: {described(error)}",
            hint=f"what it needs must be installed for {sys.executable}",
        ) from error


def unknown(group: str, name: str) -> ConfigError:
    known = ", ".join([*(["auto"] if group == BACKENDS else []), *names(group)]) or "none"
    return ConfigError(f"no {WHAT[group]} is called {name!r}", hint=f"there are: {known}")


def described(error: BaseException) -> str:
    """What a stranger's code raised, and where: for its author."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return text
    return f"{text}, at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _others(group: str) -> list["EntryPoint"]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs, and is hardly ever asked

    return [*entry_points(group=group)]


def _owner(point: "EntryPoint") -> str:
    found = getattr(point, "dist", None)
    return f"package {found.name} {found.version}" if found else "an unknown package"
