"""What a configuration needs beyond what f2b's unit gives to the daemon, and which drop-in gives it.

What runs in the end, nobody knows beforehand: a command that calls a script which calls curl is not seen. What is named
here is certain enough to be told.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from f2b.config.settings import ActionSettings, JailSettings


class Kind(StrEnum):
    """What may be lacking; the value is the drop-in, or the unit, that gives it."""

    NETWORK = "network"
    MAIL = "mail"
    LEGACY = "iptables-legacy"
    ROOT = "f2b-root.socket"


class Need(NamedTuple):
    """`name` says that it is a network for host names alone, which a resolver on this machine may do without."""

    kind: Kind
    what: str
    name: bool = False


class Given(NamedTuple):
    """What the daemon has, or would have when the unit starts it."""

    network: bool = True
    names: bool = True
    mail: bool = True
    legacy: bool = True
    root: bool = True


class Lacking(NamedTuple):
    """A drop-in or another unit, what needs it, and the command that brings it."""

    dropin: str
    needed_by: tuple[str, ...]
    command: str

    @property
    def text(self) -> str:
        what = self.dropin if "." in self.dropin else f"the drop-in {self.dropin}"
        return f"{UNIT} lacks {what} for {', '.join(self.needed_by)}"


UNIT = "f2b.service"
LEGACY = "iptables-legacy"
_PLUGINS = {
    "webhook": Kind.NETWORK,
    "abuseipdb": Kind.NETWORK,
    "cloudflare": Kind.NETWORK,
    "mail": Kind.MAIL,
    "root": Kind.ROOT,
}
_PROGRAMS = {
    **dict.fromkeys(
        ("curl", "wget", "whois", "dig", "host", "nslookup", "nsupdate", "nc", "ncat", "netcat", "telnet", "ssh",
         "scp", "rsync", "msmtp", "swaks", "ping", "xh", "http"), Kind.NETWORK,
    ),
    **dict.fromkeys(("sendmail", "mail", "mailx", "s-nail", "bsd-mailx", "mutt"), Kind.MAIL),
    **dict.fromkeys(("sudo", "su", "doas", "pkexec", "ufw", "firewall-cmd", "systemctl", "shorewall"), Kind.ROOT),
}  # fmt: skip
_APART = re.compile(r"[|;&()`\n{}]")
_BEFORE = re.compile(
    r"(?:(?:\w+=\S*|!|then|do|else|elif|if|while|until|exec|xargs|nohup|nice|timeout(?:\s+-\S+)*\s+\S+"
    r"|\S*\b(?:ba|da)?sh\s+-c)\s+)*['\"]?"
)
"""What may stand before the name of a program."""


def needs(jails: Iterable[JailSettings]) -> list[Need]:
    """In the order of the jails."""
    found: dict[Need, None] = {}
    for jail in jails:
        if jail.wall.backend == LEGACY:
            found[Need(Kind.LEGACY, "banaction = iptables-legacy")] = None
        if jail.filter.usedns.looks_up:
            found[Need(Kind.NETWORK, f"usedns of jail {jail.name}", name=True)] = None
        if names := [each for each in jail.ignoreelsewhere if isinstance(each, str)]:
            what = f"ignoreip = {names[0]} of jail {jail.name}"
            found[Need(Kind.NETWORK, what, name=True)] = None
        for kind in _kinds([" ".join(jail.ignorecommand)]):
            found[Need(kind, f"ignorecommand of jail {jail.name}")] = None
        for action in jail.actions:
            for kind in _of(action):
                found[Need(kind, f"action {action.name} of jail {jail.name}")] = None
    return list(found)


def lacking(wanted: Iterable[Need], given: Given, folder: Path) -> list[Lacking]:
    """The drop-ins that are not there; `folder` is where they are shipped."""
    found: dict[Kind, list[str]] = {}
    for need in wanted:
        there = given.names if need.name else getattr(given, need.kind.name.lower())
        if not there:
            found.setdefault(need.kind, []).append(need.what)
    return [
        Lacking(kind.value, tuple(what), _command(kind, folder)) for kind, what in found.items()
    ]


def given_by_unit(shown: Mapping[str, str], host: Given) -> Given:
    """What the unit lets through, by the properties that `systemctl show` prints.

    `host` says what this machine itself offers to a daemon without privileges: names without a network, a queue of
    mails, the helper for root.
    """
    families = shown.get("RestrictAddressFamilies", "").split()
    sockets = not families or {"AF_INET", "AF_INET6"} <= {*families}
    if families and families[0].startswith("~"):
        sockets = "AF_INET" not in " ".join(families)[1:].split()
    everything = "0.0.0.0/0"
    denied = everything in shown.get("IPAddressDeny", "").split()
    network = sockets and (not denied or everything in shown.get("IPAddressAllow", "").split())
    if shown.get("User", "") in {"", "root", "0"}:
        return Given(network, network or host.names)
    return Given(
        network,
        network or host.names,
        mail=host.mail
        or "postdrop" in shown.get("SupplementaryGroups", "").split()
        or shown.get("NoNewPrivileges") == "no",
        legacy=sockets and "cap_net_raw" in shown.get("AmbientCapabilities", "").split(),
        root=host.root,
    )


def _of(action: ActionSettings) -> Iterator[Kind]:
    if action.plugin:
        asks = any("://" in text for _, text in action.parameters)
        if (kind := _PLUGINS.get(action.plugin, Kind.NETWORK if asks else None)) is not None:
            yield kind
        asked = dict(action.parameters).get("whois", "no")
        if action.plugin == "mail" and asked.lower() in {"yes", "true", "on", "1"}:
            yield Kind.NETWORK
        return
    families = action.inet4, action.inet6
    texts = {text for each in families for text in each}
    yield from _kinds(texts)


def _kinds(commands: Collection[str]) -> list[Kind]:
    parts = (part.strip() for text in commands for part in _APART.split(text))
    words = (part[found.end() :].split() for part in parts if (found := _BEFORE.match(part)))
    programs = {word[0].rpartition("/")[2].strip("'\"") for word in words if word}
    return sorted({_PROGRAMS[program] for program in programs if program in _PROGRAMS})


def _command(kind: Kind, folder: Path) -> str:
    if kind is Kind.ROOT:
        return "systemctl enable --now f2b-root.socket"
    return (
        f"install -D -m 644 -t /etc/systemd/system/{UNIT}.d {folder / kind.value}.conf"
        " && systemctl daemon-reload && systemctl restart f2b"
    )
