"""The options of bans that grow, and of counting."""

from pathlib import Path

import pytest

from f2b.config.formula import formula
from f2b.config.problems import Severity
from f2b.config.settings import Counting, Increment
from tests.unit.config.tree import config, sshd

ON = "bantime.increment = true\n"


def test_bans_do_not_grow_unless_asked(tmp_path: Path) -> None:
    assert sshd(tmp_path, "bantime.factor = 2\nbantime.maxtime = 1h").increment is None


def test_the_defaults_of_the_table_are_those_of_the_dataclass(tmp_path: Path) -> None:
    assert sshd(tmp_path, ON).increment == Increment()


def test_all_options(tmp_path: Path) -> None:
    options = """bantime.factor = 1/2
bantime.formula = ban.Time * ban.Count %% 7
bantime.multipliers = 1 5, 30
bantime.maxtime = 5w
bantime.rndtime = 10m
bantime.overalljails = true
"""
    assert sshd(tmp_path, ON + options).increment == Increment(
        factor=0.5,
        formula=formula("ban.Time * ban.Count % 7"),
        multipliers=(1, 5, 30),
        maxtime=5 * 604_800,
        rndtime=600,
        overalljails=True,
    )


def test_what_is_set_to_nothing_has_its_default(tmp_path: Path) -> None:
    names = ("factor", "formula", "multipliers", "maxtime", "rndtime")
    options = "".join(f"bantime.{name} =\n" for name in names)
    assert sshd(tmp_path, ON + options).increment == Increment()


def test_a_negative_maxtime_is_none(tmp_path: Path) -> None:
    assert sshd(tmp_path, ON + "bantime.maxtime = -1").increment == Increment()


def test_counting(tmp_path: Path) -> None:
    assert sshd(tmp_path, "").counting is Counting.WINDOW
    assert sshd(tmp_path, "counting = estimate").counting is Counting.ESTIMATE


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("bantime.increment = often", "bantime.increment needs true or false, got 'often'"),
        ("bantime.factor = 0", "bantime.factor needs a number above zero, got '0'"),
        (
            "bantime.multipliers = 1 x",
            "bantime.multipliers needs a formula: 'x' is not understood",
        ),
        (
            "bantime.formula = ban.Time * (",
            "bantime.formula needs a formula: '(' was never closed",
        ),
        (
            "bantime.formula = ban.Tim",
            "bantime.formula needs a formula: 'ban.Tim' is not understood",
        ),
        ("bantime.maxtime = soon", "bantime.maxtime needs a duration"),
        ("bantime.rndtime = -5", "bantime.rndtime needs a duration of at least zero, got '-5'"),
        ("counting = fair", "counting needs window or estimate, got 'fair'"),
    ],
)
def test_a_bad_value_keeps_its_jail_out_and_names_its_line(
    tmp_path: Path, option: str, message: str
) -> None:
    text = f"[sshd]\nenabled = true\n{option}\n[other]\nenabled = true\nfilter = sshd\n"
    loaded = config(tmp_path, text)
    assert [jail.name for jail in loaded.jails] == ["other"]
    (problem,) = loaded.problems
    assert str(problem).startswith(f"jail.conf:3: {message}")
    assert (problem.severity, problem.jail) == (Severity.ERROR, "sshd")


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    text = "[sshd]\nenabled = true\nbantime.factor = x\nbantime.rndtime = x\nmaxretry = x\n"
    assert len(config(tmp_path, text).problems) == 3
