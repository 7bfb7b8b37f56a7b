"""What is asked before a failure counts: who waits, who does not, and what a reload or a stop makes of it."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.config.settings import UseDns
from f2b.daemon import questions as module
from f2b.daemon.events import Events, Level
from f2b.daemon.questions import Questions
from f2b.decide.engine import Engine
from f2b.decide.holds import Holds
from f2b.decide.jail import Jail
from f2b.model import Decision, Failure, Found, Position, Suspect
from tests.unit.decide.making import PLAIN, RECIDIVE, bans, entry, failure, jail

A, B = "192.0.2.7", "192.0.2.8"
HERE = Position("c", 900.0)
NOW = 1000.0
NAMES = PLAIN._replace(usedns=UseDns.WARN)


class World:
    """An engine with questions; the names a.test and two.test are known."""

    def __init__(self, *jails: Jail) -> None:
        self.engine = Engine(jails)
        self.holds = Holds()
        self.decided: list[Decision] = []
        events = Events("stderr", Level.WARNING, time.time)
        self.questions = Questions(self.engine, self.holds, events, self.carry_out, lambda: NOW)

    async def carry_out(self, decisions: Sequence[Decision]) -> None:
        assert len(self.holds) > 0, "the position is held until it is recorded"
        self.decided += decisions

    def feed(self, *messages: str) -> list[Decision]:
        """Entries of one batch; what is decided at once."""
        decisions = [
            decision
            for number, message in enumerate(messages)
            for decision in self.engine.feed(entry(message, NOW + number / 100), NOW + 1)
        ]
        return decisions + self.questions.take(HERE, NOW)

    async def answered(self) -> None:
        while len(self.holds):
            await asyncio.sleep(0.01)

    def found(self) -> list[str]:
        return sorted(
            str(each.failure.address) for each in self.decided if isinstance(each, Found)
        )


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def together() -> None:
        await asyncio.wait_for(body(), 20)

    asyncio.run(together())


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"a.test": (A,), "two.test": (A, B), "own.test": ("192.0.2.1",)}

    def getaddrinfo(name: str, *_: object, **__: object) -> list[object]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(None, None, None, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# --- names ---


def test_every_address_of_a_name_has_failed_at_the_time_of_the_entry() -> None:
    world = World(jail(filter=NAMES, maxretry=2))

    async def body() -> None:
        assert world.feed("bad two.test", "bad two.test") == []
        assert world.holds.oldest() == HERE
        await world.answered()

    run(body)
    assert world.found() == [A, A, B, B]
    assert [ban.start for ban in bans(world.decided)] == [NOW + 0.01] * 2
    assert world.holds.oldest() is None


def test_several_addresses_in_one_network_have_failed_once() -> None:
    world = World(jail(filter=NAMES, ipv4prefix=24, maxretry=2))

    async def body() -> None:
        world.feed("bad two.test")
        await world.answered()

    run(body)
    assert world.found() == [A]
    assert bans(world.decided) == []


def test_a_name_is_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(jail(filter=NAMES))

    async def body() -> None:
        for _ in range(2):
            world.feed("bad a.test", "bad a.test", "bad none.test")
            await world.answered()

    run(body)
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "[sshd] 'a.test' was looked up: 192.0.2.7;" in line] == said
    assert len(said) == 1
    assert world.questions.counters()["names_unanswered"] == 2


def test_ignored_addresses_are_ignored_by_name_too() -> None:
    sshd = jail(filter=NAMES, ignoreip=(parse(B),), ignorecommand=("/nowhere",))
    world = World(sshd)
    world.engine.own = type(world.engine.own)([parse("192.0.2.1")])

    async def body() -> None:
        world.feed("bad own.test", "bad two.test")
        await world.answered()

    run(body)
    assert world.found() == [A]
    assert sshd.passed == 2


# --- commands ---


def test_a_command_is_asked_and_ignored_addresses_are_no_question(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = f'echo "$0" >>{asked}; [ "$0" = {A} ]'
    sshd = jail(ignorecommand=("sh", "-c", script, "<ip>"), ignoreip=(parse("192.0.2.9"),))
    world = World(sshd)

    async def body() -> None:
        world.feed(f"bad {A}", f"bad {B}", "bad 192.0.2.9")
        await world.answered()

    run(body)
    assert world.found() == [B]
    assert sorted(asked.read_text().split()) == [A, B]
    assert sshd.passed == 2


def test_beyond_the_ceiling_failures_count_and_names_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CEILING", 2)
    world = World(jail(filter=NAMES, ignorecommand=("sleep", "60")), jail(name="other"))

    async def body() -> None:
        decisions = world.feed(*[f"bad {A}"] * 3, "bad a.test")
        assert [each.jail for each in decisions if isinstance(each, Found)] == [
            *["other"] * 3, "sshd",
        ]  # fmt: skip
        counters = world.questions.counters()
        assert counters["ignorecommands_not_asked"] == counters["names_dropped"] == 1
        assert counters["questions_waiting"] == 2
        await world.questions.stop()

    run(body)


def test_a_jail_that_counts_bans_asks_nothing() -> None:
    recidive = jail(name="recidive", filter=RECIDIVE, maxretry=1, ignorecommand=("true",))
    world = World(jail(maxretry=1), recidive)

    async def body() -> None:
        assert {ban.jail for ban in bans(world.feed(f"bad {A}"))} == {"sshd", "recidive"}

    run(body)


# --- stop, reload, catch-up ---


def test_at_a_stop_the_position_stays_before_what_is_not_answered() -> None:
    world = World(jail(ignorecommand=("sleep", "60")))

    async def body() -> None:
        world.feed(f"bad {A}")
        await asyncio.sleep(0.05)
        await world.questions.stop()

    run(body)
    assert world.holds.oldest() == HERE
    assert world.decided == []


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ({"maxretry": 9}, [A]),
        ({"filter": PLAIN._replace(name="changed", maxlines=2)}, []),
        ({"name": "other"}, []),
    ],
)
def test_after_a_reload_an_answer_is_for_the_jail_with_the_same_filter(
    after: dict[str, object], found: list[str]
) -> None:
    old = jail(ignorecommand=("sh", "-c", "sleep 0.2; exit 1"))
    world = World(old)

    async def body() -> None:
        world.feed(f"bad {A}")
        new = jail(**after)
        if new.name == old.name:
            new.adopt(old, [], NOW, same_filter="filter" not in after)
        world.engine.swap([new], NOW)
        await world.answered()
        assert [len(each.tally) for each in world.engine.jails.values()] == [len(found)]

    run(body)
    assert world.found() == found


def test_what_is_asked_live_is_not_counted_by_a_catch_up() -> None:
    sshd = jail(filter=NAMES, ignorecommand=("sh", "-c", "sleep 0.2; exit 1"))
    world = World(sshd)
    live = entry(f"bad {A}", NOW).cursor
    past: list[Failure | Suspect] = [
        failure(A, NOW)._replace(cursor=live), failure(B, NOW - 1), Suspect("a.test", NOW, "c")
    ]  # fmt: skip

    async def body() -> None:
        world.feed(f"bad {A}")
        settled = await world.questions.settle(sshd, past)
        assert [(str(each.address), each.cursor) for each in settled] == [
            (B, past[1].cursor), (A, "c"),
        ]  # fmt: skip
        await world.answered()

    run(body)
    assert world.found() == [A]


def test_what_another_filter_asked_is_asked_again() -> None:
    """Its own answer counts for nothing."""
    old = jail(ignorecommand=("sh", "-c", "sleep 0.2; exit 1"))
    world = World(old)

    async def body() -> None:
        world.feed(f"bad {A}")
        new = jail(filter=PLAIN._replace(name="changed"))
        new.adopt(old, [], NOW, same_filter=False)
        world.engine.swap([new], NOW)
        past = failure(A, NOW)._replace(cursor=entry(f"bad {A}", NOW).cursor)
        assert await world.questions.settle(new, [past]) == [past]
        await world.answered()

    run(body)
    assert world.found() == []


def test_what_was_stored_before_a_crash_is_no_question() -> None:
    sshd = jail(ignorecommand=("sleep", "60"))
    world = World(sshd)
    sshd.seen = {(entry(f"bad {A}", NOW).cursor, parse(A))}

    async def body() -> None:
        assert world.feed(f"bad {A}") == []
        assert len(world.holds) == 0

    run(body)
    assert sshd.found == 0


def test_of_a_name_only_the_addresses_count_that_a_crash_left_out() -> None:
    sshd = jail(filter=NAMES)
    world = World(sshd)
    sshd.seen = {(entry("bad two.test", NOW).cursor, parse(A))}

    async def body() -> None:
        world.feed("bad two.test")
        await world.answered()

    run(body)
    assert world.found() == [B]
