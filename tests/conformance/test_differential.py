"""Our reader and fail2ban's own read the same files: what each of them makes of every option."""

import shutil
from pathlib import Path

import pytest

from f2b.config.load import load
from f2b.config.ports import ports, protocols
from f2b.times import duration
from tests.conformance.corpus import tree
from tests.conformance.differential import Package, differences, ours
from tests.conformance.random_trees import Trees
from tests.unit.config.tree import write

NASTY = Path(__file__).parent / "nasty"

# What must have been compared in a stock jail; the rest is compared where both sides tell it.
ALWAYS = {
    "failregex", "ignoreregex", "maxlines", "journalmatch", "maxretry", "findtime", "bantime", "ignoreip"
}  # fmt: skip

# Tree, jail, option; why.
DELIBERATE = {
    (
        "filters",
        "families",
        "failregex",
    ): "fail2ban leaves <kind> to the time when the family is known, "
    "which comes for actions and never for filters: its regex can match nothing",
    (
        "quirks",
        "next-line",
        "prefregex",
    ): "it keeps the empty first line: its regex can match nothing",
    (
        "quirks",
        "known-init",
        "failregex",
    ): "its known/failregex is made without [Init], the filter's own with it; "
    "ours is what the filter has",
    (
        "quirks",
        "known-tag",
        "failregex",
    ): "<known/x> is what was there before: of a first file, what DEFAULT has",
    (
        "quirks",
        "jail-regex",
        "failregex",
    ): "a jail's ignoreregex is no variable of its filter's other regexes",
    ("quirks", "jail-regex", "prefregex"): "the same",
    ("quirks", "percent", "failregex"): "what is interpolated once is not interpolated again",
}


@pytest.fixture(scope="module")
def package() -> Package:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    return Package(root)


def stock(package: Package, directory: Path, default: str = "") -> Path:
    """Every jail of the package, as on a machine that reads them all from the journal."""
    shutil.copytree(package.config, directory, dirs_exist_ok=True)
    local = f"[DEFAULT]\nenabled = true\nbackend = systemd\n{default}\n"
    (directory / "jail.local").write_text(local)
    return directory


@pytest.mark.parametrize("default", ["", "mode = aggressive", "mode = extra\nbantime = -1"])
def test_every_stock_jail_has_the_same_values(
    package: Package, tmp_path: Path, default: str
) -> None:
    directory = stock(package, tmp_path, default)
    theirs, own = package.jails(directory), ours(directory)
    assert (differences(theirs, own), list(theirs)) == ({}, list(own))
    assert len(own) > 80
    assert [jail for jail, options in own.items() if ALWAYS - options.keys()] == []


def test_every_stock_wall_has_the_ports_that_fail2ban_would_close(
    package: Package, tmp_path: Path
) -> None:
    directory = stock(package, tmp_path, "journalmatch = A=1")
    theirs = package.jails(directory)
    jails = load(directory).jails
    assert len(jails) > 80
    for jail in jails:
        closed = [
            (ports(action["port"]) if action.get("type") != "allports" else (), protocols(action["protocol"]))
            for action in theirs[jail.name]["actions"]
        ]  # fmt: skip
        # A jail may have one action for tcp and another for udp: ours is one wall for both.
        assert {span for spans, _ in closed for span in spans} == set(jail.wall.ports)
        assert {name for _, names in closed for name in names} == set(jail.wall.protocols)


@pytest.mark.parametrize("name", sorted(path.name for path in NASTY.iterdir()))
def test_nasty_files_are_read_alike(package: Package, tmp_path: Path, name: str) -> None:
    shutil.copytree(NASTY / name, tmp_path, dirs_exist_ok=True)
    (tmp_path / "fail2ban.conf").write_text("[Definition]\n")
    theirs, own = package.jails(tmp_path), ours(tmp_path)
    found = {(name, *place): values for place, values in differences(theirs, own).items()}
    assert list(theirs) == list(own)
    meant = {place for place in DELIBERATE if place[0] == name}
    assert {place: values for place, values in found.items() if place not in meant} == {}
    assert found.keys() == meant, "no longer a deviation"


def test_durations_are_read_alike(package: Package) -> None:
    texts = [
        "600", "0", "-1", "-1h", "1h30", "1h-30m", "1.5h", "5 * 60", "1M", "1y6mo", "1d12h", "1 d 12 h",
        "2w 3d", "(1h + 30m) * 2", "1hour 30 minutes", "3ww2dd1hh4mm5ss", "1mo / 2", "90sec", "1mon1wee1da",
    ]  # fmt: skip
    assert [duration(text) for text in texts] == pytest.approx(package.seconds(texts))


def test_a_difference_is_noticed(package: Package, tmp_path: Path) -> None:
    shutil.copytree(NASTY / "specs", tmp_path, dirs_exist_ok=True)
    (tmp_path / "fail2ban.conf").write_text("[Definition]\n")
    before = package.jails(tmp_path)
    with (tmp_path / "filter.d/f.conf").open("a") as file:
        file.write("ignoreregex = ^<x>$\n")
    assert ours(tmp_path)["one"]["ignoreregex"] != before["one"]["ignoreregex"]


def test_random_trees_are_read_alike(package: Package, tmp_path: Path) -> None:
    trees = Trees(seed=2)
    directories = [write(tmp_path / str(number), trees.tree()) for number in range(400)]
    compared = 0
    for directory, theirs in zip(directories, package.many(directories), strict=True):
        if theirs is None:
            continue  # of names that are not defined, it refuses the whole; we refuse the jail
        assert differences(theirs, ours(directory)) == {}, directory
        compared += 1
    assert compared > 100
