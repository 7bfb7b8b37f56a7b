"""Where a journal lies on disk, and what the library does not tell about its files."""

import contextlib
import errno
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from f2b.errors import JournalError

_MACHINE = (Path("/run/log/journal"), Path("/var/log/journal"))

# Descriptors left for everything else, files that journald adds included.
SPARE = 200

Identity = tuple[int, int]


class Files:
    """The files of a source: "system", "namespace:NAME" or a directory. `options` name it to the library."""

    def __init__(self, source: str) -> None:
        kind, _, name = source.partition(":")
        self._folders: tuple[Path, ...] = _MACHINE
        self.options: dict[str, str] = {}
        if source == "system":
            self._text = "the system journal"
        elif kind == "namespace" and name:
            self._text = f"the journal namespace {name}"
            self.options = {"namespace": name}
        elif source.startswith("/"):
            self._text = f"the journal in {source}"
            self._folders = (Path(source),)
            self.options = {"path": source}
        else:
            raise JournalError(
                f"no such journal: {source!r}", hint="write system, namespace:NAME or a directory"
            )
        self._sizes: dict[Identity, int] = {}
        self._known: list[Identity | None] = []

    def __str__(self) -> str:
        return self._text

    def note(self) -> None:
        """Remember what is there, just before it is opened. Raises OSError if the library could not open it all."""
        found = list(self._scan())
        # The library opens what it may read and says nothing about the rest; an ordinary user may read his own file.
        needed = [file for file in found if file.name.startswith("system")] or found
        if needed and not any(os.access(file, os.R_OK) for file in needed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), needed[0].path)
        _make_room(len(found))
        self._sizes = _sizes(found)
        self._known = [_identity(folder) for folder in self._folders]

    def broken(self) -> bool:
        """Say whether what was opened must not be touched again.

        A file that has shrunk has pages in our memory that no longer exist. A folder that came later, or took the
        place of another, is one that the library does not watch.
        """
        before, self._sizes = self._sizes, _sizes(self._scan())
        if any(self._sizes.get(file, size) < size for file, size in before.items()):
            return True
        return [_identity(folder) for folder in self._folders] != self._known

    def _scan(self) -> Iterator[os.DirEntry[str]]:
        for folder in self._folders:
            for entry in _list(folder):
                if entry.name.endswith((".journal", ".journal~")):
                    yield entry
                elif entry.is_dir() and self._wants(entry.name):
                    yield from (file for file in _list(entry.path) if ".journal" in file.name)

    def _wants(self, folder: str) -> bool:
        # The journal of a namespace lies in MACHINE.NAMESPACE, beside that of the system.
        return "path" in self.options or folder.partition(".")[2] == self.options.get(
            "namespace", ""
        )


def _make_room(files: int) -> None:
    """See to file descriptors: the library keeps one per file, and leaves out in silence those it gets none for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(list(Path("/proc/self/fd").iterdir())) + files + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise OSError(errno.EMFILE, f"its {files} files need LimitNOFILE={wanted} or more")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _list(folder: Path | str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _sizes(files: Iterable[os.DirEntry[str]]) -> dict[Identity, int]:
    sizes = {}
    for file in files:
        with contextlib.suppress(OSError):
            stat = file.stat()
            sizes[stat.st_dev, stat.st_ino] = stat.st_size
    return sizes


def _identity(folder: Path) -> Identity | None:
    with contextlib.suppress(OSError):
        stat = folder.stat()
        return stat.st_dev, stat.st_ino
    return None
