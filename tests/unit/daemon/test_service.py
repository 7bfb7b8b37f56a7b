"""The loop from the journal to the wall: what it remembers of its place, and what it survives."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.actions.null import Null
from f2b.config.load import Config
from f2b.config.settings import DaemonSettings, FilterSettings, Latency, Located
from f2b.daemon import pace
from f2b.daemon.events import Events, Level
from f2b.daemon.live import Look
from f2b.daemon.notify import Notifier
from f2b.daemon.service import Parts, Service, _warmup
from f2b.decide.engine import Engine
from f2b.detect.session import LIFETIME
from f2b.model import Decision, Entry, Position
from f2b.store import Batch, Store
from tests.unit.decide.making import HERE, bans, entry, jail, located

START = Position("c0", 0.0)
SESSION = FilterSettings(
    name="session",
    prefregex=Located(r"^<F-MLFID>a\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$", HERE),
    failregex=located(
        "^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^bad <F-USER>\S+</F-USER>$",
        "^<F-MLFFORGET><F-NOFAIL>bye</F-NOFAIL></F-MLFFORGET>$",
    ),
    journalmatch=located("_COMM=a"),
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A daemon without a wall and without a journal, that bans at the first failure."""
    store = Store(tmp_path / "f2b.sqlite3")
    settings = DaemonSettings(journal=str(tmp_path / "journal"))
    made = Service(
        Parts(
            Config(settings, (), (), tmp_path), Events("stderr", Level.ERROR, time.time), store,
            Engine([jail(maxretry=1), jail(name="other", maxretry=1)]), Null(), Notifier(),
        )
    )  # fmt: skip
    made._position = START
    yield made
    made._live.reader.close()
    store.close()


def decide(service: Service, *entries: Entry) -> None:
    """Decide on entries, and write what was decided."""

    async def together() -> None:
        task = asyncio.create_task(service._recorder.run())
        end = Position(entries[-1].cursor, entries[-1].time)
        await service._decide(Look([(each, False) for each in entries], 0, end))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(together())


def test_the_position_is_that_of_the_last_entry(service: Service) -> None:
    decide(service, entry("bad 192.0.2.7", 1), entry("good", 2))
    assert service._position == service._store.position() == Position("good@2", 2)


def test_signs_of_life_go_on_between_the_slices_of_a_batch(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk and slow regexes together make a batch take longer than the watchdog waits."""
    alive: list[float] = []
    commit = service._store.commit

    def slow(batch: Batch) -> None:
        time.sleep(0.3)
        commit(batch)

    monkeypatch.setattr(service._notifier, "alive", lambda: alive.append(time.monotonic()))
    monkeypatch.setattr(service._store, "commit", slow)
    monkeypatch.setattr(pace, "SLICE", 0.0)
    decide(service, *[entry("bad 192.0.2.7", float(number)) for number in range(9)])
    assert len(alive) > 1


def test_the_position_does_not_pass_what_was_not_decided(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end it is written: the failure of the first entry would be lost."""

    def feed(each: Entry, now: float) -> list[Decision]:
        if each.cursor == "poison@2":
            raise ZeroDivisionError
        return Engine.feed(service._engine, each, now)

    monkeypatch.setattr(service._engine, "feed", feed)
    with pytest.raises(ZeroDivisionError):
        decide(service, entry("bad 192.0.2.7", 1), entry("poison", 2))
    assert service._position == START


def test_an_entry_that_breaks_a_filter_is_passed_and_spoken_of_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service._engine.jails["sshd"].filter, "find", {}.__getitem__)
    decide(service, entry("bad 192.0.2.7", time.time()))
    for _ in range(2):
        service._fed = float("-inf")
        service._keep_house()
    said = [line for line in capsys.readouterr().err.splitlines() if "bug in the filter" in line]
    assert len(said) == 1
    assert " ERROR   bug in the filter of jail sshd: TypeError(" in said[0]
    assert [each.jail for each in service._engine.jails["other"].ledger] == ["other"]


# --- the end ---


def test_a_quiet_journal_keeps_nobody_from_stopping(service: Service) -> None:
    async def together() -> None:
        asyncio.get_running_loop().call_later(0.01, service._end)
        service._live.reader.open(START, 0)
        async with asyncio.timeout(0.5):
            await service._live.wait(Latency.QUIET)
        assert service._stopping.is_set()

    asyncio.run(together())


# --- how far back a start reads ---


def test_without_open_sessions_it_is_their_lifetime() -> None:
    assert _warmup(Position("c", 1000.0)) == LIFETIME


def test_with_one_it_is_its_beginning_too() -> None:
    assert _warmup(Position("c", 1000.0, 400.0)) == 600 + LIFETIME


def test_a_session_from_after_the_position_shortens_nothing() -> None:
    assert _warmup(Position("c", 1000.0, 1010.0)) == LIFETIME


def test_a_session_longer_than_its_lifetime_survives_a_restart() -> None:
    times = {1000: "from 192.0.2.7", 1200: "bad root", 1400: "bad root", 1600: "bad root"}
    *past, last = [entry(text, at, _PID=b"7") for at, text in times.items()]
    live = Engine([jail(filter=SESSION)])
    for each in past:
        live.feed(each, 2000)
    position = Position(past[-1].cursor, past[-1].time, live.oldest_session())

    again = Engine([jail(filter=SESSION, maxretry=1)])
    for each in past:
        if each.time >= position.time - _warmup(position):
            again.warm(each)
    assert [str(ban.offender) for ban in bans(again.feed(last, 2000))] == ["192.0.2.7"]


def test_sessions_of_all_jails_count() -> None:
    engine = Engine([jail(), jail(name="a", filter=SESSION), jail(name="b", filter=SESSION)])
    assert engine.oldest_session() is None
    engine.feed(entry("from 192.0.2.7", 1000, _PID=b"7"), 2000)
    engine.feed(entry("from 192.0.2.8", 1100, _PID=b"8"), 2000)
    engine.feed(entry("bye", 1200, _PID=b"7"), 2000)
    assert engine.oldest_session() == 1100
