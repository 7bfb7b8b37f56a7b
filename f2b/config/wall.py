"""From a jail's actions to its wall: fail2ban's names for firewalls, and what they mean here."""

from collections.abc import Sequence
from typing import Any

from f2b import plugins
from f2b.config.actions import PLUGIN, exists
from f2b.config.files import Files
from f2b.config.overrides import not_honoured, stems
from f2b.config.ports import merged
from f2b.config.problems import Collector, Problem, Severity
from f2b.config.secrets import concealed
from f2b.config.section import Section, parsed, placed
from f2b.config.settings import Blocktype, Located, WallSettings
from f2b.config.spec import Spec, parse, split
from f2b.config.table import Where, nearest, settings
from f2b.errors import ConfigError, Origin

# The type that each name means, our own without one. fail2ban's for iptables ask for no backend:
# nftables makes the better wall, and iptables-legacy stands in where there is none.
_TYPES = {
    "auto": "",
    "nftables": "",
    "iptables-legacy": "",
    "nftables-allports": "allports",
    "nftables-multiport": "multiport",
    "iptables": "multiport",
    "iptables-allports": "allports",
    "iptables-multiport": "multiport",
    "iptables-multiport-log": "multiport",
    "iptables-new": "multiport",
    "iptables-ipset": "multiport",
    "iptables-ipset-proto4": "multiport",
    "iptables-ipset-proto6": "multiport",
    "iptables-ipset-proto6-allports": "allports",
    "blackhole": "",
    "route": "",
}
_BACKENDS = {
    "nftables": "nftables",
    "nftables-allports": "nftables",
    "nftables-multiport": "nftables",
    "iptables-legacy": "iptables-legacy",
    "blackhole": "blackhole",
    "route": "blackhole",
}
_ROUTES = {
    "blackhole": Blocktype.DROP,
    "unreachable": Blocktype.HOST,
    "prohibit": Blocktype.PROHIBITED,
}
_KINDS = {"": "", "allports": "allports", "multiport": "multiport", "oneport": "multiport"}
_PARAMETERS = ("type", "port", "protocol", "blocktype")
_WITHOUT_EFFECT = ("name", "actname", "chain")  # fail2ban's stock action_ passes them
_FAIL2BANS = {
    "addr_set", "addr_type", "addr_options", "chain_type", "chain_hook", "chain_priority",
    "nftables", "iptables", "lockingopt", "default-ipsettime", "ipsettime", "ipmset",
    "familyopt", "bantime", "default-timeout", "timeout",
}  # fmt: skip
_ROWS = settings(Where.JAIL)


NO_WALL = "none"
"""The backend of a jail whose commands and plug-ins are its wall."""
WATCHES = "null"
"""The backend of a jail that only watches."""

Others = tuple[tuple[Spec, Origin], ...]


def read_wall(section: Section, files: Files) -> tuple[WallSettings, Others, list[Problem]]:
    """The wall that a jail asks for, its actions that are none of our firewalls, and what to warn of."""
    banaction, action = section.located("banaction"), section.located("action")
    with placed(banaction.origin, "banaction"):
        wanted = parse(banaction.text)
    with placed(action.origin, "action"):
        specs = [parse(item) for item in split(action.text)]
        if not specs:
            hint = "write action = %(action_)s"
            raise ConfigError("is empty, and then nobody would be kept out", hint=hint)
    firewalls = [spec for spec in specs if _is_firewall(spec.name, files)]
    others = tuple((spec, action.origin) for spec in specs if spec not in firewalls)
    there = [spec.name.startswith(PLUGIN) or exists(files, spec.name) for spec in specs]
    # The one that is missing may be the wall: a mail alone would keep nobody out.
    if not firewalls and all(there):
        return WallSettings(backend=NO_WALL), others, []
    if not firewalls:
        if wanted.name in {
            spec.name for spec, found in zip(specs, there, strict=True) if not found
        }:
            raise ConfigError(
                f"banaction {wanted.name!r} is no firewall of f2b's, and there is no action.d/{wanted.name}.conf",
                origin=banaction.origin,
                hint=f"write banaction = {_substitute_for(wanted.name)}",
            )
        raise ConfigError(
            f"action names no firewall that f2b has, got {concealed(action.text)!r}",
            origin=action.origin,
            hint="write action = %(action_)s",
        )
    walls, problems = [], []
    for spec in firewalls:
        origin = banaction.origin if spec.name == wanted.name else action.origin
        walls.append(_wall(spec, origin, section, files))
        problems += [*_idle_parameters(spec, origin), *not_honoured(files, spec.name)]
    return _joined(walls), others, problems


