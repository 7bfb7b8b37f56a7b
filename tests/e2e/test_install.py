"""`make install` and `make uninstall`, staged below a folder, without a network: what they bring, keep, remove."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import CHECKOUT

pytestmark = pytest.mark.slow


class Staged:
    """A machine's files below a folder."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root = root
        self.config = root / "etc/f2b"
        self.shipped = root / "opt/f2b/share/etc"
        self._environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}

    def make(self, target: str) -> str:
        done = subprocess.run(
            ["make", "--no-print-directory", target, f"DESTDIR={self.root}"],
            cwd=CHECKOUT, env=self._environment, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only step that needs a network."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(["make", "wheels", f"WHEELS={folder}"], cwd=CHECKOUT, check=True, timeout=300)
    return folder


@pytest.fixture
def staged(tmp_path: Path, wheels: Path) -> Staged:
    return Staged(tmp_path, wheels)


def test_a_life_of_an_installation(staged: Staged, wheels: Path) -> None:
    """One test, because each installation takes seconds: install, run, change, install again, upgrade, remove."""
    staged.make("install")
    assert_complete(staged)
    assert_runs(staged)
    brought = staged.root.glob("opt/f2b/lib/python3*/site-packages/hyperscan")
    assert any(brought) == any(wheels.glob("hyperscan-*"))

    his = {
        staged.config / "jail.d/mine.conf": "[sshd]\nenabled = true\n",
        staged.config / "jail.local": "[DEFAULT]\nbantime = 1w\n",
        staged.config / "jail.conf": "# changed by the admin\n",
        staged.root / "var/lib/f2b/f2b.sqlite3": "memory",
    }
    for path, text in his.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert "kept" not in staged.make("install")
    assert_texts(his)

    for path in (
        staged.shipped / "jail.conf",
        staged.shipped / "f2b.conf",
        staged.config / "f2b.conf",
    ):
        path.write_text("# as an older f2b shipped it\n")
    assert "kept your" in staged.make("install")
    assert_texts(his)
    assert (staged.config / "jail.conf.new").read_text() == (
        CHECKOUT / "etc/jail.conf"
    ).read_text()
    assert (staged.config / "f2b.conf").read_text() == (CHECKOUT / "etc/f2b.conf").read_text()

    staged.make("uninstall")
    assert_texts(his)
    assert staged.files() == {str(path.relative_to(staged.root)) for path in his}
    staged.make("uninstall")


def assert_complete(staged: Staged) -> None:
    local = "usr/local"
    expected = {
        "opt/f2b/bin/f2b",
        f"{local}/bin/f2b",
        f"{local}/lib/systemd/system/f2b.service",
        f"{local}/lib/systemd/system/f2b.socket",
        f"{local}/lib/systemd/system/f2b-root.socket",
        f"{local}/lib/systemd/system/f2b-root@.service",
        "opt/f2b/share/f2b.service.d/network.conf",
        f"{local}/lib/systemd/catalog/f2b.catalog",
        f"{local}/lib/sysusers.d/f2b.conf",
        f"{local}/lib/tmpfiles.d/f2b.conf",
        "etc/f2b/f2b.conf",
        "etc/f2b/jail.conf",
        "etc/f2b/filter.d/sshd.conf",
        *(f"{local}/share/man/man{page.suffix[1:]}/{page.name}" for page in (CHECKOUT / "man").glob("*.[1-8]")),
    }  # fmt: skip
    assert expected - staged.files() == set()


def assert_runs(staged: Staged) -> None:
    assert (staged.root / "usr/local/bin/f2b").readlink() == Path("/opt/f2b/bin/f2b")
    script = (staged.root / "opt/f2b/bin/f2b").read_text()
    assert script.startswith("#!/opt/f2b/bin/python")
    unit = (staged.root / "usr/local/lib/systemd/system/f2b.service").read_text()
    assert "\nExecStart=/opt/f2b/bin/f2b run\n" in unit
    command = [str(staged.root / "opt/f2b/bin/python"), "-I", "-m", "f2b", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", timeout=30)
    assert said.stdout.startswith("f2b ")


def assert_texts(texts: dict[Path, str]) -> None:
    assert {path: path.read_text() for path in texts} == texts
