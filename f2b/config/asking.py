"""Parsers of what somebody else must answer: names in ignoreip, lists in files, ignorecommand and its cache.

They raise ConfigError as those in f2b.config.values do.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from f2b import addresses
from f2b.addresses import Offender
from f2b.config.problems import Problem, Severity
from f2b.config.settings import IgnoreCache
from f2b.config.spec import parse
from f2b.config.values import integer, listed, needs, positive_duration
from f2b.errors import ConfigError, Origin

Ignored = tuple[Offender | str | Path, ...]

_FILE = "file:"
_COMMENT = re.compile(r"(?:^|\s)[#;].*")


def ignore_list(text: str) -> Ignored:
    """Addresses, networks, host names and files between blanks, commas or newlines."""
    return tuple(dict.fromkeys(_ignored(item) for item in listed(text)))


def _ignored(text: str) -> Offender | str | Path:
    if text.startswith(_FILE) and text != _FILE:
        return Path(text.removeprefix(_FILE))
    try:
        return addresses.parse(text)
    except ValueError:
        if addresses.is_name(text):
            return text.lower()
        hint = "such as 192.0.2.7, 2001:db8::/64, host.example.org or file:/etc/f2b/friends"
        if text.startswith("#"):
            hint = "behind a value, a comment begins with ;"
        raise needs("addresses, networks, host names and files", text, hint) from None


def parted(found: Ignored, folder: Path) -> tuple[tuple[Offender, ...], tuple[str | Path, ...]]:
    """What is known at once, and what must be asked for. A relative path begins in the folder."""
    known = tuple(each for each in found if isinstance(each, Offender))
    others = (each for each in found if not isinstance(each, Offender))
    return known, tuple(folder / each if isinstance(each, Path) else each for each in others)


def read_list(path: Path) -> tuple[tuple[Offender, ...], list[Problem]]:
    """The addresses and networks in a file, and what of it cannot be read; the rest holds. Raises OSError."""
    found: list[Offender] = []
    problems: list[Problem] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        for word in listed(_COMMENT.sub("", line)):
            try:
                found.append(addresses.parse(word))
            except ValueError:
                problem = f"{word!r} is neither an address nor a network, and left out"
                problems.append(Problem(Severity.WARNING, Origin(str(path), number), problem))
    return tuple(dict.fromkeys(found)), problems


def unreadable(path: Path, error: OSError, origin: Origin | None = None) -> Problem:
    hint = "what it said before goes on to hold; it is looked at every second"
    text = f"ignoreip: {path} cannot be read: {error.strerror}"
    return Problem(Severity.WARNING, origin, text, hint)


def list_problems(elsewhere: tuple[str | Path, ...], origin: Origin) -> Iterator[Problem]:
    """What is wrong with the lists of a jail at the moment."""
    for path in elsewhere:
        if isinstance(path, Path):
            try:
                yield from read_list(path)[1]
            except OSError as error:
                yield unreadable(path, error, origin)


def command(text: str) -> tuple[str, ...]:
    """The words of a command line. No shell sees them; tags stand for what a failure says."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise needs("a command line", text, f"{error}: there is no shell") from None


def ignore_cache(text: str) -> IgnoreCache | None:
    """Read ``key="<ip>", max-count=100, max-time=5m``."""
    if not text:
        return None
    what = 'key="<ip>", max-count=100, max-time=5m'
    try:
        options = {name.lower(): value for name, value in parse(f"x[{text}]").options.items()}
    except ConfigError:
        raise needs(what, text) from None
    key = options.pop("key", "")
    count, time = options.pop("max-count", "100"), options.pop("max-time", "5m")
    if not key or options:
        raise needs(what, text)
    return IgnoreCache(key, integer(1)(count), positive_duration(time))
