"""The slow lane: what regexes could not answer in time is asked in a child process, which may be killed.

Owns the child and the entries that wait for it. There is one child, so that hostile lines cost one core at most and
little memory; jails take turns. It is started when there is something to ask, and ends when there was nothing for a
while. Each jail has a bounded queue: what does not fit is dropped and counted.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, NamedTuple

from f2b.child import ENVIRONMENT
from f2b.decide.engine import Slow
from f2b.detect import lane
from f2b.detect.search import Question, Searcher, Take

DEADLINE = 0.25
"""Seconds of CPU time for one regex on one text."""
CROWD, HURRY = 100, 0.02
"""Where so many wait, the deadline is that: in a flood ordinary lines, which take less, come through more often."""
CEILING = 1000
"""Entries that may wait for each jail."""
ROOM = 8_000_000
"""Characters that they may have together, the text to search and the message: with maxlines each has many lines."""
IDLE = 30.0
KILLS = 3
"""How often the child may die of one text until that is given up."""
PATIENCE = 10.0
"""Seconds for one text, on a machine that gives the child no CPU time."""
LIMIT = 1 << 22
TOLD = 60.0

Release = Callable[[], None]
"""Called when what came of an entry is carried out, or nothing can."""
Answered = Callable[[Slow, Take | None, Release], Awaitable[None]]
"""What to do with an answer."""


class _Waiting(NamedTuple):
    asked: Slow
    release: Release


class SlowLane:
    """Counts entries by jail: `dropped` had no room, for `unjudged` no deadline was enough."""

    def __init__(
        self,
        answered: Answered,
        wanted: Callable[[Slow], bool],
        complain: Callable[[str], None],
    ) -> None:
        self._answered = answered
        self._wanted = wanted
        self._complain = complain
        self._queues: dict[str, deque[_Waiting]] = {}
        self._size: Counter[str] = Counter()
        self._some = asyncio.Event()
        self._child = _Child(complain)
        self._turn = asyncio.Lock()
        self._told = float("-inf")
        self._untold: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.unjudged: Counter[str] = Counter()

    def waiting(self, jail: str) -> int:
        return len(self._queues.get(jail, ()))

    def put(self, asked: Slow, release: Release) -> None:
        """Ask when its turn comes."""
        queue = self._queues.setdefault(asked.jail, deque())
        if len(queue) >= CEILING or self._size[asked.jail] + _size(asked) > ROOM:
            self.dropped[asked.jail] += 1
            self._untold[asked.jail] += 1
            release()
        else:
            queue.append(_Waiting(asked, release))
            self._size[asked.jail] += _size(asked)
            self._some.set()
        self._tell()

    async def run(self) -> None:
        """Answer what is asked, until cancelled."""
        try:
            while True:
                asked, release = await self._next()
                if not self._wanted(asked):
                    release()
                    continue
                take = await self.ask(asked)
                await self._answered(asked, take, release)
                self._tell()
        finally:
            await self._child.end()

    async def ask(self, asked: Slow) -> Take | None:
        """The answer to one question, with as many regexes asked as come to an end."""
        question, searcher = asked.question, asked.filter.searcher
        deadline = DEADLINE if self.waiting(asked.jail) < CROWD else min(HURRY, DEADLINE)
        async with self._turn:
            for _ in range(KILLS):
                try:
                    take = await self._child.ask(searcher, question, deadline)
                except _Died as died:
                    if died.at is None:
                        continue
                    question = question._replace(passed=(*question.passed, died.at))
                    if died.at not in searcher.optional:
                        break
                else:
                    if take is not None or question == asked.question:
                        return take
                    break
        self.unjudged[asked.jail] += 1
        return nobody_knows(question)

    async def _next(self) -> _Waiting:
        while True:
            for jail, queue in tuple(self._queues.items()):
                del self._queues[jail]
                if queue:
                    waiting = queue.popleft()
                    self._size[jail] -= _size(waiting.asked)
                    self._queues[jail] = queue  # at the end: jails take turns
                    return waiting
            self._some.clear()
            try:
                async with asyncio.timeout(IDLE):
                    await self._some.wait()
            except TimeoutError:
                async with self._turn:  # a catch-up may be asking
                    await self._child.end()

    def _tell(self) -> None:
        if self._untold and time.monotonic() - self._told > TOLD:
            self._told = time.monotonic()
            for jail, number in self._untold.items():
                self._complain(
                    f"[{jail}] {number} lines not judged: regexes took too long for too many of them"
                )
            self._untold.clear()


def _size(asked: Slow) -> int:
    return len(asked.question.text) + len(asked.entry.fields.get("MESSAGE", b""))


def nobody_knows(question: Question) -> Take:
    """No regex took it, and the lines of a ring are gone: with the next line they would be as slow again."""
    return Take(-1, {}, tuple(range(len(question.lines))), ignored=True)


class _Died(Exception):  # noqa: N818
    """The child ended before it answered. `at` is the place of the regex that its deadline ended, if it was that."""

    def __init__(self, at: int | None) -> None:
        super().__init__(at)
        self.at = at


class _Child:
    """The process, or none. One question at a time."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._process: asyncio.subprocess.Process | None = None
        self._known: dict[Searcher, int] = {}
        self._numbers = count()

    async def ask(self, searcher: Searcher, question: Question, deadline: float) -> Take | None:
        """Raises _Died."""
        try:
            process = await self._running()
        except OSError as error:
            self._complain(f"the process for slow regexes cannot be started: {error.strerror}")
            await asyncio.sleep(1)
            raise _Died(None) from None
        lines = []
        if searcher not in self._known:
            self._known[searcher] = next(self._numbers)
            lines.append({"filter": self._known[searcher], **lane.described(searcher)})
        asked = {"text": question.text, "passed": question.passed, "deadline": deadline}
        lines.append({"filter": self._known[searcher], **asked})
        try:
            async with asyncio.timeout(PATIENCE):  # wait_for may swallow a cancellation
                return await _answer(process, lines)
        except (TimeoutError, OSError, ValueError):  # of an answer, half or all too long
            await self.end()
            raise _Died(None) from None
        except _Died as died:
            code = await process.wait()
            await self.end()
            if code != -lane.KILLED:
                if code > 0:
                    self._complain(f"the process for slow regexes ended with {code}")
                    await asyncio.sleep(1)
                raise _Died(None) from None
            raise died from None
        except BaseException:
            await self.end()  # else it would answer the next question with this one's answer
            raise

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._known.clear()
            # -P: what lies in the working directory is nobody's module; -S: the core needs the standard library alone.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-S", "-m", lane.__name__,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, limit=LIMIT,
                env=ENVIRONMENT,
            )  # fmt: skip
        return self._process


async def _answer(process: asyncio.subprocess.Process, lines: list[dict[str, Any]]) -> Take | None:
    assert process.stdin
    assert process.stdout
    at = None
    try:
        process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        await process.stdin.drain()
        while line := await process.stdout.readline():
            answer = json.loads(line)
            if "at" in answer:
                at = answer["at"]
            elif (take := answer["take"]) is None:
                return None
            else:
                return Take(take["regex"], take["groups"], tuple(take["lines"]), take["ignored"])
    except ConnectionError:
        pass
    raise _Died(at)
