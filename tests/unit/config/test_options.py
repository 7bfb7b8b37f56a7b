"""Every option of fail2ban's has a row; one that works changes what f2b does, one that does not says why."""

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from f2b.addresses import parse
from f2b.config.load import load
from f2b.config.settings import (
    Blocktype,
    Counting,
    Feed,
    Heal,
    IgnoreCache,
    JailSettings,
    Latency,
    OnStop,
    Reading,
    UseDns,
)  # fmt: skip
from f2b.config.table import SETTINGS, Where, settings
from tests.unit.config.tree import config, sshd, write

OF_FAIL2BAN_CONF = "loglevel logtarget syslogsocket socket pidfile allowipv6 dbfile dbmaxmatches dbpurgeage stacksize"
OF_JAIL_CONF = (
    "enabled filter mode backend journalmatch logpath skip_if_nologs systemd_if_nologs maxretry findtime bantime "
    "maxmatches bantime.increment bantime.factor bantime.formula bantime.multipliers bantime.maxtime "
    "bantime.rndtime bantime.overalljails ignoreip ignoreself ignorecommand ignorecache failregex ignoreregex "
    "prefregex maxlines datepattern usedns logencoding logtimezone action banaction banaction_allports action_ "
    "action_mw action_mwl action_xarf action_cf_mwl action_blocklist_de action_abuseipdb port protocol chain "
    "destemail sender mta fail2ban_agent"
)
ROWS = {
    **{name: settings(Where.DAEMON).get(name) for name in OF_FAIL2BAN_CONF.split()},
    **{name: settings(Where.JAIL, Where.FILTER).get(name) for name in OF_JAIL_CONF.split()},
}

# What is written in [sshd], where it shows, and what is there then.
IN_A_JAIL: dict[str, tuple[str, str, Any]] = {
    "filter": ("filter = other", "filter.name", "other"),
    "maxretry": ("maxretry = 2", "maxretry", 2),
    "findtime": ("findtime = 1h", "findtime", 3600),
    "bantime": ("bantime = 1h", "bantime", 3600),
    "ignoreip": ("ignoreip = 192.0.2.7", "ignoreip", (parse("192.0.2.7"),)),
    "ignoreself": ("ignoreself = no", "ignoreself", False),
    "maxlines": ("maxlines = 3", "filter.maxlines", 3),
    "banaction": ("banaction = iptables-allports", "wall.blocktype", Blocktype.REJECT),
    "banaction_allports": (
        "banaction = %(banaction_allports)s\nbanaction_allports = nftables-allports",
        "wall.protocols",
        ("tcp",),
    ),
    "action": ("action = nftables[port=25]", "wall.ports", ((25, 25),)),
    "action_": ("action_ = nftables[port=25]", "wall.ports", ((25, 25),)),
    "port": ("banaction = nftables-multiport\nport = 26", "wall.ports", ((26, 26),)),
    "protocol": ("banaction = nftables-allports\nprotocol = udp", "wall.protocols", ("udp",)),
    "blocktype": ("blocktype = reject", "wall.blocktype", Blocktype.REJECT),
    "usedns": ("usedns = raw", "filter.usedns", UseDns.RAW),
    "ignorecommand": ("ignorecommand = /bin/ask <ip>", "ignorecommand", ("/bin/ask", "<ip>")),
    "ignorecache": (
        'ignorecache = key="<ip>", max-count=9, max-time=1m',
        "ignorecache",
        IgnoreCache("<ip>", 9, 60),
    ),
    "counting": ("counting = estimate", "counting", Counting.ESTIMATE),
    "ipv4prefix": ("ipv4prefix = 24", "ipv4prefix", 24),
    "ipv6prefix": ("ipv6prefix = 48", "ipv6prefix", 48),
    "maxoffenders": ("maxoffenders = 9", "maxoffenders", 9),
    "maxbans": ("maxbans = 9", "maxbans", 9),
    "source": ("source = bans", "filter.feed", Feed.BANS),
    "reading": ("reading = built", "filter.reading", Reading.BUILT),
    "maxsessions": ("maxsessions = 9", "filter.maxsessions", 9),
    "maxlength": ("maxlength = 9000", "filter.maxlength", 9000),
}
# What belongs to bans that grow, where they do.
GROWING: dict[str, tuple[str, str, Any]] = {
    "bantime.factor": ("3", "factor", 3),
    "bantime.formula": ("ban.Time * 2", "formula.text", "ban.Time * 2"),
    "bantime.multipliers": ("1 5 30", "multipliers", (1, 5, 30)),
    "bantime.maxtime": ("1d", "maxtime", 86400),
    "bantime.rndtime": ("1m", "rndtime", 60),
    "bantime.overalljails": ("yes", "overalljails", True),
}
LINES = ("failregex", "ignoreregex", "journalmatch")
MAIL = {
    "action_mw": "sendmail-whois",
    "action_mwl": "sendmail-whois-lines",
    "action_xarf": "xarf-login-attack",
    "action_cf_mwl": "cloudflare",
    "action_blocklist_de": "blocklist_de",
    "action_abuseipdb": "abuseipdb",
}
IN_F2B_CONF = {
    "loglevel": ("debug", "DEBUG"),
    "logtarget": ("stderr", "stderr"),
    "socket": ("/run/x.sock", Path("/run/x.sock")),
    "dbfile": ("/x.sqlite3", Path("/x.sqlite3")),
    "dbpurgeage": ("2d", 172_800),
    "journal": ("namespace:x", "namespace:x"),
    "latency": ("quiet", Latency.QUIET),
    "table": ("other", "other"),
    "hook": ("input", "input"),
    "nft_plain": ("yes", True),
    "heal": ("structure", Heal.STRUCTURE),
    "onstop": ("lift", OnStop.LIFT),
    "read_groups": ("adm", ("adm",)),
    "change_groups": ("adm", ("adm",)),
}
TEXTS = ("destemail", "sender", "sendername", "mta", "cfemail", "cfapikey", "fail2ban_agent")
ALONE = {"enabled", "mode", "prefregex", "bantime.increment"}
OTHER = {"filter.d/other.conf": "[Definition]\nfailregex = ^o <HOST>$\njournalmatch = O=1\n"}


