"""Invariant 1: for every way to cut a sequence of entries, run(all) equals run(first); restart; run(rest)."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b.config.settings import (
    Counting,
    Feed,
    FilterSettings,
    Increment,
    JailSettings,
    Located,
)
from f2b.daemon.reload import remember
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.detect.session import LIFETIME
from f2b.errors import Origin
from f2b.model import Entry, Position
from f2b.store import Batch, Store

NOW = 2e6
HERE = Origin("test", 1)


def located(*texts: str) -> tuple[Located, ...]:
    return tuple(Located(text, HERE) for text in texts)


PLAIN = FilterSettings(
    name="plain", failregex=located(r"^\S+ a\[\d+\]: bad <HOST>$"), journalmatch=located("_COMM=a")
)
SESSION = FilterSettings(
    name="session",
    prefregex=Located(r"^<F-MLFID>\S+ b\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$", HERE),
    failregex=located(
        r"^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^bad <F-USER>\S+</F-USER>$",
        r"^<F-MLFFORGET><F-NOFAIL>end</F-NOFAIL></F-MLFFORGET>$",
        r"^<F-MLFFORGET><F-MLFGAINED>good</F-MLFGAINED></F-MLFFORGET>$",
    ),
    journalmatch=located("_COMM=b"),
)
BANS = FilterSettings(name="bans", feed=Feed.BANS)
LINES = FilterSettings(
    name="lines",
    failregex=located(r"^(?P<line>\S+ c\[\d+\]): bad$<SKIPLINES>^(?P=line): from <HOST>$"),
    journalmatch=located("_COMM=c"),
    maxlines=5,
)
JAILS = (
    JailSettings(name="plain", filter=PLAIN, maxretry=3, findtime=60, bantime=90),
    JailSettings(name="session", filter=SESSION, maxretry=2, findtime=30, bantime=40),
    JailSettings(name="lines", filter=LINES, maxretry=2, findtime=60, bantime=600),
    JailSettings(name="once", filter=PLAIN, maxretry=1, findtime=10, bantime=None),
    JailSettings(
        name="grow",
        filter=PLAIN,
        maxretry=4,
        findtime=60,
        bantime=20,
        increment=Increment(maxtime=100, rndtime=15, overalljails=True),
    ),
    JailSettings(
        name="rate", filter=PLAIN, maxretry=4, findtime=25, bantime=30, counting=Counting.ESTIMATE
    ),
    JailSettings(name="slow", filter=PLAIN, maxretry=2, findtime=600, counting=Counting.ESTIMATE),
    JailSettings(name="recidive", filter=BANS, maxretry=2, findtime=100, bantime=150),
)

ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
messages = st.one_of(
    st.tuples(st.just("a"), st.sampled_from([f"bad {a}" for a in ADDRESSES])),
    st.tuples(
        st.just("b"),
        st.sampled_from(
            [*(f"from {a}" for a in ADDRESSES), "bad root", "bad guest", "end", "good"]
        ),
    ),
)
steps = st.tuples(
    messages,
    st.integers(1, 2),  # the process id: a session
    # Entries may be out of order.
    st.sampled_from([0.0, 0.5, 1.0, 5.0, 20.0, 40.0, 150.0, -3.0, -30.0, -60.0]),
)


def entries(steps_: list[tuple[tuple[str, str], int, float]]) -> list[Entry]:
    made, time = [], 1_000_000.0
    for number, ((comm, message), pid, step) in enumerate(steps_):
        time += step
        fields: dict[str, bytes | list[bytes]] = {
            "MESSAGE": message.encode(),
            "_COMM": comm.encode(),
            "_PID": str(pid).encode(),
            "_HOSTNAME": b"host",
            "_BOOT_ID": b"0123456789",
        }
        made.append(Entry(f"i={number}", time, fields))
    return made


def open_engine(store: Store, history: list[Entry], now: float = NOW) -> tuple[Engine, int]:
    """An engine as the service makes one; and the number of entries that are decided on already."""
    jails = [Jail(settings) for settings in JAILS]
    for jail in jails:
        remember(jail, store, now)
    engine = Engine(jails)
    position = store.position()
    done = int((position.cursor or "i=-1")[2:]) + 1 if position else 0
    for entry in history[:done]:
        oldest = min(position.time, position.sessions or position.time) if position else 0.0
        if entry.time >= oldest - LIFETIME:
            engine.warm(entry)
    return engine, done


def outcome(store: Store) -> tuple[list[object], list[object]]:
    db = store._db
    failures = db.execute(
        "SELECT jail, offender, cursor, time, counts FROM failures ORDER BY 1, 2, 3"
    )
    bans = db.execute("SELECT jail, offender, start, until, offence FROM bans ORDER BY 1, 2, 3")
    return list(failures), list(bans)


def run(
    path: Path,
    history: list[Entry],
    sizes: list[int],
    crashes: set[int],
    steps_: list[float],
    *,
    live: bool,
) -> tuple[list[object], list[object]]:
    """Feed in batches; at a crash the batch is decided on but not committed, and everything starts anew.

    The clock is that of a backlog, or follows the newest entry.
    """
    store = Store(path)
    engine, done = open_engine(store, history)
    batch = 0
    while done < len(history):
        size = sizes[batch % len(sizes)]
        part = history[done : done + size]
        newest = max(entry.time for entry in history[: done + size])
        clock = newest if live else history[-1].time + 1_000
        now = clock + steps_[batch % len(steps_)]
        decisions = [d for entry in part for d in engine.feed(entry, now)] + engine.tick(now)
        if batch not in crashes:
            store.commit(
                Batch(
                    tuple(decisions),
                    Position(part[-1].cursor, part[-1].time, engine.oldest_session()),
                )
            )
            done += len(part)
        else:
            store.close()
            store = Store(path)
            engine, done = open_engine(store, history, now)
        batch += 1
    result = outcome(store)
    store.close()
    return result


def unchanged(
    steps_: list[tuple[tuple[str, str], int, float]],
    sizes: list[int],
    crashes: set[int],
    clock_steps: list[float],
    *,
    live: bool,
) -> bool:
    history = entries(steps_)
    with TemporaryDirectory() as directory:
        whole = [len(history) or 1]
        undisturbed = run(Path(directory) / "a", history, whole, set(), [0.0], live=live)
        disturbed = run(Path(directory) / "b", history, sizes, crashes, clock_steps, live=live)
    return disturbed == undisturbed


histories = st.lists(steps, max_size=60)
batches = st.lists(st.integers(1, 9), min_size=1, max_size=5)
crashes = st.sets(st.integers(0, 25), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    histories,
    batches,
    crashes,
    st.lists(st.sampled_from([0.0, 10.0, -500.0, 5_000.0]), min_size=1, max_size=4),
)
def test_a_crash_anywhere_in_a_backlog_changes_nothing(
    steps_: list[tuple[tuple[str, str], int, float]],
    sizes: list[int],
    crashes: set[int],
    clock_steps: list[float],
) -> None:
    assert unchanged(steps_, sizes, crashes, clock_steps, live=False)


@settings(max_examples=150, deadline=None)
@given(
    histories,
    batches,
    crashes,
    st.lists(st.sampled_from([0.0, 10.0, 100.0, 5_000.0]), min_size=1, max_size=4),
)
def test_a_crash_anywhere_live_changes_nothing(
    steps_: list[tuple[tuple[str, str], int, float]],
    sizes: list[int],
    crashes: set[int],
    clock_steps: list[float],
) -> None:
    """Bans expire between the batches, and late entries come after their end."""
    assert unchanged(steps_, sizes, crashes, clock_steps, live=True)


@pytest.mark.parametrize("crashes", [{at} for at in range(9)] + [{0, 2, 4, 6, 8}])
def test_a_crash_between_the_lines_of_a_failure_changes_nothing(
    tmp_path: Path, crashes: set[int]
) -> None:
    lines = ["bad", "bad", "x", "from 192.0.2.1", "y", "from 192.0.2.1", "from 192.0.2.2"]
    history = entries([(("c", line), 1, 40.0) for line in lines])
    undisturbed = run(tmp_path / "a", history, [len(history)], set(), [0.0], live=False)
    disturbed = run(tmp_path / "b", history, [1], crashes, [0.0], live=False)
    assert disturbed == undisturbed
    assert len(undisturbed[0]) == 2


@pytest.mark.parametrize("crashes", [{at} for at in range(12)] + [set(range(0, 24, 2))])
def test_a_crash_changes_neither_bans_that_grow_nor_an_estimate(
    tmp_path: Path, crashes: set[int]
) -> None:
    """The estimate looks back further than a window; the bans grow by the offences in other jails, and by chance."""
    history = entries(
        [
            (("a", f"bad 192.0.2.{number}"), 1, step)
            for number, step in [(1, 0.0), (2, 920), (1, 30), *[(1, 5.0)] * 4, (1, 200), (1, 1)]
        ]
    )
    undisturbed = run(tmp_path / "a", history, [len(history)], set(), [0.0], live=True)
    disturbed = run(tmp_path / "b", history, [1], crashes, [0.0], live=True)
    assert disturbed == undisturbed
    bans = [ban for ban in undisturbed[1] if isinstance(ban, tuple)]
    assert [ban[2] for ban in bans if ban[0] == "slow"] == [1_000_950]
    assert len({ban[3] - ban[2] for ban in bans if ban[0] == "grow"}) == 2


def test_the_test_would_notice_a_position_outside_the_transaction(tmp_path: Path) -> None:
    """A position that is not committed with its failures makes the run count twice."""
    history = entries([(("a", "bad 192.0.2.1"), 1, 1.0)] * 2)
    store = Store(tmp_path / "db")
    engine, _ = open_engine(store, history)
    decisions = [d for entry in history for d in engine.feed(entry, 2e6)]
    store.commit(Batch(tuple(decisions), None))
    again, done = open_engine(store, history)
    assert done == 0
    twice = [d for entry in history for d in again.feed(entry._replace(), 2e6)]
    store.commit(Batch(tuple(twice), None))
    bans = store._db.execute("SELECT count(*) FROM bans WHERE jail = 'plain'").fetchone()
    assert bans == (1,), "two failures were counted as four: maxretry 3 was reached"
    store.close()
