"""ignorecommand: a program of the admin's says whether a failure counts.

Owns the child processes and the remembered answers. There is no shell: the command line is split first and its tags
are replaced then, so what an attacker wrote into the log is never another word. A few run at a time for each jail; one
that is not done in time, in its turn or in its work, is killed, and the failure counts.
"""

import asyncio
import os
import re
import signal
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from f2b.config.settings import IgnoreCache, JailSettings
from f2b.decide.jail import Jail
from f2b.detect.failregex import RENAMED
from f2b.model import Failure

TIMEOUT = 60.0
GRACE = 1.0
"""Seconds for one that was killed to go: the kernel may hold it back."""
QUIET = 60.0
"""Seconds between two complaints about the same command."""
AT_ONCE = 4
IGNORE, COUNT = 0, 1

_TAG = re.compile(r"<(F-)?([A-Za-z0-9_-]+)>")
_INHERITED = ("PATH", "LANG", "TZ", "HOME")


@dataclass(slots=True)
class _Jail:
    """What belongs to the command of one jail."""

    settings: JailSettings
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    remembered: OrderedDict[str, tuple[bool, float]] = field(default_factory=OrderedDict)
    under_way: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    quiet_until: float = 0.0


class Commands:
    """`failed` counts commands that gave no answer; one a minute is told to `complain`."""

    def __init__(self, clock: Callable[[], float], complain: Callable[[str], None]) -> None:
        self._clock = clock
        self._complain = complain
        self._jails: dict[str, _Jail] = {}
        self.failed = 0

    async def ignores(self, jail: Jail, failure: Failure) -> bool:
        """Say whether the command lets this failure off, from memory where ignorecache allows it."""
        state = self._jails.get(jail.name)
        if state is None or state.settings != jail.settings:
            state = self._jails[jail.name] = _Jail(jail.settings)
        cache = jail.settings.ignorecache
        if cache is None:
            return await self._asked(state, failure)
        key = filled(cache.key, tags(jail.name, failure))
        known = state.remembered.get(key)
        if known is not None and known[1] > self._clock():
            state.remembered.move_to_end(key)
            return known[0]
        task = state.under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(
                self._remembered(state, cache, key, failure)
            )
            state.under_way[key] = task
        return await asyncio.shield(task)

    async def _remembered(
        self, state: _Jail, cache: IgnoreCache, key: str, failure: Failure
    ) -> bool:
        try:
            verdict = await self._asked(state, failure)
        finally:
            del state.under_way[key]
        state.remembered[key] = verdict, self._clock() + cache.lifetime
        state.remembered.move_to_end(key)
        while len(state.remembered) > cache.most:
            state.remembered.popitem(last=False)
        return verdict

    async def _asked(self, state: _Jail, failure: Failure) -> bool:
        said = tags(state.settings.name, failure)
        argv = [filled(word, said) for word in state.settings.ignorecommand]
        try:
            async with asyncio.timeout(TIMEOUT), state.turn:
                status = await _run(argv, environment(said))
        except TimeoutError:
            return self._no_answer(state, f"no answer within {TIMEOUT:.0f} s")
        except OSError as error:
            return self._no_answer(state, f"{argv[0]}: {error.strerror}")
        except UnicodeEncodeError:
            return self._no_answer(
                state, "what is to be told it has letters that the locale lacks"
            )
        if status not in {IGNORE, COUNT}:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            return self._no_answer(state, how)
        return status == IGNORE

    def _no_answer(self, state: _Jail, why: str) -> bool:
        self.failed += 1
        if self._clock() >= state.quiet_until:
            state.quiet_until = self._clock() + QUIET
            self._complain(
                f"[{state.settings.name}] ignorecommand: {why}; the failures are counted"
            )
        return False


def tags(jail: str, failure: Failure) -> dict[str, str]:
    """What the tags stand for, in small letters: those of the failure, and F-NAME as its regex captured it."""
    said = {f"f-{name}": text for name, text in failure.groups}
    said |= {f"f-{tag}": said[f"f-{name}"] for tag, name in RENAMED.items() if f"f-{name}" in said}
    if failure.user is not None:
        said.setdefault("f-user", failure.user)
    said |= {
        "ip": str(failure.address),
        "family": f"inet{'6' if failure.address.family == 6 else '4'}",
        "time": f"{failure.time:.6f}",
        "name": jail,
    }
    return {name: text.replace("\0", "") for name, text in said.items()}


def filled(word: str, said: Mapping[str, str]) -> str:
    """Replace the tags in one word. A <F-NAME> that was not captured is empty, any other text stays."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return said.get(f"f-{match[2].lower().replace('-', '_')}", "")
        return said.get(match[2].lower(), match[0])

    return _TAG.sub(replace, word)


def environment(said: Mapping[str, str]) -> dict[str, str]:
    """F2B_IP, F2B_F_USER and so on, beside what every program needs."""
    ours = {f"F2B_{name.upper().replace('-', '_')}": text for name, text in said.items()}
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | ours


async def _run(argv: list[str], environment: Mapping[str, str]) -> int:
    """The exit status. When cancelled, the command and what it started in its group are killed."""
    silent = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=silent, stdout=silent, stderr=silent, env=environment, start_new_session=True
    )
    try:
        return await child.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await child.wait()
        raise
