"""What is set: the frozen values that the rest of f2b reads. Times are seconds; `bantime` None means for ever."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from f2b import protocol
from f2b.addresses import Offender
from f2b.config.formula import DOUBLING, Formula
from f2b.errors import Origin

NOWHERE: Final = Origin("", 0)


class Located(NamedTuple):
    """A text of the admin with the place where it stands."""

    text: str
    origin: Origin


class Feed(StrEnum):
    """Where a filter's failures come from."""

    JOURNAL = "journal"
    BANS = "bans"
    NONE = "none"


class Reading(StrEnum):
    """What regexes see of an entry: the line built from its fields, or its MESSAGE without the date in it."""

    BUILT = "built"
    MESSAGE = "message"
    BOTH = "both"


class UseDns(StrEnum):
    """What becomes of a host name where an address is expected."""

    YES = "yes"
    WARN = "warn"
    NO = "no"
    RAW = "raw"

    @property
    def looks_up(self) -> bool:
        return self in {UseDns.YES, UseDns.WARN}


class FilterSettings(NamedTuple):
    """A filter after interpolation and tag substitution; `<HOST>` and its like are still in it."""

    name: str
    failregex: tuple[Located, ...] = ()
    ignoreregex: tuple[Located, ...] = ()
    prefregex: Located | None = None
    journalmatch: tuple[Located, ...] = ()
    feed: Feed = Feed.JOURNAL
    reading: Reading = Reading.BUILT
    maxlines: int = 1
    maxsessions: int = 10_000
    maxlength: int = 4096
    usedns: UseDns = UseDns.NO


class IgnoreCache(NamedTuple):
    """What ignorecommand said is remembered by this key, with tags in it, for so many offenders and so long."""

    key: str
    most: int = 100
    lifetime: float = 300.0


class Blocktype(StrEnum):
    """What the kernel does with a banned offender's packets."""

    DROP = "drop"
    REJECT = "reject"  # port unreachable
    RESET = "tcp-reset"  # TCP is reset, everything else as with REJECT
    NO_ROUTE = "no-route"
    HOST = "host-unreachable"
    PROHIBITED = "admin-prohibited"


class WallSettings(NamedTuple):
    """How a jail's bans look in the firewall. No ports: all ports; no protocols: all protocols.

    `backend` is auto where it is not named: the best that works; none where a command of the admin's is the firewall.
    """

    backend: str = "auto"
    ports: tuple[tuple[int, int], ...] = ()
    protocols: tuple[str, ...] = ()
    blocktype: Blocktype = Blocktype.DROP


class ActionCommands(NamedTuple):
    """The shell commands of an action, for one family; with the tags in them that are known when it happens."""

    start: str = ""
    stop: str = ""
    ban: str = ""
    unban: str = ""
    reban: str = ""
    prolong: str = ""
    flush: str = ""
    check: str = ""
    repair: str = ""
    reload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettings:
    """An action of a jail that is no firewall of ours; `name` is unique in its jail."""

    jail: str
    name: str
    inet4: ActionCommands = field(default_factory=ActionCommands)
    inet6: ActionCommands = field(default_factory=ActionCommands)
    on_demand: bool = False
    repair_on_unban: bool = False
    norestored: bool = False
    timeout: float = 60
    retry_for: float = 3600
    plugin: str = ""  # the entry point that takes the place of the commands
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # some are secret
    origin: Origin = field(default=NOWHERE, compare=False)


class Counting(StrEnum):
    """When failures are enough: maxretry within findtime, or fail2ban's estimate of their rate."""

    WINDOW = "window"
    ESTIMATE = "estimate"


class Increment(NamedTuple):
    """How bans grow with the offences of their offender. `multipliers` replace the formula."""

    factor: float = 1.0
    formula: Formula = DOUBLING
    multipliers: tuple[float, ...] = ()
    maxtime: float | None = None
    rndtime: float = 0.0
    overalljails: bool = False


class JailSettings(NamedTuple):
    """One enabled jail."""

    name: str
    filter: FilterSettings
    wall: WallSettings = WallSettings()
    actions: tuple[ActionSettings, ...] = ()
    maxretry: int = 5
    findtime: float = 600
    bantime: float | None = 600
    increment: Increment | None = None
    counting: Counting = Counting.WINDOW
    ignoreip: tuple[Offender, ...] = ()
    ignoreelsewhere: tuple[str | Path, ...] = ()  # the host names and lists that ignoreip names
    ignoreself: bool = True
    ignorecommand: tuple[str, ...] = ()
    ignorecache: IgnoreCache | None = None
    ipv4prefix: int = 32
    ipv6prefix: int = 64
    maxoffenders: int = 200_000
    maxbans: int = 500_000
    origin: Origin = NOWHERE


class Latency(StrEnum):
    """How eagerly the journal is polled."""

    FAST = "fast"
    BALANCED = "balanced"
    QUIET = "quiet"


class Heal(StrEnum):
    """What is put back when somebody else took it out of the wall."""

    ALL = "all"
    STRUCTURE = "structure"  # all but single elements


class OnStop(StrEnum):
    """What a stopping daemon does with its bans."""

    KEEP = "keep"
    LIFT = "lift"


class DaemonSettings(NamedTuple):
    """The settings of f2b.conf."""

    socket: Path = protocol.SOCKET
    dbfile: Path = Path("/var/lib/f2b/f2b.sqlite3")
    dbpurgeage: float = 86400
    journal: str = "system"  # system | namespace:NAME | an absolute directory
    latency: Latency = Latency.BALANCED
    loglevel: str = "INFO"
    logtarget: str = "auto"  # auto | journal | stderr
    table: str = "f2b-table"
    hook: str = "prerouting"  # prerouting | input
    nft_plain: bool = False
    heal: Heal = Heal.ALL
    onstop: OnStop = OnStop.KEEP
    read_groups: tuple[str, ...] = ("f2b",)
    change_groups: tuple[str, ...] = ()
