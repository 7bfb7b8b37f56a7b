"""Names to addresses: answers are kept, attackers' names are bounded, and nobody waits longer than the time-out."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from f2b.addresses import parse
from f2b.daemon import resolver as module
from f2b.daemon.resolver import Addresses, Resolver

A, B = parse("192.0.2.7"), parse("2001:db8::1")


class Names:
    """A name server: what it knows, and what it was asked."""

    def __init__(self, **known: Addresses) -> None:
        self.known = known
        self.asked: list[str] = []
        self.delay = 0.0
        self.now = 1000.0
        self.resolver = Resolver(lambda: self.now, self.look_up)

    def look_up(self, name: str) -> Addresses:
        self.asked.append(name)
        time.sleep(self.delay)
        return self.known.get(name, ())


def run(body: Callable[[], Awaitable[Any]]) -> Any:
    async def together() -> Any:
        return await asyncio.wait_for(body(), 10)

    return asyncio.run(together())


def test_an_answer_is_kept_for_five_minutes_and_none_for_one() -> None:
    names = Names(a=(A, B))

    async def body() -> None:
        for now in (1000.0, 1030.0, 1090.0, 1290.0, 1301.0):
            names.now = now
            assert await names.resolver.resolve("a") == (A, B)
            assert await names.resolver.resolve("b") == ()

    run(body)
    assert [names.asked.count(name) for name in "ab"] == [2, 3]
    assert names.resolver.unanswered == 5


def test_a_name_is_asked_once_at_a_time() -> None:
    names = Names(a=(A,))
    names.delay = 0.1

    async def body() -> None:
        found = await asyncio.gather(*(names.resolver.resolve("a") for _ in range(20)))
        assert found == [(A,)] * 20

    run(body)
    assert names.asked == ["a"]


def test_who_asks_waits_for_the_time_out_and_the_answer_is_kept_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    names = Names(a=(A,))
    names.delay = 1.0

    async def body() -> None:
        before = time.monotonic()
        assert await names.resolver.resolve("a") == ()
        assert time.monotonic() - before < 0.9
        await asyncio.sleep(1.2)
        assert await names.resolver.resolve("a") == (A,)

    run(body)
    assert names.asked == ["a"]


def test_who_is_told_to_stop_stops_though_the_answer_has_just_come() -> None:
    """Else a command would be asked about it, for up to a minute after the stop."""
    names = Names(a=(A,))
    resolver = names.resolver

    async def body() -> None:
        asking = asyncio.create_task(resolver.resolve("a"))
        await asyncio.sleep(0)
        resolver._under_way["a"].add_done_callback(lambda _: asking.cancel())
        with pytest.raises(asyncio.CancelledError):
            await asking

    run(body)


def test_a_flood_of_names_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 10)
    monkeypatch.setattr(module, "REMEMBERED", 3)
    names = Names(**{str(number): (A,) for number in range(30)})
    names.delay = 0.01

    async def body() -> None:
        found = await asyncio.gather(*(names.resolver.resolve(str(n)) for n in range(30)))
        assert found.count((A,)) == 10

    run(body)
    assert (names.resolver.dropped, len(names.asked)) == (20, 10)
    assert len(names.resolver._answers) == 3


def test_after_a_flood_of_slow_names_the_next_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    monkeypatch.setattr(module, "WAITING", 50)
    names = Names(a=(A,))
    names.delay = 0.3

    async def body() -> None:
        await asyncio.gather(*(names.resolver.resolve(str(n)) for n in range(50)))
        names.delay = 0.0
        await asyncio.sleep(0.4)
        assert await names.resolver.resolve("a") == (A,)

    run(body)
    assert len(names.asked) == 5
    assert names.resolver._under_way == {}


def test_a_name_with_more_addresses_than_a_client_has_is_nobodys() -> None:
    many = tuple(parse(f"192.0.2.{number}") for number in range(9))
    names = Names(a=many, b=many[:8])

    async def body() -> None:
        assert await names.resolver.resolve("a") == ()
        assert await names.resolver.resolve("b") == many[:8]
        assert await names.resolver.fresh("a") == many, "the admin's own may have as many"
        assert await names.resolver.fresh("none") is None

    run(body)


def test_only_addresses_that_a_client_can_have_count(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["192.0.2.7", "127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1%lo", "2001:db8::1"]
    found = [(None, None, None, "", (text, 0)) for text in texts]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert module.look_up("a.example") == (A, B)


def test_a_name_that_cannot_be_written_has_no_address() -> None:
    assert module.look_up("a" * 300) == ()


def test_the_name_of_an_address() -> None:
    """localhost stands in every hosts file."""

    async def body() -> None:
        names = Resolver(time.monotonic, module.look_up_address)
        assert await names.resolve("127.0.0.1") == ("localhost",)
        assert await names.resolve("no address") == ()

    run(body)
