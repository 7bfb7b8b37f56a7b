"""Where sieves come from: a file beside the database, or a worker thread that makes one.

The file is only a copy of what can be made again. It holds what the processor executes, so that it must be ours.
"""

import asyncio
import contextlib
import hashlib
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import f2b
from f2b.decide.jail import Jail
from f2b.detect import automaton, factor, mesh, shape, symbols
from f2b.detect.mesh import Net, Watched, woven
from f2b.detect.packing import fingerprint, packed, unpacked
from f2b.detect.sieve import Sieve

NAME = "sieve"
LARGEST = 64 << 20
_CPUINFO = Path("/proc/cpuinfo")
_TRANSLATORS: tuple[ModuleType, ...] = (automaton, factor, mesh, shape, symbols)


class Sieves:
    """Gives jails their sieve. Without hyperscan it is made of words, quickly, and not kept."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._engine = automaton.version()
        self._machine = (self._engine or "", *_machine())

    def stored(self, jails: Sequence[Watched]) -> Sieve | None:
        """The sieve that was made for just these jails on this machine, if any; within milliseconds."""
        if self._engine is None:
            return None
        try:
            return Sieve(jails, unpacked(_read(self._file), self._key(jails)))
        except (OSError, ValueError):
            return None

    async def made(self, jails: Sequence[Watched]) -> Sieve:
        """Takes seconds where there are many filters, while the loop goes on."""
        return Sieve(jails, await asyncio.to_thread(self._make, jails))

    def _make(self, jails: Sequence[Watched]) -> Net:
        net = woven(jails, self._engine)
        # It is made again at the next start if it cannot be kept.
        with contextlib.suppress(OSError, ValueError):
            _write(self._file, packed(net, self._key(jails)))
        return net

    def _key(self, jails: Sequence[Watched]) -> str:
        return fingerprint(jails, *self._machine)


def watched(jails: Iterable[Jail]) -> tuple[Watched, ...]:
    """The jails that read the journal."""
    return tuple(Watched(jail.name, jail.filter, jail.match) for jail in jails if jail.match)


def _machine() -> Iterable[str]:
    """What else decides about an automaton: the processor, Python's parser, and how we translate."""
    yield platform.machine()
    yield sys.version
    # hyperscan also looks itself, and refuses what is not for this processor.
    with contextlib.suppress(OSError):
        for line in _CPUINFO.read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                yield line
                break
    yield f2b.__version__
    for module in _TRANSLATORS:
        yield hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()


def _read(file: Path) -> bytes:
    """Raises OSError, also for a file that others could have written."""
    with os.fdopen(
        os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb"
    ) as handle:
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
    if len(data) > LARGEST:
        raise ValueError("too large to keep")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(data)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
