"""Everything that a tool can check, as tests. A missing tool skips on a laptop and fails on CI."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.processes import CHECKOUT

MAXIMUM_EXPOSURE = 1.5
UNITS = CHECKOUT / "etc/systemd"


def run(argv: Sequence[str], *, status: int = 0) -> str:
    """What argv prints, both streams. Its exit status must be as expected."""
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is not here")
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode != status:
        pytest.fail(f"{' '.join(argv)}:\n{said}", pytrace=False)
    return said


def test_ruff() -> None:
    run(["ruff", "check", "--no-cache", "."])


def test_mypy() -> None:
    run(["mypy", "f2b", "tests", "demo"])


def test_imports_go_one_way() -> None:
    run(["lint-imports", "--no-cache"])


PAGES = sorted((CHECKOUT / "man").glob("*.[1-8]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_page(page: Path) -> None:
    warnings = run(["groff", "-t", "-man", "-Tutf8", "-ww", "-z", "-rLL=100n", str(page)])
    assert warnings == ""


SCRIPTS = (".ci/run", ".ci/packages", "demo/run", "demo/sshd", "tests/support/journald-init")


@pytest.mark.parametrize("script", SCRIPTS)
def test_shell_script_parses(script: str) -> None:
    assert run(["bash" if script == ".ci/run" else "sh", "-n", script]) == ""


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Our units, startable on a machine where f2b is not installed."""
    names = ("f2b.service", "f2b.socket", "f2b-root.socket", "f2b-root@.service")
    for unit in names:
        text = (UNITS / unit).read_text()
        (tmp_path / unit).write_text(re.sub(r"/opt/f2b/bin/\w+ .+", "/bin/true", text))
    return [str(tmp_path / unit) for unit in names]


def test_systemd_takes_the_units(units: list[str]) -> None:
    complaints = run(["systemd-analyze", "verify", "--man=no", *units]).splitlines()
    # Back-off came with systemd 254.
    known = ("'RestartSteps'", "'RestartMaxDelaySec'")
    assert [line for line in complaints if not any(word in line for word in known)] == []


@pytest.mark.parametrize("name", ["network", "mail", "iptables-legacy"])
def test_systemd_takes_the_drop_ins_and_they_open_little(units: list[str], name: str) -> None:
    folder = Path(f"{units[0]}.d")
    folder.mkdir()
    shutil.copy(UNITS / f"f2b.service.d/{name}.conf", folder)
    complaints = run(["systemd-analyze", "verify", "--man=no", units[0]]).splitlines()
    assert [line for line in complaints if name in line] == []
    assert exposure(units[0]) <= MAXIMUM_EXPOSURE + 0.5


def test_sandbox_is_tight(units: list[str]) -> None:
    assert exposure(units[0]) <= MAXIMUM_EXPOSURE


def exposure(unit: str) -> float:
    analysis = run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit])
    found = re.search(r"Overall exposure level for f2b.service: ([\d.]+)", analysis)
    assert found
    return float(found[1])


def test_systemd_takes_the_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(UNITS / "f2b.catalog", folder)
    assert run(["journalctl", f"--root={tmp_path}", "--update-catalog"]) == ""
    listing = run(["journalctl", f"--root={tmp_path}", "--list-catalog"])
    assert len(listing.splitlines()) == (UNITS / "f2b.catalog").read_text().count("\n-- ")


@pytest.mark.root
def test_systemd_makes_account_and_folders(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run(["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "f2b.sysusers")])
    run(["systemd-tmpfiles", f"--root={tmp_path}", "--create", str(UNITS / "f2b.tmpfiles")])
    account = re.search(r"^f2b:[^:]*:(\d+):", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
    assert account
    assert (tmp_path / "var/lib/f2b").stat().st_uid == int(account[1])
