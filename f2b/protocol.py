"""What goes over the control socket: one JSON object a line, with the version of this language in each.

Requests are named tuples here and plain objects on the wire; answers are typed dictionaries on both sides. A command
pays for every import, and dataclasses bring half a compiler.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from f2b.errors import ControlError, Exit, F2bError, LocatedError

SOCKET = Path("/run/f2b/f2b.sock")
"""Where the daemon listens unless f2b.conf says otherwise."""

VERSION = 1
LIMIT = 4 * 1024 * 1024
"""The longest request, in bytes."""
ANSWER_LIMIT = 1024 * 1024 * 1024
"""The longest answer: a million bans, listed."""

SLICE = 1000
"""Rows of a list that are written at a time: the library lets no other thread run until it is through."""
PART = 1 << 16


class Ping(NamedTuple):
    """Is anybody there?"""


class Status(NamedTuple):
    """The whole daemon, or one jail with its bans."""

    jail: str | None = None


class Banned(NamedTuple):
    """The bans in force, of every jail."""


class Ban(NamedTuple):
    """Ban by hand. `bantime` is a duration as typed; `peer` the address that the caller's own login comes from."""

    addresses: tuple[str, ...]
    jail: str = "custom"
    bantime: str | None = None
    force: bool = False
    peer: str | None = None


class Unban(NamedTuple):
    """Lift bans: of these addresses, or all of them."""

    addresses: tuple[str, ...] = ()
    jail: str | None = None
    everything: bool = False


class Reload(NamedTuple):
    """Read the configuration again; nothing changes if it has an error."""


Request = Ping | Status | Banned | Ban | Unban | Reload
COMMANDS: dict[str, type[Request]] = {
    "ping": Ping,
    "status": Status,
    "banned": Banned,
    "ban": Ban,
    "unban": Unban,
    "reload": Reload,
}
READING = (Ping, Status, Banned)
"""Requests that change nothing."""


class BanRow(TypedDict):
    """A ban in force. Times are seconds since the epoch; `until` null: for ever; `enforced` false: with `why`.

    `packets` and `bytes` are what it has stopped; a jail's status has them where the wall counts.
    """

    offender: str
    start: float
    until: float | None
    offence: int
    failures: int
    source: str
    enforced: bool
    why: NotRequired[str]
    packets: NotRequired[int]
    bytes: NotRequired[int]


class JailRow(TypedDict):
    """A jail in figures. `catching_up` is the share of its past that is read, null when all of it is.

    `unenforced` are those of `banned` that the wall does not hold.
    """

    name: str
    failing: int
    found: int
    ignored: int
    banned: int
    banned_total: int
    unenforced: NotRequired[int]
    catching_up: float | None
    broken: str | None


class QuarantineRow(TypedDict):
    """A regex that takes too long: where it is written, and for how many seconds it is asked in the slow lane."""

    regex: str
    left: float


class SlowLaneRow(TypedDict):
    """A jail's slow regexes. `waiting` are lines not asked yet, `not_judged` those that got no answer so far."""

    quarantined: list[QuarantineRow]
    waiting: int
    not_judged: int


class ActionRow(TypedDict):
    """An action of a jail that is no firewall of ours: what it has still to do, and why it cannot, null if it can."""

    name: str
    waiting: int
    given_up: int
    failing: str | None


class JailStatus(JailRow):
    """A jail in full."""

    filter: str
    reading: str | None
    journalmatch: list[str]
    maxretry: int
    findtime: float
    bantime: float | None
    slow_lane: SlowLaneRow
    increment: bool
    actions: list[ActionRow]
    bans: Iterable[BanRow]


class LackingRow(TypedDict):
    """A drop-in of f2b.service that the daemon runs without, what needs it, and the command that brings it."""

    text: str
    dropin: str
    needed_by: Sequence[str]
    command: str


