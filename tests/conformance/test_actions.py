"""fail2ban's own action files: each one loads, and says the same as there."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from f2b.config.actions import read_actions
from f2b.config.files import Files
from f2b.config.settings import ActionSettings
from f2b.config.spec import Spec
from f2b.errors import Origin
from tests.conformance.corpus import tree
from tests.conformance.differential import Package

# Parts of other files, without a [Definition].
PARTS = {"firewallcmd-common", "helpers-common", "mail-whois-common"}


@pytest.fixture(scope="module")
def package() -> Package:
    root = tree()
    if root is None or not [
        *root.glob("usr/bin/fail2ban-client"),
        *root.glob("bin/fail2ban-client"),
    ]:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    return Package(root)


def names(package: Package) -> list[str]:
    found = sorted(path.stem for path in (package.config / "action.d").glob("*.conf"))
    return [name for name in found if name not in PARTS]


def read(package: Package, name: str) -> ActionSettings:
    where = Origin("jail.conf", 1)
    variables = {"port": "22", "protocol": "tcp"}
    found, problems = read_actions(
        [(Spec(name, {}), where)], Files(package.config), variables, "sshd"
    )
    assert [str(problem) for problem in problems] == []
    (action,) = found
    return action


def theirs(package: Package, directory: Path) -> Mapping[str, Mapping[str, str]]:
    """What fail2ban sends to its server for each action."""
    for name in (
        "fail2ban.conf",
        "paths-common.conf",
        "paths-debian.conf",
        "action.d",
        "filter.d",
    ):
        (directory / name).symlink_to(package.config / name)
    actions = "\n  ".join(names(package))
    (directory / "jail.conf").write_text(
        "[sshd]\nenabled = true\nbackend = systemd\nfilter = sshd\nport = 22\nprotocol = tcp\n"
        f"action = {actions}\n"
    )
    told = package.told("-c", str(directory), "-d")
    found = {}
    for line in told.splitlines():
        command = ast.literal_eval(line)
        if command[0] == "multi-set" and command[2] == "action":
            found[command[3]] = dict(command[4])
    return found


def test_every_action_file_loads(package: Package) -> None:
    assert len([read(package, name) for name in names(package)]) > 50


def test_every_command_without_families_is_the_same(package: Package, tmp_path: Path) -> None:
    """What differs by family is put in by fail2ban's server only when the family is known."""
    sent = theirs(package, tmp_path)
    assert sent.keys() == set(names(package))
    compared = 0
    for name, told in sent.items():
        action = read(package, name)
        if any("?" in option for option in told):
            continue
        for field, ours in action.inet4._asdict().items():
            text = told.get(f"action{field}", "")
            assert ours == text.strip(), f"{name}: action{field}"
            compared += bool(text.strip())
        assert action.norestored == (told.get("norestored") in {"1", "true", True})
    assert compared > 60


def test_a_part_is_no_action(package: Package) -> None:
    spec = Spec("helpers-common", {})
    found, (problem,) = read_actions(
        [(spec, Origin("jail.conf", 1))], Files(package.config), {}, "sshd"
    )
    assert (found, problem.text) == ((), "action 'helpers-common' has no [Definition]")
