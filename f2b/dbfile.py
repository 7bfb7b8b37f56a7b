"""The file of the database: one daemon at a time, and out of the way when it is corrupt."""

import fcntl
from pathlib import Path
from typing import TextIO

from f2b.errors import Exit, NotPermittedError, StoreError


def lock(path: Path) -> TextIO:
    """One daemon a database: the lock is the kernel's and ends with the process, however it ends."""
    file = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = file.open("a")
        file.chmod(0o600)
    except PermissionError as error:
        raise NotPermittedError(
            f"no permission for {path.parent}", hint="run as root or as user f2b"
        ) from error
    except OSError as error:
        raise StoreError(
            f"cannot use {path.parent}: {error.strerror}", hint="set dbfile in f2b.conf"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        refusal = StoreError(
            f"another f2b is running on {path}",
            hint="`f2b ping` asks it; a second one needs its own dbfile and table",
        )
        refusal.exit = Exit.CONFIG
        raise refusal from None
    return handle


def move_aside(path: Path) -> Path:
    """Never deleted: an admin may want to rescue something from it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    return aside
