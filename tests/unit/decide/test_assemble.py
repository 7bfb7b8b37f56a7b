"""From settings to jails: what is broken in one jail stops that jail alone."""

from pathlib import Path

from f2b.config.load import Config
from f2b.config.problems import Problem, Severity
from f2b.config.settings import DaemonSettings, FilterSettings, JailSettings
from f2b.decide.assemble import Assembly, assemble
from f2b.decide.jail import Jail
from f2b.model import Ban
from tests.unit.decide.making import HERE, fail, located, network, settings

BAD = FilterSettings(name="bad", failregex=located("(<HOST>"), journalmatch=located("_COMM=a"))


def assembled(*jails: JailSettings, problems: tuple[Problem, ...] = ()) -> Assembly:
    return assemble(Config(DaemonSettings(), jails, problems, Path("/nowhere")))


def by_name(assembly: Assembly) -> dict[str, Jail]:
    return {jail.name: jail for jail in assembly.jails}


def test_good_jails_run() -> None:
    assembly = assembled(settings(), settings(name="other"))
    assert list(by_name(assembly)) == ["sshd", "other"]
    assert assembly.errors == []


def test_a_broken_jail_does_not_stop_the_others() -> None:
    jails = by_name(assembled(settings(name="bad", filter=BAD), settings()))
    assert jails["sshd"].broken is None
    assert fail(jails["sshd"], "192.0.2.7", 100)


def test_a_broken_jail_says_why_with_file_and_line() -> None:
    assembly = assembled(settings(name="bad", filter=BAD))
    (error,) = assembly.errors
    assert str(error).startswith("filter.d/test.conf:1: bad regex: ")
    assert by_name(assembly)["bad"].broken == str(error)


def test_everything_that_is_wrong_with_a_filter_is_told() -> None:
    filter_ = FilterSettings(
        name="bad",
        failregex=located("(<HOST>", "^good <HOST>$"),
        ignoreregex=located("["),
        prefregex=located("(?P<a>")[0],
        journalmatch=located("_COMM=a", "sshd"),
    )
    said = [error.message for error in assembled(settings(filter=filter_)).errors]
    told = ["'(?P<a>'", "'(<HOST>'", "'['", "'sshd'"]
    assert [text for text in told for line in said if text in line] == told
    assert len(said) == len(told)


def test_a_broken_jail_reads_nothing_but_holds_its_bans() -> None:
    bad = by_name(assembled(settings(name="bad", filter=BAD)))["bad"]
    bad.restore([], [Ban("bad", network("192.0.2.7"), 100, 700)], 100, 100)
    assert bad.match is None
    assert bad.ledger.get(network("192.0.2.7"))


def test_a_bad_journalmatch_breaks_the_jail() -> None:
    filter_ = FilterSettings(name="x", failregex=located("<HOST>"), journalmatch=located("sshd"))
    (error,) = assembled(settings(filter=filter_)).errors
    assert "sshd" in str(error)


def test_a_jail_that_could_not_be_loaded_holds_its_bans_too() -> None:
    problem = Problem(Severity.ERROR, HERE, "no filter", jail="gone")
    assembly = assembled(settings(), problems=(problem,))
    assert by_name(assembly)["gone"].broken == "filter.d/test.conf:1: no filter"


def test_a_warning_breaks_nothing() -> None:
    problem = Problem(Severity.WARNING, HERE, "old name", jail="sshd")
    assembly = assembled(settings(), problems=(problem,))
    assert by_name(assembly)["sshd"].broken is None
    assert (assembly.errors, list(assembly.problems)) == ([], [problem])
