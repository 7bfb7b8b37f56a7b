"""Host names to addresses, and addresses to host names: the only door to getaddrinfo and its like.

Whoever writes the log chooses the names. So there are ceilings on what is remembered and on what is under way, and no
look-up holds up anything: each has a thread, because getaddrinfo can be neither polled nor ended.
"""

import asyncio
import socket
import threading  # noqa: TID251 - a pool waits at the exit for a server that never answers; daemon threads do not
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Generic, NamedTuple, TypeVar

from f2b.addresses import Offender, parse_host

TIMEOUT = 5.0
THREADS = 4
WAITING = 1000
"""Names under way, in a thread or before one."""
REMEMBERED = 10_000
FOUND, NOT_FOUND = 300.0, 60.0
"""Seconds for which an answer holds, and that there is none."""
MOST = 8
"""A name with more addresses is no client's: whoever it was, seven of eight would be others."""

Addresses = tuple[Offender, ...]


T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """What a name stands for, until then."""

    addresses: tuple[T, ...]
    until: float


def look_up(name: str) -> Addresses:
    """The addresses of a name, as the machine resolves names; none if it has none, or none that a client can have."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    texts = (str(address[0]) for *_, address in found)
    addresses = dict.fromkeys(each for text in texts if (each := _client(text)) is not None)
    return tuple(addresses)


def look_up_address(address: str) -> tuple[str, ...]:
    """The name of an address, as whoever owns it wrote it."""
    try:
        return (socket.gethostbyaddr(address)[0],)
    except (OSError, UnicodeError):
        return ()


def look_up_own(_: str) -> tuple[str, ...]:
    """The full name of this host."""
    return (socket.getfqdn(),)


class Resolver(Generic[T]):
    """Owns the answers. `dropped` counts names that were too many, `unanswered` those without an address in time."""

    def __init__(
        self, clock: Callable[[], float], look_up: Callable[[str], tuple[T, ...]]
    ) -> None:
        self._clock = clock
        self._look_up = look_up
        self._answers: OrderedDict[str, Answer[T]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[tuple[T, ...]]] = {}
        self._threads = asyncio.Semaphore(THREADS)
        self.dropped = 0
        self.unanswered = 0

    async def resolve(self, name: str) -> tuple[T, ...]:
        """The addresses, at the latest after the time-out; none if there is no answer."""
        known = self._answers.get(name)
        if known is None or known.until <= self._clock():
            if len(self._under_way) >= WAITING and name not in self._under_way:
                self.dropped += 1
                return ()
            addresses = await self._asked(name)
        else:
            self._answers.move_to_end(name)
            addresses = known.addresses
        if not addresses or len(addresses) > MOST:
            self.unanswered += 1
            return ()
        return addresses

    async def fresh(self, name: str) -> tuple[T, ...] | None:
        """Ask anew, for a name of the admin's, with all its addresses; None if there is no answer."""
        return await self._asked(name) or None

    async def _asked(self, name: str) -> tuple[T, ...]:
        """Wait for the look-up under way, or start one. Once begun it goes on, for whoever asks next."""
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(name))
            self._under_way[name] = task
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):  # wait_for may swallow a cancellation
                return await asyncio.shield(task)
        return ()

    async def _ask(self, name: str) -> tuple[T, ...]:
        try:
            # One that had no turn is given up with whoever asked: else slow names were ahead of all others for an hour.
            async with asyncio.timeout(TIMEOUT):
                await self._threads.acquire()
            try:
                addresses = await self._in_thread(name)
            finally:
                self._threads.release()
        except TimeoutError:
            return ()
        finally:
            del self._under_way[name]
        self._answers[name] = Answer(
            addresses, self._clock() + (FOUND if addresses else NOT_FOUND)
        )
        self._answers.move_to_end(name)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return addresses

    async def _in_thread(self, name: str) -> tuple[T, ...]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[T, ...]] = loop.create_future()

        def tell(addresses: tuple[T, ...]) -> None:
            if not answer.done():
                answer.set_result(addresses)

        def work() -> None:
            addresses = self._look_up(name)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell, addresses)

        threading.Thread(target=work, name=f"look up {name}", daemon=True).start()
        return await answer


def _client(text: str) -> Offender | None:
    """An address that can be at the other end of a connection."""
    offender = parse_host(text)
    if offender is None:
        return None
    address = ip_address(offender.packed)
    no_client = address.is_unspecified or address.is_multicast or address.is_loopback
    return None if no_client else offender
