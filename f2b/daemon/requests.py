"""Answering what comes over the control socket: a request becomes a decision, and takes the same road as an entry's."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, assert_never

from f2b import __version__, addresses, protocol, times
from f2b.actions import interfaces
from f2b.addresses import Offender
from f2b.daemon import report
from f2b.daemon.enforcer import Enforcer
from f2b.daemon.wall import watched
from f2b.decide.engine import Engine
from f2b.decide.ignore import IgnoreList
from f2b.errors import ControlError
from f2b.model import Ban, Banned, Decision, Lifted, Prolonged
from f2b.protocol import ActionRow, BanRow, DaemonStatus, JailStatus, Request, SlowLaneRow

PATIENCE = 2.0
"""Seconds that an answer waits for the kernel."""

NOT_COUNTED: Mapping[Offender, tuple[int, int]] = {}

CarryOut = Callable[[Sequence[Decision]], Awaitable[None]]


class Acting(Protocol):
    """What is told of the jails' commands."""

    def rows(self, jail: str) -> list[ActionRow]: ...

    def unenforced(self) -> Mapping[tuple[str, Offender], str]: ...

    async def settled(self, timeout: float) -> None: ...


class Desk:
    """One answer a request. Raises F2bError for the client."""

    def __init__(  # noqa: PLR0913
        self,
        engine: Engine,
        enforcer: Enforcer,
        *,
        carry_out: CarryOut,
        reload: Callable[[], Awaitable[list[str]]],
        status: Callable[[], DaemonStatus],
        progress: dict[str, float],
        slow: Callable[[str], SlowLaneRow],
        actions: Acting,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._enforcer = enforcer
        self._carry_out = carry_out
        self._reload = reload
        self._status = status
        self._progress = progress
        self._slow = slow
        self._actions = actions
        self._clock = clock

    async def handle(self, request: Request) -> Any:
        match request:
            case protocol.Ping():
                return {"pong": True, "version": __version__, "pid": os.getpid()}
            case protocol.Status():
                return await self._jail_status(request.jail) if request.jail else self._status()
            case protocol.Banned():
                return self._banned()
            case protocol.Ban():
                return await self._ban(request)
            case protocol.Unban():
                return await self._unban(request)
            case protocol.Reload():
                return {"warnings": await self._reload()}
            case _:
                assert_never(request)

    async def _jail_status(self, name: str) -> JailStatus:
        jail = self._engine.jail(name)
        row = report.jail_row(jail, self._clock(), self._progress.get(name), self._unenforced())
        counters = await self._enforcer.counters(name, PATIENCE)
        bans = report.ban_rows(tuple(jail.ledger), self._unenforced(), counters)
        return report.jail_status(jail, row, bans, self._slow(name), self._actions.rows(name))

    def _banned(self) -> dict[str, Iterable[BanRow]]:
        unenforced = self._unenforced()
        return {
            jail.name: report.ban_rows(tuple(jail.ledger), unenforced, NOT_COUNTED)
            for jail in self._engine.jails.values()
        }

    def _unenforced(self) -> report.Unenforced:
        return {
            **watched(self._engine, self._enforcer.name),
            **self._actions.unenforced(),
            **self._enforcer.unenforced,
        }

    async def _ban(self, request: protocol.Ban) -> Any:
        jail = self._engine.jail(request.jail)
        bantime = jail.settings.bantime if request.bantime is None else _bantime(request.bantime)
        offenders = [_address(text) for text in request.addresses]
        if not request.force:
            gateways = await asyncio.to_thread(interfaces.gateways)
            protected = [(gateway, "the default gateway") for gateway in gateways]
            if peer := _peer(request.peer):
                protected.append((peer, "where you are logged in from"))
            _guard(offenders, protected)
        now = self._clock()
        # All or nothing: the second address of a command must not be refused after the first is banned.
        if not request.force:
            for offender in offenders:
                self._engine.allow(jail.name, offender)
        decisions = [d for o in offenders for d in self._engine.ban(jail.name, o, now, bantime)]
        await self._carry_out(decisions)
        await self._enforcer.settled(PATIENCE)
        await self._actions.settled(PATIENCE)
        unenforced = self._unenforced()
        changed = {d.ban.offender for d in decisions if isinstance(d, Banned | Prolonged)}
        return {
            "jail": jail.name,
            "banned": [str(o) for o in offenders if o in changed],
            "already": [str(o) for o in offenders if o not in changed],
            "unenforced": {
                str(o): why for o in offenders if (why := unenforced.get((jail.name, o)))
            },
        }

    async def _unban(self, request: protocol.Unban) -> Any:
        now = self._clock()
        offenders = [_address(text) for text in request.addresses]
        if request.everything:
            decisions = self._engine.unban_all(now, request.jail)
        else:
            decisions = [d for o in offenders for d in self._engine.unban(o, now, request.jail)]
        await self._carry_out(decisions)
        await self._enforcer.settled(PATIENCE)
        lifted = [each.ban for each in decisions if isinstance(each, Lifted)]
        del decisions
        return {
            "unbanned": ({"jail": ban.jail, "offender": str(ban.offender)} for ban in lifted),
            "not_banned": [str(o) for o in _untouched(offenders, lifted)],
            "still_banned": [
                {"address": str(o), "jail": jail, "offender": str(by)}
                for o in offenders
                for jail, by in self._engine.covering(o)
            ],
        }


def _address(text: str) -> Offender:
    try:
        return addresses.parse(text)
    except ValueError:
        hint = "write 192.0.2.7, 2001:db8::1 or a network such as 198.51.100.0/24"
        raise ControlError(f"{text!r} is not an address", hint=hint) from None


def _peer(text: str | None) -> Offender | None:
    """Where the caller's own login comes from, if it says so: without zone, and whatever sshd may write there."""
    with contextlib.suppress(ValueError):
        return addresses.parse((text or "").partition("%")[0])
    return None


def _bantime(text: str) -> float | None:
    hint = "write 600, 10m, 1d12h, or -1 for ever"
    try:
        bantime = times.lifetime(text)
    except ValueError as error:
        raise ControlError(str(error), hint=hint) from None
    if bantime == 0:
        raise ControlError("a ban of no time bans nobody", hint=hint)
    return bantime


def _guard(offenders: Iterable[Offender], protected: Iterable[tuple[Offender, str]]) -> None:
    """Never lock out the owner."""
    for offender in offenders:
        for address, what in protected:
            if offender.covers(address):
                raise ControlError(
                    f"{offender} covers {address}, {what}", hint="--force bans it anyway"
                )


def _untouched(offenders: Sequence[Offender], bans: Sequence[Ban]) -> list[Offender]:
    """Those that no ban was lifted of, neither around them nor in them."""
    if not offenders:
        return []
    lifted = {ban.offender for ban in bans}
    prefixes = {offender.prefix for offender in offenders}
    around = IgnoreList(lifted)
    inside = {by.masked(prefix) for by in lifted for prefix in prefixes}
    return [each for each in offenders if each not in inside and not around.covers(each)]
