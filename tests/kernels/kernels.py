"""Debian's kernels: fetched by apt, unpacked below .cache/kernels, their modules packed for a guest.

Which servers apt asks is what this machine's own sources say; nothing is installed.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.kernels.archive import Archive, files
from tests.support.processes import CHECKOUT

SUITES = ("bullseye", "bookworm", "trixie")
_CACHE = CHECKOUT / ".cache/kernels"
_WANTED = ("net", "lib", "crypto", "arch/x86/crypto", "drivers/net")


class Kernel(NamedTuple):
    suite: str
    release: str  # as uname says it, and /lib/modules
    root: Path

    @property
    def version(self) -> str:
        """Debian's own version, which names the last stable update."""
        return (self.root / "version").read_text().strip()

    @property
    def numbers(self) -> tuple[int, int]:
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def image(self) -> Path:
        return self.root / f"boot/vmlinuz-{self.release}"


def fetch(suite: str) -> Kernel:
    """The newest kernel of that suite, or the one that was fetched before."""
    folder = _CACHE / suite
    if not (folder / "version").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _download(suite, folder)
    (modules,) = (folder / "lib/modules").iterdir()
    return Kernel(suite, modules.name, folder)


def _download(suite: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="f2b-apt-") as place:
        state = Path(place)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (state / name).mkdir(parents=True)
        (state / "sources").write_text(_sources(suite))
        own = {
            "APT::Sandbox::User": "root",
            "Dir::State": state / "state",
            "Dir::Cache": state / "cache",
            "Dir::Etc::sourcelist": state / "sources",
            "Dir::Etc::sourceparts": "-",
        }
        options = ["-qq", *(f"-o{name}={value}" for name, value in own.items())]
        _said(["apt-get", *options, "update"])
        needs = _said(["apt-cache", *options, "depends", "linux-image-cloud-amd64"])
        package = needs.partition("Depends: ")[2].split()[0]
        _said(["apt-get", *options, "download", package], state)
        (archive,) = state.glob("*.deb")
        folder.mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
        version = _said(["dpkg-deb", "-f", str(archive), "Version"])
        (folder / "version").write_text(version)


def _sources(suite: str) -> str:
    """The servers of this machine, asked for another suite."""
    wanted = "$(SITE) $(CODENAME)"
    told = _said(
        ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages", "Origin: Debian"]
    )
    pairs = [line.split() for line in told.splitlines()]
    sites = {site: "-security" if name.endswith("-security") else "" for site, name in pairs}
    return "".join(f"deb {site} {suite}{ending} main\n" for site, ending in sites.items())


def pack(kernel: Kernel, without: Sequence[str], path: Path) -> None:
    """An archive of the modules that a firewall may ask for, except those whose names begin so."""
    with tempfile.TemporaryDirectory(prefix="f2b-modules-") as place:
        source = kernel.root / "lib/modules" / kernel.release
        target = Path(place, "lib/modules", kernel.release)
        for part in _WANTED:
            for module in files(source / "kernel" / part):
                if not module.name.startswith(tuple(without)):
                    copy = target / module.relative_to(source)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.symlink_to(module)
        for index in source.glob("modules.*"):
            shutil.copy(index, target)
        _said(["depmod", "--basedir", place, kernel.release])
        with Archive(path) as archive:
            for file in files(target):
                archive.copy(file.resolve(), f"usr/{file.relative_to(place)}")


def _said(argv: Sequence[str], folder: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(argv)}: {done.stderr.strip()}"
        raise RuntimeError(message)
    return done.stdout