def _is_firewall(name: str, files: Files) -> bool:
    """One of ours, or of another package. A file of the admin's stands before the latter."""
    if name in _TYPES:
        return True
    if name.startswith(PLUGIN) or exists(files, name):
        return False
    return plugins.offered(plugins.BACKENDS, name)


def _joined(walls: Sequence[WallSettings]) -> WallSettings:
    """One wall that keeps out whatever one of them does, as of an action for tcp and another for udp."""
    ports = (
        () if any(not wall.ports for wall in walls) else (p for wall in walls for p in wall.ports)
    )
    protocols = (
        ()
        if any(not wall.protocols for wall in walls)
        else (p for wall in walls for p in wall.protocols)
    )
    backends = {wall.backend for wall in walls} - {"auto"}
    return walls[0]._replace(
        backend=min(backends, default="auto"),
        ports=merged(ports),
        protocols=tuple(sorted(set(protocols))),
    )


def _substitute_for(name: str) -> str:
    return "nftables-multiport" if "multiport" in name else "auto"


def _wall(spec: Spec, origin: Origin, section: Section, files: Files) -> WallSettings:
    def option(name: str) -> Any:
        """The parameter of the spec, or else the jail's setting."""
        if name not in spec.options:
            return section.value(_ROWS[name])
        return parsed(_ROWS[name], Located(spec.options[name], origin))

    for parameter in spec.options:
        if parameter not in _PARAMETERS + _WITHOUT_EFFECT and not _known_elsewhere(parameter):
            hint = nearest(parameter, _PARAMETERS) or f"it has {', '.join(_PARAMETERS)}"
            if parameter == "returntype":
                hint = "f2b keeps addresses out; it cannot let those in that a jail finds"
            raise ConfigError(
                f"{spec.name} has no parameter {parameter!r} here", origin=origin, hint=hint
            )
    kind = _KINDS.get(spec.options.get("type", _TYPES.get(spec.name, "")))
    if kind is None:
        raise ConfigError(
            f"{spec.name} has no type {spec.options['type']!r}",
            origin=origin,
            hint="write allports or multiport",
        )
    if not kind and spec.options.keys() & {"port", "protocol"}:
        kind = "multiport"
    if _BACKENDS.get(spec.name) == "blackhole":
        return _route(spec, origin)
    steps = Collector()
    blocktype = steps.attempt(lambda: option("blocktype") or _common_blocktype(spec.name, files))
    protocols = steps.attempt(lambda: option("protocol")) if kind else ()
    closed = steps.attempt(lambda: option("port")) if kind == "multiport" else ()
    steps.check()
    return WallSettings(
        backend=_BACKENDS.get(spec.name, "auto" if spec.name in _TYPES else spec.name),
        ports=closed or (),
        protocols=protocols or (),
        blocktype=blocktype or (Blocktype.REJECT if kind else Blocktype.DROP),
    )


def _route(spec: Spec, origin: Origin) -> WallSettings:
    """It stops all answers, whatever port they come from."""
    text = spec.options.get("blocktype", "unreachable" if spec.name == "route" else "blackhole")
    if text not in _ROUTES:
        raise ConfigError(
            f"{spec.name} has no blocktype {text!r}",
            origin=origin,
            hint=f"there are {', '.join(_ROUTES)}",
        )
    return WallSettings(backend="blackhole", blocktype=_ROUTES[text])


def _known_elsewhere(parameter: str) -> bool:
    """One of fail2ban's that f2b has no use for."""
    return "?" in parameter or parameter in _FAIL2BANS


def _idle_parameters(spec: Spec, origin: Origin) -> list[Problem]:
    idle = [each for each in spec.options if _known_elsewhere(each)]
    if not idle:
        return []
    text = f"{spec.name} is f2b's own firewall, which has no use for {', '.join(idle)}"
    return [Problem(Severity.WARNING, origin, text)]


def _common_blocktype(name: str, files: Files) -> Blocktype | None:
    """What an image or an admin wrote for all of fail2ban's actions of that kind together, or for this one."""
    common: Blocktype | None = None
    for stem in stems(name):
        dialect = files.layers(stem)
        if dialect is not None and "blocktype" in dialect.own.get("Init", {}):
            common = Section(dialect, files.marks, "Init").value(_ROWS["blocktype"]) or common
    return common
