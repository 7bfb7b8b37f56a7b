"""What a reload has to do."""

from pathlib import Path

import pytest

from f2b.config.diff import Part, diff, fingerprint, other_firewalls
from f2b.config.load import Config
from tests.unit.config.tree import SSHD, config

BASE = "[sshd]\nenabled = true\n"


def pair(directory: Path, old: str, new: str) -> tuple[Config, Config]:
    return config(directory / "old", old), config(directory / "new", new)


def test_jails_come_go_and_stay(tmp_path: Path) -> None:
    old, new = pair(
        tmp_path,
        BASE + "[a]\nenabled = true\nfilter =\n",
        BASE + "[b]\nenabled = true\nfilter =\n",
    )
    plan = diff(old, new)
    assert [jail.name for jail in plan.added] == ["b"]
    assert [jail.name for jail in plan.removed] == ["a"]
    assert [jail.name for jail in plan.kept] == ["sshd"]
    assert plan.changed == ()


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("maxretry = 3", {Part.THRESHOLDS}),
        ("bantime = -1", {Part.THRESHOLDS}),
        ("bantime.increment = true", {Part.THRESHOLDS}),
        ("bantime.formula = ban.Time", set()),
        ("counting = estimate", {Part.THRESHOLDS}),
        ("ipv6prefix = 48", {Part.THRESHOLDS}),
        ("ignoreip = 192.0.2.1", {Part.IGNORE}),
        ("ignoreself = false", {Part.IGNORE}),
        ("blocktype = reject", {Part.WALL}),
        ("failregex = other", {Part.FILTER}),
        ("journalmatch = A=1", {Part.FILTER}),
        ("maxsessions = 1", {Part.FILTER}),
        ("maxlines = 2", {Part.FILTER}),
        ("maxlength = 2048", {Part.FILTER}),
        ("reading = built", {Part.FILTER}),
        ("usedns = yes", {Part.FILTER}),
        ("ignoreip = a.example", {Part.IGNORE}),
        ("ignorecommand = true", {Part.IGNORE}),
        ('ignorecache = key="<ip>"', {Part.IGNORE}),
        ("maxretry = 3\nblocktype = reject", {Part.THRESHOLDS, Part.WALL}),
        ("# a comment", set()),
    ],
)
def test_what_changed_about_a_jail(tmp_path: Path, option: str, parts: set[Part]) -> None:
    old, new = pair(tmp_path, BASE, BASE + option)
    plan = diff(old, new)
    assert [change.parts for change in plan.changed] == ([parts] if parts else [])
    assert bool(plan.kept) is not bool(parts)


def test_a_moved_line_changes_nothing(tmp_path: Path) -> None:
    old = config(tmp_path / "old", BASE)
    new = config(tmp_path / "new", f"# moved\n\n{BASE}", {"filter.d/sshd.conf": f"\n\n{SSHD}"})
    assert diff(old, new).changed == ()
    assert fingerprint(old.jails[0]) == fingerprint(new.jails[0])


def test_the_fingerprint_is_of_what_decides_what_is_a_failure(tmp_path: Path) -> None:
    options = [
        "",
        "maxretry = 3\nport = ssh",
        "failregex = x",
        "journalmatch = *",
        "ignoreregex = x",
        "maxlines = 2",
        "usedns = yes",
        "usedns = raw",
    ]
    jails = [config(tmp_path, BASE + option).jails[0] for option in options]
    plain, thresholds, *others = (fingerprint(jail) for jail in jails)
    assert plain == thresholds
    assert len({plain, *others}) == 7


def test_another_firewall_is_named(tmp_path: Path) -> None:
    best, legacy = pair(tmp_path, BASE, BASE + "banaction = iptables-legacy\n")
    assert other_firewalls(best, legacy, "nftables") == {"iptables-legacy"}
    assert other_firewalls(best, legacy, "iptables-legacy with sets") == set()
    assert other_firewalls(legacy, legacy, "iptables-legacy") == set()
    assert other_firewalls(legacy, best, "iptables-legacy") == set()


def test_a_jail_that_only_watches_needs_no_other_firewall(tmp_path: Path) -> None:
    best, watching = pair(tmp_path, BASE, BASE + "banaction = null\n")
    assert other_firewalls(best, watching, "nftables") == set()
    assert other_firewalls(watching, best, "nftables") == set()
    assert other_firewalls(watching, best, "null") == {"auto"}


def test_daemon_settings_that_need_a_restart_are_named(tmp_path: Path) -> None:
    old = config(tmp_path / "old", BASE)
    text = "[Definition]\nloglevel = DEBUG\ntable = other\nsocket = /tmp/s\n"
    new = config(tmp_path / "new", BASE, {"f2b.conf": text})
    assert diff(old, new).restart == ("socket", "table")
