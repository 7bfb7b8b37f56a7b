"""Runs the shell commands of an action: the tags of a ban put in, a time limit, and nothing left running after it.

Text from a log is in the environment (F2B_MATCHES, F2B_F_USER ...), and a tag for it becomes a reference to that
variable, in double quotes where it stands bare. Within single quotes, where the shell looks for no variables, a word of
plain characters is put in as it is, and of any other text only its reference: to close the quotes would hand it to
whatever program the admin wrote there, be it awk or another shell.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from f2b.addresses import Family, Offender
from f2b.config.actions import OF_THE_BAN
from f2b.config.settings import ActionCommands, ActionSettings
from f2b.config.shell import Quoting, tags
from f2b.errors import ActionError

GRACE = 0.2
"""Seconds from SIGTERM to SIGKILL."""
OUTPUT = 2000
"""Bytes of what it prints that are kept."""
LONGEST = 65_536
"""Bytes of a value: the kernel takes no longer variables than 128 KiB, nor a longer command."""

_FROM_THE_LOG = {"matches", "ipmatches", "ipjailmatches", "ip-host"}
_SAFE = re.compile(r"[A-Za-z0-9_.:/@+,=-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_.:@-]{1,1000}")
_INHERITED = ("PATH", "LANG", "TZ", "HOME")
_MISSING = 127


class Command(NamedTuple):
    """What the shell gets."""

    text: str
    environment: Mapping[str, str]


def filled(text: str, values: Mapping[str, str]) -> Command:
    """Put the values in. A <F-NAME> without a value is empty; other tags without one stay."""
    parts = []
    at = 0
    for name, start, end, quoting in tags(text):
        if name.startswith("F-"):
            name = "F-" + name[2:].upper().replace("-", "_")  # noqa: PLW2901
        elif name not in OF_THE_BAN:
            continue
        parts += [text[at:start], _word(name, values.get(name, ""), quoting)]
        at = end
    variables = {variable(name): clean(value) for name, value in values.items()}
    return Command("".join([*parts, text[at:]]), variables)


def _word(name: str, value: str, quoting: Quoting) -> str:
    if name in {"br", "sp"}:
        return value
    ours = name in OF_THE_BAN and name not in _FROM_THE_LOG
    if ours and _SAFE.fullmatch(value):
        return value
    reference = f"${{{variable(name)}}}"
    if quoting is Quoting.BARE:
        return f'"{reference}"'
    if quoting is Quoting.SINGLE and (not value or _PLAIN.fullmatch(value)):
        return value
    return reference


def variable(tag: str) -> str:
    """The name under which a command finds what a tag stands for."""
    return "F2B_" + re.sub(r"[^A-Z0-9]", "_", tag.upper())


def clean(value: str) -> str:
    """As the environment can hold it; of a long text the end."""
    whole = value[-LONGEST:].replace("\0", "").encode("utf-8", "replace")
    return whole[-LONGEST:].decode("utf-8", "ignore")


def family(offender: Offender) -> str:
    return "inet6" if offender.family is Family.INET6 else "inet4"


@dataclass(slots=True)
class Runner:
    """The commands of one action. Each method raises ActionError; one at a time, its caller takes care of that.

    `started` are the families that are set up: both of them, where they do not differ.
    """

    settings: ActionSettings
    common: Callable[[], Mapping[str, str]]
    started: set[str]

    def commands(self, family: str) -> ActionCommands:
        return self.settings.inet6 if family == "inet6" else self.settings.inet4

    def text(self, family: str, step: str) -> str:
        found: str = getattr(self.commands(family), step)
        return found or (self.commands(family).ban if step == "reban" else "")

    def uses(self, tag: str) -> bool:
        """Say whether any command that belongs to a ban has that tag, or asks for its variable."""
        return any(
            f"<{tag}>" in text or variable(tag) in text
            for each in (self.settings.inet4, self.settings.inet6)
            for text in (each.ban, each.unban, each.reban, each.prolong)
        )

    async def start(self, *families: str) -> None:
        """Set up what is not set up yet; a command that is the same for both families runs once."""
        done = {self.text(name, "start") for name in self.started}
        for name in families or ("inet4", "inet6"):
            text = self.text(name, "start")
            if name not in self.started and text not in done:
                await self._run(text, {"family": name})
            done.add(text)
            self.started.add(name)

    async def stop(self, *, flush: bool) -> None:
        """Take down what was set up, whatever fails; the first failure is raised at the end."""
        error = None
        steps = ("flush", "stop") if flush else ("stop",)
        for step in steps:
            for text, name in {
                self.text(name, step): name for name in sorted(self.started)
            }.items():
                try:
                    await self._run(text, {"family": name})
                except ActionError as failed:
                    error = error or failed
        self.started.clear()
        if error:
            raise error

    async def carry_out(self, step: str, values: Mapping[str, str]) -> bool:
        """Do one step for a ban. True: everything was set up anew on the way, and is without its bans.

        After a failure the action is checked and repaired, and what failed is tried once more.
        """
        name = values["family"]
        text = self.text(name, step)
        if not text:
            return False
        if step == "unban" and name not in self.started and self.text(name, "start"):
            return False  # whatever was banned is gone since the last stop
        await self.start(name)
        try:
            await self._run(text, values)
        except ActionError:
            if step == "unban" and not self.settings.repair_on_unban:
                raise
            anew = await self._repair(name)
            if anew is None:
                raise
            await self._run(text, values)
            return anew
        return False

    async def _repair(self, name: str) -> bool | None:
        """None: there is nothing to repair, or no way to find out."""
        check, repair = self.text(name, "check"), self.text(name, "repair")
        values = {"family": name}
        if not check or await self._works(check, values):
            return None
        if repair:
            await self._run(repair, values)
        else:
            with contextlib.suppress(ActionError):
                await self._run(self.text(name, "stop"), values)
            await self._run(self.text(name, "start"), values)
        if not await self._works(check, values):
            return None
        return not repair

    async def reload(self) -> None:
        for text, name in {self.text(name, "reload"): name for name in self.started}.items():
            await self._run(text, {"family": name})

    async def _works(self, text: str, values: Mapping[str, str]) -> bool:
        try:
            await self._run(text, values)
        except ActionError:
            return False
        return True

    async def _run(self, text: str, values: Mapping[str, str]) -> None:
        if text:
            await run(filled(text, {**self.common(), **values}), self.settings.timeout)


async def run(command: Command, timeout: float) -> None:
    """Raises ActionError with the reason and the beginning of what it printed. When cancelled, everything is killed."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        kept = _Output()
    except OSError as error:
        raise ActionError(f"cannot be started: {error}", retry=True) from error
    with kept as output:
        try:
            child = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", command.text,
                stdin=asyncio.subprocess.DEVNULL, stdout=output.end, stderr=output.end,
                env={**inherited, **command.environment}, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ActionError(f"cannot be started: {error}", retry=True) from error
        try:
            async with asyncio.timeout(timeout):
                status = await child.wait()
        except TimeoutError:
            await _end(child)
            why = f"not done within {timeout:g} s, killed{output.said()}"
            raise ActionError(why, retry=True) from None
        except asyncio.CancelledError:
            _signal(child, signal.SIGKILL)
            raise
        if status:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            hint = "is there such a program?" if status == _MISSING else ""
            raise ActionError(f"{how}{output.said()}", hint=hint, retry=True)


class _Output:
    """A pipe of which the beginning is kept, and the rest goes by so that nobody who prints has to wait."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._read, self.end = os.pipe()
        os.set_blocking(self._read, False)
        self._kept = b""

    def __enter__(self) -> Self:
        self._loop.add_reader(self._read, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._read)
        os.close(self._read)
        os.close(self.end)

    def said(self) -> str:
        self._take()
        text = self._kept.decode("utf-8", "replace").strip()
        return f": {text!r}" if text else ""

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._kept += os.read(self._read, 65_536)[: max(0, OUTPUT - len(self._kept))]


async def _end(child: asyncio.subprocess.Process) -> None:
    _signal(child, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await child.wait()
    _signal(child, signal.SIGKILL)  # also those in its group that are deaf to SIGTERM
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await child.wait()


def _signal(child: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