def jail(directory: Path, options: str) -> JailSettings:
    return sshd(directory, options, dict(OTHER))


@pytest.mark.parametrize("name", ROWS)
def test_every_option_of_fail2ban_has_a_row(name: str) -> None:
    row = ROWS[name]
    assert row is not None
    assert bool(row.help) is not bool(row.ignored)


def test_every_option_that_works_is_tested() -> None:
    working = {row.name for row in SETTINGS if not row.ignored}
    assert working == {*IN_A_JAIL, *GROWING, *LINES, *MAIL, *IN_F2B_CONF, *ALONE, *TEXTS}


@pytest.mark.parametrize("name", IN_A_JAIL)
def test_an_option_of_a_jail_changes_the_jail(tmp_path: Path, name: str) -> None:
    options, place, expected = IN_A_JAIL[name]
    assert attrgetter(place)(jail(tmp_path, "")) != expected
    assert attrgetter(place)(jail(tmp_path, options)) == expected


def test_bantime_increment(tmp_path: Path) -> None:
    assert jail(tmp_path, "").increment is None
    assert jail(tmp_path, "bantime.increment = yes").increment is not None


@pytest.mark.parametrize("name", GROWING)
def test_an_option_of_bans_that_grow_changes_how(tmp_path: Path, name: str) -> None:
    text, place, expected = GROWING[name]
    grows = "bantime.increment = yes\n"
    assert attrgetter(place)(jail(tmp_path, grows).increment) != expected
    assert attrgetter(place)(jail(tmp_path, f"{grows}{name} = {text}").increment) == expected


@pytest.mark.parametrize("name", LINES)
def test_lines_of_a_jail_take_the_place_of_the_filters(tmp_path: Path, name: str) -> None:
    found = getattr(jail(tmp_path, f"{name} = A=1 <HOST>\n  B=2 <HOST>").filter, name)
    assert [line.text for line in found] == ["A=1 <HOST>", "B=2 <HOST>"]


def test_prefregex(tmp_path: Path) -> None:
    prefregex = jail(tmp_path, "prefregex = ^a <F-CONTENT>.*</F-CONTENT>").filter.prefregex
    assert prefregex is not None
    assert prefregex.text == "^a <F-CONTENT>.*</F-CONTENT>"


def test_mode_reaches_the_filter(tmp_path: Path) -> None:
    text = "[Definition]\nfailregex = ^<mode> <HOST>$\njournalmatch = A=1\n"
    found = sshd(tmp_path, "mode = more", {"filter.d/sshd.conf": text}).filter
    assert [line.text for line in found.failregex] == ["^more <HOST>$"]


def test_enabled(tmp_path: Path) -> None:
    assert len(config(tmp_path, "[sshd]\nenabled = yes\n").jails) == 1
    assert len(config(tmp_path, "[sshd]\nenabled = no\n").jails) == 0


@pytest.mark.parametrize("name", MAIL)
def test_a_text_for_action_names_what_is_missing(tmp_path: Path, name: str) -> None:
    text = f"[sshd]\nenabled = true\naction = %({name})s\n  nftables\n"
    said = [str(problem) for problem in config(tmp_path, text).problems]
    missing = f"there is no action {MAIL[name]!r}: action.d/{MAIL[name]}.conf does not exist"
    assert said[0].startswith(f"jail.conf:3: {missing}")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_reaches_the_actions(tmp_path: Path, name: str) -> None:
    files = {"action.d/tell.conf": f"[Definition]\nactionban = tell %({name})s <who>\n"}
    text = f"action = nftables\n  tell[who=%({name})s]\n{name} = somebody"
    (action,) = sshd(tmp_path, text, files).actions
    assert action.inet4.ban == "tell somebody somebody"


@pytest.mark.parametrize("name", IN_F2B_CONF)
def test_an_option_of_f2b_conf_changes_the_daemon(tmp_path: Path, name: str) -> None:
    text, expected = IN_F2B_CONF[name]
    found = []
    for line in ("", f"{name} = {text}"):
        write(tmp_path, {"jail.conf": "", "f2b.conf": f"[Definition]\n{line}\n"})
        found.append(getattr(load(tmp_path).daemon, name))
    assert found[0] != found[1] == expected


IGNORED = [row for row in SETTINGS if row.ignored]


@pytest.mark.parametrize("row", IGNORED, ids=lambda row: str(row.name))
def test_what_is_ignored_is_said_with_its_reason(tmp_path: Path, row: Any) -> None:
    files = {"jail.conf": "[sshd]\nenabled = true\nfilter =\n", "f2b.conf": "[Definition]\n"}
    files["f2b.conf" if row.where is Where.DAEMON else "jail.conf"] += f"{row.name} = 1\n"
    write(tmp_path, files)
    said = "\n".join(str(problem) for problem in load(tmp_path).problems)
    assert f"{row.name} is ignored because {row.ignored}" in said
