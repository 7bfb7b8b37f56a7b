"""Who offers what, and what is said when that cannot be had."""

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from f2b import plugins
from f2b.errors import ConfigError
from tests.support.processes import CHECKOUT


def offer(folder: Path, lines: str, module: str = "", *, package: str = "mine") -> Path:
    """A package as pip leaves it behind."""
    info = folder / f"{package}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{plugins.BACKENDS}]\n{lines}\n")
    if module:
        (folder / f"{package}.py").write_text(module)
    return folder


def test_the_table_and_the_entry_points_say_the_same() -> None:
    parser = ConfigParser(delimiters=("=",))
    parser.read(CHECKOUT / "setup.cfg")
    listed: dict[str, dict[str, str]] = {}
    group = ""
    for line in (CHECKOUT / "setup.cfg").read_text().splitlines():
        if line.endswith(" =") and not line.startswith((" ", "#")):
            group = line.removesuffix(" =")
        elif line.startswith("    ") and group.startswith("f2b."):
            name, _, value = line.strip().partition(" = ")
            listed.setdefault(group, {})[name] = value
        elif not line:
            group = ""
    table = {group: dict(rows) for group, rows in plugins.BUILT_IN.items() if rows}
    assert listed == table


def test_ours_can_be_loaded() -> None:
    for group, rows in plugins.BUILT_IN.items():
        assert all(callable(plugins.load(group, name)) for name in rows)


def test_ours_cost_no_look_at_other_packages() -> None:
    code = (
        "import sys; from f2b import plugins; plugins.load(plugins.BACKENDS, 'null'); "
        "assert plugins.offered(plugins.BACKENDS, 'nftables'); "
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    subprocess.run([sys.executable, "-S", "-c", code], cwd=CHECKOUT, check=True)


def test_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(offer(tmp_path, "cloud = mine:make", "def make(): return 7\n"))
    assert "cloud" in plugins.names(plugins.BACKENDS)
    assert plugins.offered(plugins.BACKENDS, "cloud")
    assert not plugins.offered(plugins.SIDE_ACTIONS, "cloud")
    assert plugins.load(plugins.BACKENDS, "cloud")() == 7


def test_a_name_of_ours_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(offer(tmp_path, "null = evil:make"))
    assert plugins.load(plugins.BACKENDS, "null").__module__ == "f2b.actions.null"
    assert plugins.names(plugins.BACKENDS).count("null") == 1


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import nosuchmodule", r"ModuleNotFoundError: No module named 'nosuchmodule', at .*mine2\.py:1"),
        ("raise SystemExit(3)", r"SystemExit: 3, at .*mine2\.py:1"),
        ("def other(): pass", "AttributeError: .*make"),
        ("def make(:", "SyntaxError"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, why: str
) -> None:
    monkeypatch.syspath_prepend(offer(tmp_path, "cloud = mine2:make", module, package="mine2"))
    monkeypatch.delitem(sys.modules, "mine2", raising=False)
    with pytest.raises(ConfigError, match=why) as error:
        plugins.load(plugins.BACKENDS, "cloud")
    assert "'cloud' of package mine2 1.2 cannot be imported" in error.value.message
    assert sys.executable in error.value.hint


def test_a_name_that_two_offer_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "two"):
        monkeypatch.syspath_prepend(
            offer(tmp_path / package, f"cloud = {package}:make", package=package)
        )
    with pytest.raises(ConfigError, match=r"more than once, by package one 1\.2 and package two"):
        plugins.load(plugins.BACKENDS, "cloud")


def test_what_nobody_offers_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no plug-in is called 'horn'"):
        plugins.load(plugins.SIDE_ACTIONS, "horn")
