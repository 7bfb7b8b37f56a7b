"""The initramfs: what of this machine a guest gets, as a cpio archive. Owns the file that it writes.

The guest sees this checkout, the Python that runs the tests and the tools that they call where they are here.
"""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from tests.support.processes import CHECKOUT, TOOLS

_TABLES = (
    "iptables-legacy-save",
    "iptables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-legacy-restore",
)
_PROGRAMS = [
    *("sh", "env", "cat", "sleep", "kmod", "modprobe", "ip", "unshare", "nsenter", "setpriv"),
    *("sysctl", "nft", "ipset", "xtables-legacy-multi", *_TABLES, "systemd-journal-remote"),
]
_OF_CHECKOUT = (
    "f2b",
    "etc",
    "tests/netns",
    "tests/support",
    "tests/kernels",
    "tests/e2e",
    ".cache/bin",
)
_NOT_NEEDED = {"__pycache__", "test", "idlelib", "lib2to3", "mypy", "mypyc", "grimp", "pip"}
_ETC = ("passwd", "group", "protocols", "services", "ld.so.cache", "nsswitch.conf")
_ALIASES = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_LINK, _FOLDER = stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755


class Archive:
    """Writes cpio's format `newc`, which the kernel unpacks; the folders on the way are made."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._entry("TRAILER!!!", 0, b"")
        self._file.write(bytes(-self._file.tell() % 512))
        self._file.close()

    def link(self, name: str, target: str) -> None:
        self._once(name, _LINK, target.encode())

    def folder(self, name: str) -> None:
        self._once(name, _FOLDER, b"")

    def copy(self, path: Path, name: str = "") -> None:
        """A file or symbolic link, and what the link leads to."""
        name = name or str(path.parent.resolve() / path.name)
        if path.is_symlink():
            self.link(name, os.readlink(path))  # noqa: PTH115 - as text, not as a path
            target = path.parent.resolve() / path.readlink()
            if target.exists() and not target.is_dir():
                self.copy(target)
            return
        status = path.stat()
        self._once(name, status.st_mode, path.read_bytes(), int(status.st_mtime))

    def tree(self, folder: Path, without: Iterable[str] = ()) -> None:
        for path in files(folder, {*without}):
            self.copy(path)

    def _once(self, name: str, mode: int, data: bytes, mtime: int = 0) -> None:
        name = name.lstrip("/")
        if name in self._names or not name:
            return
        above = name.rpartition("/")[0]
        self.folder(above)
        self._names.add(name)
        self._entry(name, mode, data, mtime)

    def _entry(self, name: str, mode: int, data: bytes, mtime: int = 0) -> None:
        packed = name.encode() + b"\0"
        number = len(self._names)
        fields = (number, mode, 0, 0, 1, mtime, len(data), 0, 0, 0, 0, len(packed), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + packed
        self._file.write(header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4))


def files(folder: Path, without: Iterable[str] = ()) -> Iterator[Path]:
    """Every file and link below, except in folders of these names."""
    for above, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in without]
        for name in [*names, *(each for each in folders if (Path(above) / each).is_symlink())]:
            yield Path(above, name)


def write(path: Path) -> None:
    """Everything but the kernel's modules."""
    with Archive(path) as archive:
        for name, target in _ALIASES.items():
            archive.link(name, target)
        for name in ("proc", "sys", "dev", "run", "tmp", "var/lib", "root", "etc"):
            archive.folder(name)
        for name in _OF_CHECKOUT:
            archive.tree(CHECKOUT / name, _NOT_NEEDED)
        for name in ("setup.cfg", "tests/__init__.py", "tests/conftest.py"):
            archive.copy(CHECKOUT / name)
        archive.copy(CHECKOUT / "tests/kernels/init", "init")
        for each in filter(Path.exists, (Path("/etc", name) for name in _ETC)):
            archive.copy(each)
        _machine(archive)


def _machine(archive: Archive) -> None:
    """Python and the tools, with their libraries."""
    programs = [*_programs(), Path(os.path.realpath(sys.executable))]
    folders = [Path(sysconfig.get_path("stdlib")), Path("/usr/lib/python3/dist-packages")]
    folders += [Path(sys.prefix), TOOLS.parent / "root", *Path("/usr/lib").glob("*/xtables")]
    for each in folders:
        archive.tree(each, _NOT_NEEDED)
    binaries = [each for folder in folders for each in files(folder, _NOT_NEEDED)]
    for file in [*programs, *_libraries([*programs, *binaries])]:
        archive.copy(file)


def _programs() -> list[Path]:
    """Where a tool stands here; its wrapper in .cache/bin comes with the checkout."""
    found = []
    for name in _PROGRAMS:
        path = shutil.which(name, path=f"/usr/sbin:/usr/bin:/usr/lib/systemd:{TOOLS}")
        if path is None and not (TOOLS.parent / "root/usr/sbin" / name).exists():
            message = f"{name} is not here: make setup"
            raise FileNotFoundError(message)
        if path is not None:
            found.append(Path(path))
    return found


def _libraries(binaries: Iterable[Path]) -> set[Path]:
    """The shared libraries that these programs and libraries ask for."""
    wanted = [str(each) for each in binaries if each.is_file() and _is_elf(each)]
    told = subprocess.run(["ldd", *wanted], capture_output=True, text=True, check=False).stdout
    words = {word for line in told.splitlines() for word in line.split() if word.startswith("/")}
    return {Path(word) for word in words if not word.endswith(":")}


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