class DaemonStatus(TypedDict):
    """The daemon. `degraded` lists what it cannot do at the moment, and why; `reduced` what this kernel lacks.

    `backend_why` tells what is wrong with better backends, if there are any; `sieve` by what is told which entries may
    matter, and nothing where all of them are asked about.
    """

    version: str
    pid: int
    since: float
    journal: str
    entries: int
    position: float | None
    sieve: str
    backend: str
    reduced: list[str]
    backend_why: NotRequired[str]
    lacking: NotRequired[list[LackingRow]]
    degraded: list[str]
    counters: dict[str, int]
    jails: list[JailRow]


class Answer(TypedDict):
    """What comes back."""

    version: int
    ok: bool
    result: Any
    error: NotRequired[str]
    hint: NotRequired[str]
    exit: NotRequired[int]


def encode_request(request: Request) -> bytes:
    command = next(name for name, kind in COMMANDS.items() if kind is type(request))
    return _line({"version": VERSION, "command": command, **request._asdict()})


def decode_request(line: bytes) -> Request:
    """Raises ControlError for anything that is not a request of this version."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError(f"not a JSON line: {error}") from error
    if not isinstance(message, dict):
        raise ControlError("a request is a JSON object")
    version = message.pop("version", None)
    if version != VERSION:
        raise ControlError(
            f"protocol version {version!r} is not {VERSION}", hint="restart f2b after an upgrade"
        )
    command = message.pop("command", None)
    kind = COMMANDS.get(command) if isinstance(command, str) else None
    if kind is None:
        raise ControlError(f"unknown command {command!r}", hint="known: " + ", ".join(COMMANDS))
    return _build(kind, message)


def encode_result(result: Any) -> Iterator[bytes]:
    """One line, in parts of some 64 KiB. Iterators are lists whose rows are made when they are written."""
    waiting, size = [], 0
    for text in _texts(Answer(version=VERSION, ok=True, result=result)):
        waiting.append(text)
        size += len(text)
        if size > PART:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join([*waiting, "\n"]).encode()


def encode_error(error: F2bError) -> bytes:
    place = f"{error.origin}: " if isinstance(error, LocatedError) and error.origin else ""
    answer = Answer(
        version=VERSION,
        ok=False,
        result=None,
        error=f"{place}{error.message}",
        hint=error.hint,
        exit=error.exit,
    )
    return _line(answer)


def decode_answer(line: bytes) -> Any:
    """The result. Raises the daemon's error as it was meant for the admin."""
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["result"]
        error = ControlError(answer["error"], hint=answer.get("hint", ""))
        error.exit = Exit(answer.get("exit", Exit.USAGE))
    except (ValueError, LookupError, TypeError) as cause:
        raise ControlError(f"the daemon's answer makes no sense: {line[:200]!r}") from cause
    raise error


def _line(message: Any) -> bytes:
    return _json(message).encode() + b"\n"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        opening = "{"
        for name, item in value.items():
            yield f"{opening}{_json(name)}:"
            yield from _texts(item)
            opening = ","
        yield "}" if value else "{}"
    elif isinstance(value, list | Iterator):
        rows, opening = iter(value), "["
        while part := [*islice(rows, SLICE)]:
            yield opening + _json(part)[1:-1]
            opening = ","
        yield "]" if opening == "," else "[]"
    else:
        yield _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _build(kind: type[Request], message: dict[str, Any]) -> Request:
    values: dict[str, Any] = {}
    for name, wanted in kind.__annotations__.items():
        if name in message:
            values[name] = _checked(name, str(wanted), message.pop(name))
    if message:
        raise ControlError(f"unknown field {next(iter(message))!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ControlError(f"incomplete request: {error}") from error


def _checked(name: str, wanted: str, value: Any) -> Any:
    if (
        wanted.startswith("tuple")
        and isinstance(value, list)
        and all(isinstance(item, str) for item in value)
    ):
        return tuple(value)
    if "bool" in wanted and isinstance(value, bool):
        return value
    if "str" in wanted and not wanted.startswith("tuple") and isinstance(value, str):
        return value
    if "None" in wanted and value is None:
        return None
    raise ControlError(f"field {name!r} cannot be {value!r}")
