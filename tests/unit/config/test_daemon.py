"""f2b.conf, and a fail2ban.conf in its place."""

from pathlib import Path

import pytest

from f2b.config.load import Config, load
from f2b.config.problems import ConfigErrors
from f2b.config.settings import DaemonSettings, Latency, OnStop
from tests.unit.config.tree import SSHD, write

JAIL = {"jail.conf": "[sshd]\nenabled = true\n", "filter.d/sshd.conf": SSHD}


def config(directory: Path, text: str, name: str = "f2b.conf") -> Config:
    return load(write(directory, {**JAIL, name: text}))


@pytest.mark.parametrize("text", ["", "[Definition]\n", "[DEFAULT]\n"])
def test_without_settings_the_defaults_hold(tmp_path: Path, text: str) -> None:
    assert config(tmp_path, text).daemon == DaemonSettings()
    (tmp_path / "f2b.conf").unlink()
    assert load(tmp_path).daemon == DaemonSettings()


def test_all_settings(tmp_path: Path) -> None:
    text = """
[DEFAULT]
socket = /tmp/s
[Definition]
dbfile = /tmp/db
dbpurgeage = 2d
journal = namespace:mail
latency = Fast
loglevel = debug
logtarget = STDERR
table = mine
hook = input
onstop = lift
read_groups = adm, wheel
change_groups =
"""
    loaded = config(tmp_path, text)
    assert loaded.problems == ()
    assert loaded.daemon == DaemonSettings(
        socket=Path("/tmp/s"),
        dbfile=Path("/tmp/db"),
        dbpurgeage=172_800,
        journal="namespace:mail",
        latency=Latency.FAST,
        loglevel="DEBUG",
        logtarget="stderr",
        table="mine",
        hook="input",
        onstop=OnStop.LIFT,
        read_groups=("adm", "wheel"),
        change_groups=(),
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("socket = f2b.sock", "socket needs an absolute path, got 'f2b.sock'"),
        ("dbfile =", "dbfile needs an absolute path, got ''"),
        ("dbpurgeage = 0", "dbpurgeage needs a duration above zero, got '0'"),
        (
            "journal = mail",
            "journal needs system, namespace:NAME or an absolute directory, got 'mail'",
        ),
        ("hook = forward", "hook needs prerouting or input, got 'forward'"),
        (
            "table = a b",
            "table needs a name that nft can print (letters, digits, - _ . /), got 'a b'",
        ),
        ("logtarget = /var/log/x", "logtarget needs auto or journal or stderr, got '/var/log/x'"),
        ("loglevel = %(none)s", "%(none)s is not defined (seen from [Definition])"),
    ],
)
def test_a_bad_setting_stops_the_load(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigErrors) as errors:
        config(tmp_path, f"[Definition]\n{setting}\n")
    assert str(errors.value) == f"f2b.conf:2: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[Definition]\nallowipv6 = auto;\n",
            "f2b.conf:2: allowipv6 is ignored because IPv6 is always on",
        ),
        (
            "[Thread]\nstacksize = 0\n",
            "f2b.conf:2: stacksize is ignored because Python's is enough",
        ),
        (
            "[Definition]\nloglvl = x\n",
            "f2b.conf:2: loglvl is not known to f2b (did you mean loglevel?)",
        ),
        ("[daemon]\n", "[daemon] means nothing here (settings are in [Definition])"),
    ],
)
def test_what_does_nothing_is_a_warning(tmp_path: Path, text: str, message: str) -> None:
    assert [str(problem) for problem in config(tmp_path, text).problems] == [message]


def test_fail2ban_conf_stands_in_without_lending_its_socket_or_database(tmp_path: Path) -> None:
    text = """[Definition]
loglevel = HEAVYDEBUG
logtarget = /var/log/fail2ban.log
socket = /var/run/fail2ban/fail2ban.sock
dbfile = /var/lib/fail2ban/fail2ban.sqlite3
dbpurgeage = 1w
"""
    loaded = config(tmp_path, text, "fail2ban.conf")
    assert loaded.daemon == DaemonSettings(loglevel="DEBUG", dbpurgeage=604_800)
    assert [str(problem) for problem in loaded.problems] == [
        "fail2ban.conf:3: logtarget, socket, dbfile are ignored because f2b has its own, set in f2b.conf"
    ]


def test_beside_an_f2b_conf_fail2ban_conf_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"f2b.conf": "[Definition]\n"})
    assert (
        config(tmp_path, "[Definition]\nloglevel = DEBUG", "fail2ban.conf").daemon.loglevel
        == "INFO"
    )
