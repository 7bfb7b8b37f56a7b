"""Parsers of single values. Each raises ConfigError without origin, as ``needs …, got …``.

The loader puts the name of the setting in front and the file:line before that.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from f2b import addresses, times
from f2b.addresses import Offender
from f2b.errors import ConfigError

_E = TypeVar("_E", bound=StrEnum)

_TRUE = ("1", "on", "true", "yes")
_FALSE = ("0", "off", "false", "no")
_NAME = re.compile(r"[A-Za-z_.][\w/.-]*", re.ASCII)


def needs(what: str, text: str, hint: str = "") -> ConfigError:
    return ConfigError(f"needs {what}, got {text!r}", hint=hint)


def boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise needs("true or false", text)
    return word in _TRUE


def integer(low: int, high: int | None = None) -> Callable[[str], int]:
    what = (
        f"a whole number of at least {low}" if high is None else f"a number from {low} to {high}"
    )

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < low:
            raise needs(what, text)
        if high is not None and int(text) > high:
            raise needs(what, text)
        return int(text)

    return parse


def choice(kind: type[_E]) -> Callable[[str], _E]:
    def parse(text: str) -> _E:
        try:
            return kind(text.lower())
        except ValueError:
            raise needs(" or ".join(kind), text) from None

    return parse


def word(*words: str, upper: bool = False) -> Callable[[str], str]:
    def parse(text: str) -> str:
        found = text.upper() if upper else text.lower()
        if found not in words:
            raise needs(" or ".join(words), text)
        return found

    return parse


def positive_duration(text: str) -> float:
    seconds = _duration(text)
    if seconds <= 0:
        raise needs("a duration above zero", text)
    return seconds


def lifetime(text: str) -> float | None:
    """A duration above zero; None for a negative one, which means for ever."""
    return None if _duration(text) < 0 else positive_duration(text)


def longest(text: str) -> float | None:
    """A duration above zero; None for nothing and for a negative one: without bounds."""
    return lifetime(text) if text else None


def period(text: str) -> float:
    """A duration of at least zero, which nothing is too."""
    seconds = _duration(text or "0")
    if seconds < 0:
        raise needs("a duration of at least zero", text)
    return seconds


def _duration(text: str) -> float:
    try:
        return times.duration(text)
    except ValueError as error:
        raise ConfigError(f"needs a duration: {error}", hint="write 600, 10m or 1d12h") from None


def address_list(text: str) -> tuple[Offender, ...]:
    """Addresses and networks between blanks, commas or newlines; names are never looked up."""
    return tuple(dict.fromkeys(_address(item) for item in listed(text)))


def _address(text: str) -> Offender:
    try:
        return addresses.parse(text)
    except ValueError:
        hint = "names are not looked up: write the address, such as 192.0.2.7 or 2001:db8::/64"
        raise needs("addresses and networks", text, hint) from None


def listed(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def path(text: str) -> Path:
    if not text.startswith("/"):
        raise needs("an absolute path", text)
    return Path(text)


def journal(text: str) -> str:
    namespace = text.startswith("namespace:") and len(text) > len("namespace:")
    if text != "system" and not namespace and not text.startswith("/"):
        raise needs("system, namespace:NAME or an absolute directory", text)
    return text


def kernel_name(text: str) -> str:
    if len(text) > 64 or not _NAME.fullmatch(text):
        raise needs("a name that nft can print (letters, digits, - _ . /)", text)
    return text
