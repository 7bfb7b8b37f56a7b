"""The lives of a daemon between kills: a first start, a last one, and the run that nobody disturbs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from f2b.journal.cursor import Cursor
from tests.e2e.outcome import Outcome, cursor, outcome, query, unlike_memory
from tests.e2e.workload import JAILS, READERS
from tests.support.daemon import Daemon
from tests.support.netns import Namespace
from tests.support.processes import wait_until


@contextmanager
def fresh(
    folder: Path, journal: Path, jails: str = JAILS, readers: int = READERS
) -> Iterator[Daemon]:
    """A daemon that was stopped after its first start, when the journal was empty; so many of its jails read it."""
    with Namespace() as server:
        daemon = Daemon(folder, journal, server, jails=jails)
        with daemon:
            wait_until(
                lambda: len(query(daemon.database, "SELECT * FROM jails")) == readers,
                "the end of the past",
            )
            assert daemon.stop() == 0
            yield daemon


def memory(daemon: Daemon, name: str = "before.sqlite3") -> Path:
    """A copy of a stopped daemon's database."""
    return Path(shutil.copy(daemon.database, daemon.folder / name))


def finish(daemon: Daemon, last: int) -> Outcome:
    """Let it read to the end, with the wall in order; then stop it."""
    daemon.start()
    wait_until(
        lambda: place(daemon) == last, f"entry {last} in the memory of {daemon.folder.name}", 60
    )
    with suppress(TimeoutError):
        wait_until(lambda: not unlike_memory(left(daemon)), "the wall", 10)
    assert unlike_memory(left(daemon)) == []
    assert daemon.stop() == 0
    return left(daemon)


def left(daemon: Daemon) -> Outcome:
    return outcome(daemon.database, daemon.namespace)


def undisturbed(
    folder: Path, journal: Path, before: Path, last: int, jails: str = JAILS
) -> Outcome:
    """The same entries from the same start, in one life and another network."""
    with Namespace() as server:
        daemon = Daemon(folder, journal, server, jails=jails)
        shutil.copy(before, daemon.database)
        try:
            return finish(daemon, last)
        finally:
            daemon.close()


def place(daemon: Daemon) -> int:
    """The number of the last entry that is remembered as read; the journal's first is 1."""
    at = Cursor.parse(cursor(daemon.database) or "")
    return at.number if at else 0
