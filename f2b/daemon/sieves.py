"""Where the sieve for the jails of the moment comes from: a file beside the database, or a process that makes it.

Owns the process. The file is only a copy of what can be made again; it holds what the processor executes, so it must be
ours alone. Until there is a sieve, every entry is asked about.
"""

import asyncio
import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from f2b.child import ENVIRONMENT
from f2b.decide.jail import Jail
from f2b.detect import packing
from f2b.detect.net import Watched
from f2b.detect.packing import asking, fingerprint, unpacked
from f2b.detect.sieve import Sieve
from f2b.journal.sift import SMALL

NAME = "sieve"
LOOM = "f2b.detect.loom"
LARGEST = 64 << 20
LONGEST = 300.0
"""Seconds that the process may take."""
_CPUINFO = Path("/proc/cpuinfo")
_MAKERS = ("automaton", "factor", "loom", "mesh", "net", "packing", "shape", "symbols", "words")


class Sieves:
    """Calls `use` with the sieve when there is one, and with None while there is none. `engine`: what it goes by."""

    def __init__(
        self,
        database: Path,
        use: Callable[[Sieve | None], None],
        complain: Callable[[str], None],
        hosts: Callable[[], Iterable[bytes]],
    ) -> None:
        """`hosts` tells the names of those that have written in the journal."""
        self._hosts = hosts
        self._file = database.with_name(NAME)
        self._use = use
        self._complain = complain
        self._machine = tuple(_machine())
        self._making: asyncio.Task[None] | None = None
        self.engine = ""

    def renew(self, jails: Iterable[Jail]) -> None:
        """Take the sieve that is stored for just these jails, hosts and this machine, or begin to make it."""
        self.stop()
        self._take(None)
        watched = tuple(map(_watched, filter(_reads, jails)))
        if not watched:
            return
        names = tuple(self._hosts()) or (os.fsencode(os.uname().nodename),)
        small = all(map(SMALL.fullmatch, names))
        key = fingerprint(watched, *self._machine, small=small)
        try:
            self._take(Sieve.over(watched, unpacked(_read(self._file), key)))
        except (OSError, ValueError):
            self._making = asyncio.get_running_loop().create_task(
                self._make(watched, key, small=small)
            )

    def stop(self) -> None:
        if self._making is not None:
            self._making.cancel()
            self._making = None

    def _take(self, sieve: Sieve | None) -> None:
        self.engine = sieve.engine if sieve else ""
        self._use(sieve)

    async def _make(self, jails: Sequence[Watched], key: str, *, small: bool) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                data = await _woven(jails, key, small=small)
            sieve = Sieve.over(jails, unpacked(data, key))
        except (OSError, ValueError, TimeoutError) as error:
            why = str(error) or f"it takes longer than {LONGEST:.0f} s"
            self._complain(f"no sieve, every entry is asked about until a reload: {why}")
            return
        # It is made again at the next start if it cannot be kept.
        with contextlib.suppress(OSError):
            _write(self._file, data)
        self._take(sieve)


def _reads(jail: Jail) -> bool:
    return jail.match is not None


def _watched(jail: Jail) -> Watched:
    assert jail.match is not None
    settings = jail.settings.filter
    return Watched(
        jail.name, jail.filter.searcher, settings.reading, settings.maxlength, jail.match
    )


async def _woven(jails: Sequence[Watched], key: str, *, small: bool) -> bytes:
    """Raises OSError when there can be no process, ValueError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", LOOM,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=ENVIRONMENT,
    )  # fmt: skip
    try:
        data, _ = await process.communicate(asking(jails, key, small=small))
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode:
        raise ValueError(f"the process that makes it ended with {process.returncode}")
    return data


def _machine() -> Iterator[str]:
    """What else decides about a net: the processor, Python's parser, the library, and how we translate."""
    yield os.uname().machine
    yield sys.version
    # The library also looks itself, and refuses what is not for this processor.
    with contextlib.suppress(OSError):
        flags = ("flags", "Features")
        lines = _CPUINFO.read_text(errors="replace").splitlines()
        yield next((line for line in lines if line.startswith(flags)), "")
    library = find_spec("hyperscan")
    if library is not None and library.origin is not None:
        parts = sorted(Path(library.origin).parent.iterdir())
        yield str([(part.name, part.stat().st_mtime_ns) for part in parts])
    for name in _MAKERS:
        yield hashlib.sha256(
            Path(packing.__file__).with_name(f"{name}.py").read_bytes()
        ).hexdigest()


def _read(file: Path) -> bytes:
    """Raises OSError, also for a file that others could have written."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(file, flags), "rb") as handle:
        status = os.fstat(handle.fileno())
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_uid not in {0, os.geteuid()}
            or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            or status.st_size > LARGEST
        ):
            raise PermissionError(f"{file} is not ours alone")
        return handle.read(LARGEST)


def _write(file: Path, data: bytes) -> None:
    """All of it or nothing, and for us alone. Nothing is lost with it, so that the disk may take its time."""
    new = file.with_name(f".{file.name}-new")
    new.unlink(missing_ok=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as handle:
            handle.write(data)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
