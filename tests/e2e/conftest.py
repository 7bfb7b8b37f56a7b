"""One server with a journal that the test writes, and the real daemon on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scenes import THREE
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace


@pytest.fixture
def server() -> Iterator[Namespace]:
    with Namespace() as server:
        yield server


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as journal:
        yield journal


@pytest.fixture
def daemon(tmp_path: Path, server: Namespace, journal: Journal) -> Iterator[Daemon]:
    """Not started yet."""
    daemon = Daemon(tmp_path / "f2b", journal.folder, server, jails=THREE)
    try:
        yield daemon
    finally:
        daemon.close()
