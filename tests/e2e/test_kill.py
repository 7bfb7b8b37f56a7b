"""SIGKILL at any moment changes nothing: memory and wall are, row by row, those of a run that nobody disturbed."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from f2b.journal.cursor import Cursor
from tests.e2e import workload
from tests.e2e.lives import finish, fresh, memory, place, undisturbed
from tests.e2e.outcome import differences, elements, query, unlike_memory
from tests.e2e.workload import Line
from tests.support.daemon import Daemon
from tests.support.export import Journal

pytestmark = [pytest.mark.root, pytest.mark.slow]

ENTRIES, OFFENDERS = 20_000, 500
SECONDS = 42.0
"""How long the journal is written at least."""
KILLS = 52
FAILPOINTS = ("before-commit", "after-commit", "after-netlink", "during-restore")
EACH = 5
BY_PLAN = 0.9
"""The share of the entries that the kills are spread over; the rest is for what is urgent, and for after the last."""
LIFE = 0.7
"""The longest time until a kill, counted from the start of the process or from READY=1."""


class Feed:
    """Writes the lines into the journal, as many as are due; of them at most the share that `leash` says, so that
    a slow machine has something left for the last kill. What is `urgent` goes on all the same, slowly.
    """

    def __init__(self, journal: Journal, lines: Sequence[Line], seconds: float) -> None:
        self._journal = journal
        self._lines = lines
        self._rate = len(lines) / seconds
        self._start = time.monotonic()
        self.leash = 1.0

    def pump(self, *, urgent: bool = False) -> None:
        added, total = self._journal.added, len(self._lines)
        due = min((time.monotonic() - self._start) * self._rate, total * self.leash)
        if urgent and added < total - 100:
            due = max(due, added + 1)
        if due > added:
            workload.write(self._journal, self._lines[added : int(due)])

    def pump_until(
        self, condition: Callable[[], object], seconds: float, *, urgent: bool = False
    ) -> bool:
        """False if it did not come true in that time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.pump(urgent=urgent)
            time.sleep(0.005)
        return True

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


def die(daemon: Daemon, feed: Feed) -> str:
    """One life, ended from outside. What it was at."""
    daemon.start(ready=False)
    assert daemon.process
    alone = daemon.process
    moment = random.uniform(0, LIFE)
    if random.random() < 0.5:
        moment /= 2  # most of these come before READY=1
    else:
        ready = feed.pump_until(lambda: "READY=1" in daemon.notified(), 15)
        assert ready, daemon.log.read_text()[-2000:]
    ended = feed.pump_until(lambda: alone.poll() is not None, moment)
    assert not ended, daemon.log.read_text()[-2000:]
    ready = "READY=1" in daemon.notified()
    daemon.kill()
    return "following" if ready else "starting"


def die_at(daemon: Daemon, feed: Feed, failpoint: str, passes: int) -> bool:
    """One life, ended by itself at a named place; False if it never came there."""
    if failpoint == "during-restore":
        # As after a reboot: without this there is nothing to restore.
        daemon.namespace.run(["nft", "flush", "ruleset"])
    daemon.start(environment={"F2B_FAILPOINT": f"{failpoint}:{passes}"}, ready=False)
    assert daemon.process
    alone = daemon.process
    reached = feed.pump_until(lambda: alone.poll() is not None, 10, urgent=True)
    daemon.kill()
    assert alone.returncode == -signal.SIGKILL, daemon.log.read_text()[-2000:]
    return reached


