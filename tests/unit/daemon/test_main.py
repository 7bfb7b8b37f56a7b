"""``f2b run`` before it runs: which wall, and what a status says."""

from pathlib import Path
from typing import NoReturn

import pytest

from f2b import __main__
from f2b.config.load import Config
from f2b.config.problems import Problem, Severity
from f2b.config.settings import DaemonSettings, WallSettings
from f2b.daemon.main import _backend_name
from f2b.decide.assemble import assemble
from f2b.errors import ConfigError, Exit
from tests.unit.decide.making import HERE, jail, settings

NULL, NFTABLES = WallSettings(backend="null"), WallSettings(backend="nftables")


def test_the_jails_name_the_backend() -> None:
    assert _backend_name([jail(wall=NULL), jail(name="other", wall=NULL)]) == "null"


def test_without_jails_it_is_the_best() -> None:
    assert _backend_name([]) == "auto"


def test_auto_goes_along_with_any_other() -> None:
    assert _backend_name([jail(wall=NFTABLES), jail(name="other")]) == "nftables"


def test_a_jail_that_only_watches_takes_no_other_jails_wall_away() -> None:
    assert _backend_name([jail(wall=NULL), jail(name="other")]) == "auto"
    assert _backend_name([jail(wall=NULL), jail(name="other", wall=NFTABLES)]) == "nftables"


def test_two_backends_are_an_error() -> None:
    routes = WallSettings(backend="blackhole")
    with pytest.raises(ConfigError, match="different backends: blackhole, nftables"):
        _backend_name([jail(wall=routes), jail(name="other", wall=NFTABLES)])


def test_a_broken_jail_has_no_say() -> None:
    problem = Problem(Severity.ERROR, HERE, "no filter", jail="gone")
    loaded = Config(DaemonSettings(), (settings(wall=NULL),), (problem,), Path("/nowhere"))
    assert _backend_name(assemble(loaded).jails) == "null"


def test_what_nobody_expected_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*_: object) -> NoReturn:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("sys.argv", ["f2b", "ping"])
    monkeypatch.setattr("f2b.cli.commands.execute", bug)
    assert __main__.main() == Exit.BUG
    assert capsys.readouterr().err.endswith("ZeroDivisionError: oops\n")
