"""What can be set: a row for every option, ours and fail2ban's. The loader, man pages and their tests read it."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from f2b.config import asking, formula, spec, values
from f2b.config.ports import ports, protocols
from f2b.config.settings import (
    Blocktype,
    Counting,
    Feed,
    Heal,
    Latency,
    OnStop,
    Reading,
    UseDns,
)
from f2b.errors import ConfigError


class Where(StrEnum):
    """The file that a setting belongs to. A jail may also set what belongs to its filter."""

    DAEMON = "f2b.conf"
    JAIL = "jail.conf"
    FILTER = "filter.d"


class Setting(NamedTuple):
    """A row of the table. `parse` is None for a text that another part of the loader takes apart.

    `ignored` is why an option of fail2ban's does nothing here; with a `parse`, that one refuses what must not be
    overlooked. `restart` says that a reload cannot change it.
    """

    name: str
    where: Where
    parse: Callable[[str], object] | None
    default: str
    help: str
    ignored: str = ""
    restart: bool = False


_LEVELS = ("CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_REASONS = {
    "port-unreachable": "reject",
    "tcp-reset": "tcp-reset",
    "reset": "tcp-reset",
    "no-route": "no-route",
    "net-unreachable": "no-route",
    "host-unreachable": "host-unreachable",
    "addr-unreachable": "host-unreachable",
    "admin-prohibited": "admin-prohibited",
    "adm-prohibited": "admin-prohibited",
}
_FAIL2BAN_LEVELS = {"MSG": "INFO", "TRACEDEBUG": "DEBUG", "HEAVYDEBUG": "DEBUG"}


def blocktype(text: str) -> Blocktype | None:
    """The spellings of nft and iptables count too: ``REJECT --reject-with icmp-port-unreachable``.

    A reason is the same for IPv4 and IPv6, whatever family it is written for.
    """
    if not text:
        return None
    verdict, *rest = text.lower().split()
    reason = rest[-1] if rest else ""
    for prefix in ("icmp-", "icmp6-", "icmpx-"):
        reason = reason.removeprefix(prefix)
    if verdict == "reject" and reason:
        verdict = _REASONS.get(reason, reason)
    if verdict not in {"drop", "reject", *_REASONS.values()}:
        raise values.needs("drop or reject", text)
    return Blocktype(verdict)


def source(text: str) -> Feed:
    return Feed(values.word("journal", "bans")(text))


def reading(text: str) -> Reading | None:
    """None: as the filter is written (f2b.config.reading)."""
    return values.choice(Reading)(text) if text else None


def loglevel(text: str) -> str:
    level = values.word(*_LEVELS, *_FAIL2BAN_LEVELS, upper=True)(text)
    return _FAIL2BAN_LEVELS.get(level, level)


def backend(text: str) -> None:
    """Refuse to look into another journal than the one that is named: there would be no attack to see."""
    parameters = spec.parse(text).options
    for name in ("journalpath", "journalfiles", "namespace"):
        if name in parameters:
            hint = "write journal = into f2b.conf: one journal is read for all jails"
            raise ConfigError(f"names a journal of its own, {name}={parameters[name]}", hint=hint)


def _ignored(where: Where, reason: str, names: str) -> tuple[Setting, ...]:
    return tuple(Setting(name, where, None, "", "", ignored=reason) for name in names.split())


# fmt: off
_DAEMON = (
    Setting(
        "socket", Where.DAEMON, values.path, "/run/f2b/f2b.sock",
        "the socket at which the daemon takes commands", restart=True,
    ),
    Setting(
        "dbfile", Where.DAEMON, values.path, "/var/lib/f2b/f2b.sqlite3",
        "the database of failures and bans", restart=True,
    ),
    Setting(
        "dbpurgeage", Where.DAEMON, values.positive_duration, "1d",
        "how long ended bans are remembered, and with them the offences that make bans grow",
    ),
    Setting(
        "journal", Where.DAEMON, values.journal, "system",
        "the journal to read: system, namespace:NAME, or a directory with the files of one machine",
        restart=True,
    ),
    Setting(
        "latency", Where.DAEMON, values.choice(Latency), "balanced",
        "how eagerly the journal is read: fast, balanced or quiet",
    ),
    Setting(
        "loglevel", Where.DAEMON, loglevel, "INFO",
        "how much is logged: CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG",
    ),
    Setting(
        "logtarget", Where.DAEMON, values.word("auto", "journal", "stderr"), "auto",
        "where the log goes: journal, stderr, or auto (the journal where there is one)",
        restart=True,
    ),
    Setting(
        "table", Where.DAEMON, values.kernel_name, "f2b-table",
        "the name of the nftables table, or what those of chains begin with", restart=True,
    ),
    Setting(
        "hook", Where.DAEMON, values.word("prerouting", "input"), "prerouting",
        "where packets are stopped: prerouting (forwarded ones too, so also those to containers) "
        "or input", restart=True,
    ),
    Setting(
        "nft_plain", Where.DAEMON, values.boolean, "no",
        "sets without timeouts and counters, hosts and networks in one, as fail2ban writes them",
        restart=True,
    ),
    Setting(
        "heal", Where.DAEMON, values.choice(Heal), "all",
        "what is put back when others remove it: all, or structure (not a single element)",
        restart=True,
    ),
    Setting(
        "onstop", Where.DAEMON, values.choice(OnStop), "keep",
        "what a stopping daemon does with the bans: keep or lift",
    ),
    Setting(
        "read_groups", Where.DAEMON, values.listed, "f2b",
        "the groups that may ask the daemon",
    ),
    Setting(
        "change_groups", Where.DAEMON, values.listed, "",
        "the groups that may ban and unban, besides root",
    ),
    *_ignored(Where.DAEMON, "IPv6 is always on", "allowipv6"),
    *_ignored(Where.DAEMON, "the database keeps no log lines", "dbmaxmatches"),
    *_ignored(Where.DAEMON, "f2b logs to the journal or to stderr", "syslogsocket"),
    *_ignored(Where.DAEMON, "systemd knows the process", "pidfile"),
    *_ignored(Where.DAEMON, "Python's is enough", "stacksize"),
)

_JAIL = (
    Setting("enabled", Where.JAIL, values.boolean, "false", "whether the jail runs"),
    Setting(
        "filter", Where.JAIL, None, "%(__name__)s[mode=%(mode)s]",
        "the filter, with its parameters; empty for a jail that takes bans by hand alone",
    ),
    Setting("mode", Where.JAIL, None, "normal", "the filter's mode, by way of filter"),
    Setting(
        "maxretry", Where.JAIL, values.integer(1), "5",
        "the number of failures within findtime that brings a ban",
    ),
    Setting("findtime", Where.JAIL, values.positive_duration, "10m", "how long a failure counts"),
    Setting(
        "bantime", Where.JAIL, values.lifetime, "10m", "how long a ban lasts; -1 is for ever"
    ),
    Setting(
        "bantime.increment", Where.JAIL, values.boolean, "false",
        "whether bans grow with the offences of their offender",
    ),
    Setting("bantime.factor", Where.JAIL, formula.number, "1", "banFactor in the formula"),
    Setting(
        "bantime.formula", Where.JAIL, formula.formula, formula.DOUBLING.text,
        "the seconds that a ban lasts after ban.Count earlier ones",
    ),
    Setting(
        "bantime.multipliers", Where.JAIL, formula.numbers, "",
        "what bantime is multiplied by instead, ban by ban; the last goes on",
    ),
    Setting("bantime.maxtime", Where.JAIL, values.longest, "", "how long a ban lasts at most"),
    Setting(
        "bantime.rndtime", Where.JAIL, values.period, "0",
        "up to how much is added to a ban by chance",
    ),
    Setting(
        "bantime.overalljails", Where.JAIL, values.boolean, "false",
        "whether the offences in all jails count",
    ),
    Setting(
        "counting", Where.JAIL, values.choice(Counting), "window",
        "when failures are enough: window (maxretry within findtime), or estimate (at that rate)",
    ),
    Setting(
        "ignoreip", Where.JAIL, asking.ignore_list, "",
        "addresses, networks and host names that are never banned and always let through, and "
        "file:PATH for a list of addresses",
    ),
    Setting(
        "ignoreself", Where.JAIL, values.boolean, "true",
        "whether the addresses of this machine are ignored too",
    ),
    Setting(
        "ignorecommand", Where.JAIL, asking.command, "",
        "a command that is asked before a failure counts: exit status 0 is no, 1 is yes",
    ),
    Setting(
        "ignorecache", Where.JAIL, asking.ignore_cache, "",
        'how its answers are remembered: key="<ip>", max-count=100, max-time=5m',
    ),
    Setting(
        "ipv4prefix", Where.JAIL, values.integer(8, 32), "32",
        "the length of the network that is banned around an IPv4 address",
    ),
    Setting(
        "ipv6prefix", Where.JAIL, values.integer(16, 128), "64",
        "the same for IPv6, where a single customer has a /64 at least",
    ),
    Setting(
        "maxoffenders", Where.JAIL, values.integer(1), "200000",
        "the number of addresses whose failures are counted at a time",
    ),
    Setting("maxbans", Where.JAIL, values.integer(1), "500000", "the number of bans at a time"),
    Setting(
        "banaction", Where.JAIL, None, "auto",
        "the firewall: auto, nftables, iptables-legacy, blackhole, nftables-allports, "
        "nftables-multiport, or auto[type=, port=, protocol=, blocktype=]",
    ),
    Setting(
        "banaction_allports", Where.JAIL, None, "auto", "a text for banaction to refer to"
    ),
    Setting(
        "action", Where.JAIL, None, "%(action_)s",
        "the actions: their firewalls make one wall, the others are files in action.d"
    ),
    Setting("port", Where.JAIL, ports, "0:65535", "the ports that nftables-multiport closes"),
    Setting("protocol", Where.JAIL, protocols, "tcp", "tcp, udp, tcp,udp or all"),
    Setting(
        "blocktype", Where.JAIL, blocktype, "",
        "drop, reject, or reject with a reason (tcp-reset, no-route, host-unreachable, "
        "admin-prohibited); without it nftables drops, and fail2ban's action names reject",
    ),
    *(
        Setting(name, Where.JAIL, None, text, "a text for action to refer to")
        for name, text in (
            ("action_", "%(banaction)s"),
            ("action_mw", "%(action_)s %(mta)s-whois"),
            ("action_mwl", "%(action_)s %(mta)s-whois-lines"),
            ("action_xarf", "%(action_)s xarf-login-attack"),
            (
                "action_cf_mwl",
                'cloudflare[cfuser="%(cfemail)s", cftoken="%(cfapikey)s"] %(mta)s-whois-lines',
            ),
            ("action_blocklist_de", "blocklist_de"),
            ("action_abuseipdb", "abuseipdb"),
            ("destemail", "root@localhost"),
            ("sender", "root@localhost"),
            ("sendername", "f2b"),
            ("mta", "sendmail"),
            ("cfemail", ""),
            ("cfapikey", ""),
            ("fail2ban_agent", "f2b/%(fail2ban_version)s"),
        )
    ),
    *_ignored(
        Where.JAIL, "f2b reads the journal and nothing else",
        "logpath skip_if_nologs systemd_if_nologs logencoding logtimezone",
    ),
    Setting("backend", Where.JAIL, backend, "", "", ignored="f2b reads the journal and nothing else"),
    *_ignored(Where.JAIL, "a journal entry carries its own time", "datepattern"),
    *_ignored(Where.JAIL, "the journal keeps the lines", "maxmatches"),
    *_ignored(Where.JAIL, "f2b's chain comes before all of these", "chain"),
)

_FILTER = (
    Setting(
        "failregex", Where.FILTER, None, "",
        "the regexes that make an entry a failure, one a line; they name the address with <HOST>",
    ),
    Setting("ignoreregex", Where.FILTER, None, "", "the regexes that undo a match, one a line"),
    Setting(
        "prefregex", Where.FILTER, None, "",
        "what every entry must match first; <F-CONTENT> is what the others then see",
    ),
    Setting(
        "journalmatch", Where.FILTER, None, "",
        "the entries to look at: FIELD=value ..., + between alternatives, * for all",
    ),
    Setting(
        "source", Where.FILTER, source, "journal",
        "journal, or bans: each ban of another jail is a failure",
    ),
    Setting(
        "reading", Where.FILTER, reading, "",
        "what regexes see of an entry: built (host ident[pid]: message), message (the program's own "
        "line), both; as the filter is written",
    ),
    Setting(
        "maxlines", Where.FILTER, values.integer(1, 1000), "1",
        "the number of lines that a regex sees at a time, with <SKIPLINES> between them",
    ),
    Setting(
        "usedns", Where.FILTER, values.choice(UseDns), "no",
        "what becomes of a host name in the place of the address: no, yes (looked up), warn or raw",
    ),
    Setting(
        "maxsessions", Where.FILTER, values.integer(1), "10000",
        "the number of sessions remembered at a time",
    ),
    Setting(
        "maxlength", Where.FILTER, values.integer(2048, 65536), "4096",
        "the characters of a message that regexes see: of a longer one its head and its last KiB",
    ),
)
# fmt: on

SETTINGS = (*_DAEMON, *_JAIL, *_FILTER)


def settings(*where: Where) -> dict[str, Setting]:
    """The rows of these places by name."""
    return {setting.name: setting for setting in SETTINGS if setting.where in where}


def nearest(name: str, known: Iterable[str]) -> str:
    """A question for an admin who mistyped; empty when nothing known is near."""
    import difflib  # noqa: PLC0415 - whoever mistypes nothing does not pay for it

    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