class Score:
    """Counts the kills by class."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.kills: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()
        self.unenforced: Counter[str] = Counter()

    def count(self, kind: str, daemon: Daemon) -> None:
        self.kills[kind] += 1
        at = place(daemon)
        if kind == "random":
            self.places["before" if at < 2 else "between" if at < self._last else "after"] += 1
        if kind != "random":
            (bans,) = query(daemon.database, "SELECT count(*) FROM bans")[0]
            self.unenforced[kind] += bans - len(elements(daemon.namespace))

    def __str__(self) -> str:
        return (
            f"kills: {_figures(self.kills)}; random ones by stored cursor: {_figures(self.places)}; "
            f"by what it was at: {_figures(self.moments)}; "
            f"bans remembered and not enforced at these moments: {_figures(self.unenforced)}"
        )


def _figures(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.items())


def torment(daemon: Daemon, feed: Feed, score: Score) -> None:
    """All the kills, in random order, with a share of the journal written by each."""
    plan = ["random"] * KILLS + [name for name in FAILPOINTS for _ in range(EACH)]
    random.shuffle(plan)
    for number, kind in enumerate(plan, 1):
        feed.leash = BY_PLAN * number / len(plan)
        if kind == "random":
            score.moments[die(daemon, feed)] += 1
        else:
            assert die_at(daemon, feed, kind, passes(kind)), f"{kind} was not reached"
        score.count(kind, daemon)
    feed.leash = 1.0


def passes(failpoint: str) -> int:
    """A life begins with the position, which is no decision; its second commit is the largest: all that was logged
    since the last life.
    """
    match failpoint:
        case "during-restore":
            return 1
        case "after-commit":
            return 2
        case _:
            return random.randint(1, 4)


def test_kills_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = workload.attack(ENTRIES, OFFENDERS)
    with (
        Journal(tmp_path / "journal") as journal,
        fresh(tmp_path / "killed", journal.folder) as daemon,
    ):
        before = memory(daemon)
        score, feed = Score(ENTRIES), Feed(journal, lines, SECONDS)
        # It must have something to restore.
        daemon.start()
        assert feed.pump_until(lambda: query(daemon.database, "SELECT * FROM bans"), 10)
        daemon.kill()
        torment(daemon, feed, score)
        assert feed.pump_until(lambda: journal.added == ENTRIES, SECONDS + 1)
        written = feed.seconds
        killed = finish(daemon, ENTRIES)
        said = daemon.log.read_text()
        calm = undisturbed(tmp_path / "undisturbed", journal.folder, before, ENTRIES)
    with capsys.disabled():
        print(
            f"\n{written:.0f} s of writing, {len(calm.failures)} failures, {len(calm.bans)} bans; {score}"
        )
    assert differences(killed, calm) == []
    assert unlike_memory(killed) == unlike_memory(calm) == []
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert written >= 40
    assert score.kills["random"] >= 50
    assert score.places["between"] >= 30
    assert min(score.moments[moment] for moment in ("starting", "following")) > 0
    assert min(score.kills[failpoint] for failpoint in FAILPOINTS) >= EACH
    assert score.unenforced["after-commit"] > 0
    assert score.unenforced["during-restore"] == 0


def test_the_workload_is_what_it_says(tmp_path: Path) -> None:
    """Every kind of offender is counted, banned, prolonged and left alone somewhere in it."""
    lines = workload.attack(ENTRIES, OFFENDERS)
    with (
        Journal(tmp_path / "journal") as journal,
        fresh(tmp_path / "daemon", journal.folder) as daemon,
    ):
        workload.write(journal, lines)
        seen = finish(daemon, ENTRIES)
    offenders = {row[1] for row in seen.failures}
    assert len(offenders) >= OFFENDERS
    assert {row[0] for row in seen.bans} == {"sshd", "postfix", "dovecot", "recidive"}
    hosts = Counter(network for network, _ in {(row[1], row[4]) for row in seen.failures})
    assert sum(number > 1 for network, number in hosts.items() if network.endswith("/64")) > 100
    assert not any(offender.startswith("192.0.2.") for offender in offenders)
    assert any(not row[6] for row in seen.failures), "failures of a banned offender"
    numbers = {found.number for row in seen.failures if (found := Cursor.parse(row[2]))}
    assert max(numbers) == ENTRIES
    assert len(seen.elements) == len(seen.bans)


@pytest.mark.parametrize("first", ["position", "decisions"])
def test_a_position_ahead_of_its_transaction_is_noticed_and_one_behind_does_no_harm(
    tmp_path: Path, first: str
) -> None:
    """One ahead loses failures. One behind is that of an entry that waits: what is stored already counts once."""
    lines, last = workload.attack(4000, 100), 4000
    with (
        Journal(tmp_path / "journal") as journal,
        fresh(tmp_path / "killed", journal.folder) as daemon,
    ):
        before = memory(daemon)
        daemon.module = "tests.e2e.torn_store"
        feed = Feed(journal, lines, 0.1)
        feed.pump_until(lambda: journal.added == last, 10)
        for passes in (1, 2, 3, 2, 1):
            daemon.start(
                environment={"F2B_FAILPOINT": f"torn:{passes}", "F2B_TORN": first}, ready=False
            )
            assert daemon.process
            assert daemon.process.wait(10) == -signal.SIGKILL
        daemon.module = "f2b"
        killed = finish(daemon, last)
        calm = undisturbed(tmp_path / "undisturbed", journal.folder, before, last)
    found = differences(killed, calm)
    lost = any(line.startswith("failure only in the second") for line in found)
    assert lost if first == "position" else not found, found
