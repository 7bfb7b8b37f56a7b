"""The configuration that is installed, alone and under the files of docker-mailserver."""

import shutil
from pathlib import Path

import pytest

from f2b.config.load import Config, load
from f2b.config.settings import Blocktype, DaemonSettings, Feed, WallSettings
from tests.unit.config.tree import write

ETC = Path(__file__).parents[3] / "etc"

MAILSERVER = """
[DEFAULT]

# "bantime" is the number of seconds that a host is banned.
bantime = 1w

findtime = 1w

maxretry = 6

ignoreip = 127.0.0.1/8

# nftables-multiport: block IP only on affected port
# nftables-allports:  block IP on all ports
banaction = nftables-allports

[dovecot]
enabled = true

[postfix]
enabled = true
mode = extra

[custom]
enabled = true
bantime = 180d
port = smtp,pop3,pop3s,imap,imaps,submission,submissions,sieve
"""
MAIL_PORTS = tuple((port, port) for port in (110, 143, 465, 587, 993, 995, 4190))


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ETC, tmp_path / "etc"))


def enable_all(etc: Path, more: str = "") -> Config:
    names = ("sshd", "postfix", "dovecot", "pam-generic", "recidive", "custom")
    text = "".join(f"[{name}]\nenabled = true\n" for name in names)
    return load(write(etc, {"jail.local": f"[DEFAULT]\n{more}\n{text}"}))


def test_as_shipped_sshd_and_custom_run_and_nothing_is_wrong(etc: Path) -> None:
    loaded = load(etc)
    assert [jail.name for jail in loaded.jails] == ["sshd", "custom"]
    assert loaded.problems == ()
    assert loaded.daemon == DaemonSettings()


def test_every_shipped_jail_can_be_enabled(etc: Path) -> None:
    loaded = enable_all(etc)
    assert loaded.problems == ()
    assert {jail.name: jail.filter.feed for jail in loaded.jails} == {
        "sshd": Feed.JOURNAL,
        "postfix": Feed.JOURNAL,
        "dovecot": Feed.JOURNAL,
        "pam-generic": Feed.JOURNAL,
        "recidive": Feed.BANS,
        "custom": Feed.NONE,
    }


def test_the_shipped_ports_serve_who_wants_multiport(etc: Path) -> None:
    walls = {
        jail.name: jail.wall.ports
        for jail in enable_all(etc, "banaction = nftables-multiport").jails
    }
    assert walls == {
        "sshd": ((22, 22),),
        "postfix": ((25, 25), (465, 465), (587, 587)),
        "dovecot": MAIL_PORTS,
        "pam-generic": (),
        "recidive": (),
        "custom": (),
    }


def test_what_is_written_out_in_f2b_conf_are_the_defaults(etc: Path) -> None:
    text = (etc / "f2b.conf").read_text(encoding="utf-8")
    lines = [line[1:] if line[:2].strip("#").isalpha() else "" for line in text.splitlines()]
    write(etc, {"f2b.local": "[Definition]\n" + "\n".join(line for line in lines if " =" in line)})
    assert load(etc).daemon == DaemonSettings()
    assert load(etc).problems == ()
    assert sum(" =" in line for line in lines) == 14


def test_the_jails_of_docker_mailserver(etc: Path) -> None:
    files = {
        "jail.local": MAILSERVER,
        "f2b.d/fixes.local": "[Definition]\nallowipv6 = auto;\n",
        "action.d/nftables-common.local": "[Init]\nblocktype = drop\n",
    }
    loaded = load(write(etc, files))
    assert [str(problem) for problem in loaded.problems] == [
        "f2b.d/fixes.local:2: allowipv6 is ignored because IPv6 is always on"
    ]
    jails = {jail.name: jail for jail in loaded.jails}
    assert list(jails) == ["sshd", "postfix", "dovecot", "custom"]
    week = 604_800
    for jail in loaded.jails:
        assert (jail.findtime, jail.maxretry) == (week, 6)
        assert [str(network) for network in jail.ignoreip] == ["127.0.0.0/8"]
        assert jail.wall == WallSettings(
            backend="nftables", protocols=("tcp",), blocktype=Blocktype.DROP
        )
    assert [jail.bantime for jail in jails.values()] == [week, week, week, 180 * 86_400]
    plain = enable_all(etc).jails[1]
    assert plain.name == "postfix"
    assert len(jails["postfix"].filter.failregex) > len(plain.filter.failregex)


def test_the_ports_of_docker_mailserver(etc: Path) -> None:
    files = {"jail.local": MAILSERVER.replace("nftables-allports", "nftables-multiport")}
    jails = {jail.name: jail for jail in load(write(etc, files)).jails}
    assert jails["dovecot"].wall.ports == MAIL_PORTS
    assert jails["custom"].wall.ports == ((25, 25), *MAIL_PORTS)
