"""The journals that are measured on, kept in .cache: to write a million entries takes half a minute."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import entries
from tests.bench.entries import Writer
from tests.support.export import Journal
from tests.support.processes import CHECKOUT

CACHE = CHECKOUT / ".cache"
AGE = 86_400.0
"""Seconds until a journal is written anew: all of it is to lie within the findtime of a week."""


def journal(count: int, others: Sequence[str] = (), offenders: int = entries.OFFENDERS) -> Path:
    """The folder of a journal with so many entries; `others` are units that log beside the three services."""
    text = Path(entries.__file__).read_bytes()
    version = hashlib.sha256(text + f"{offenders} {' '.join(others)}".encode()).hexdigest()[:8]
    folder = CACHE / f"bench-{version}-{count}"
    _sweep()
    if not folder.exists():
        making = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
        with Journal(making) as feed:
            writer = Writer(feed.boot, others, offenders=offenders)
            for entry in writer.entries(count, time.time()):
                feed.put(entry)
        making.rename(folder)
    return folder


def begin(folder: Path) -> float:
    """A time before all of its entries."""
    return folder.stat().st_mtime - entries.SPAN - 600


def size(folder: Path) -> int:
    """How many entries it has."""
    return int(folder.name.rpartition("-")[2])


def _sweep() -> None:
    for folder in CACHE.glob("bench-*"):
        if folder.stat().st_mtime < time.time() - AGE:
            shutil.rmtree(folder)
