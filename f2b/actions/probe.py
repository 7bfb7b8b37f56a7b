"""Finds the best wall that really works here, by putting it up under another name and taking it down again.

What the kernel lacks shows only when it is asked for: modules load on demand, and a missing expression, chain type or
set flag answers at the use. So what is tried is what will be used: the walls of all jails, both families, a host and
a network. The bans tried are of addresses that documentation has for itself.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from f2b.actions.base import Backend, JailWall, Put, Remove
from f2b.addresses import parse
from f2b.config.settings import WallSettings
from f2b.errors import ActionError, F2bError, NotPermittedError
from f2b.model import Ban

_TRIES, _PAUSE = 3, 0.2
_HOSTS = "192.0.2.1", "2001:db8::1"
_NETWORKS = "192.0.2.0/30", "2001:db8::/126"
_IGNORED = tuple(map(parse, ("192.0.2.2/31", "2001:db8::2")))

Make = Callable[[str], Backend]
"""Makes a backend that uses the given name in place of the setting `table`."""


class Choice(NamedTuple):
    """The backend that works best here, and why none that would be better."""

    backend: Backend
    why: str = ""


def choose(
    candidates: Sequence[tuple[str, Make]],
    table: str,
    trial: str,
    walls: Iterable[WallSettings],
    now: float,
) -> Choice:
    """The first candidate that works, best first. Raises what was wrong with them when none does.

    `trial` is the name to try under: always the same, so that the next start removes what a kill left behind.
    """
    jails = [JailWall(f"p{at}", wall, _IGNORED) for at, wall in enumerate(dict.fromkeys(walls))]
    failures: list[tuple[str, F2bError]] = []
    for name, make in candidates:
        try:
            _try(make, trial, jails or [JailWall("p0", WallSettings(), _IGNORED)], now)
            backend = make(table)
        except F2bError as error:
            failures.append((name, error))
        else:
            return Choice(backend, _told(failures))
    raise _nothing(failures)


def _try(make: Make, trial: str, jails: Sequence[JailWall], now: float) -> None:
    for left in reversed(range(_TRIES)):
        try:
            _put_up(make, trial, jails, now)
        except ActionError as error:
            # Somebody changes the firewall just now: that says nothing of what the kernel can do.
            if not error.retry or not left:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _put_up(make: Make, trial: str, jails: Sequence[JailWall], now: float) -> None:
    backend = make(trial)
    try:
        bans = [
            Ban(wall.name, parse(address), now, now + 60)
            for wall in jails
            for address in (*_HOSTS, *_NETWORKS)
        ]
        own = list(map(parse, ("192.0.2.3", "2001:db8::3")))
        try:
            refused = backend.start(jails, own, [], now)
            refused += backend.apply(list(map(Put, bans)), now)
            refused += backend.apply([Remove(ban.jail, ban.offender) for ban in bans], now)
        finally:
            backend.lift()
        if refused:
            raise ActionError(f"a ban is refused: {refused[0].why}")
    finally:
        backend.close()


def _nothing(failures: Sequence[tuple[str, F2bError]]) -> F2bError:
    first = failures[0][1]
    if len(failures) == 1 or isinstance(first, NotPermittedError):
        return first
    return ActionError(f"no firewall works here: {_told(failures)}")


def _told(failures: Iterable[tuple[str, F2bError]]) -> str:
    """What was wrong with whom; the same thing is said once."""
    names: dict[str, list[str]] = {}
    for name, error in failures:
        names.setdefault(str(error), []).append(name)
    return "; ".join(f"{', '.join(those)}: {text}" for text, those in names.items())
