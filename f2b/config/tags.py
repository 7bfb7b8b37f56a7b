"""``<tag>`` substitution within a filter or an action, before any regex is compiled."""

import re
from collections.abc import Callable

from f2b.config.marks import Allowance, pasted, plain
from f2b.errors import ConfigError

_TAG = re.compile(r"<([^\s<>]+)>")
_MOST_PASSES = 25


def substitute(
    text: str, look_up: Callable[[str], str | None], allowance: Allowance | None = None
) -> str:
    """Replace the tags that `look_up` knows and leave all others, such as <HOST>, as they are.

    The innermost tag goes first, since a name holds no '<': <mdre-<mode>> is looked up as
    mdre-normal. Raises ConfigError without origin.
    """
    return _substitute(text, look_up, (), allowance or Allowance())


def _substitute(
    text: str, look_up: Callable[[str], str | None], within: tuple[str, ...], allowance: Allowance
) -> str:
    def value(match: re.Match[str]) -> str:
        name = plain(match[1])
        found = look_up(name)
        if found is None:
            return match[0]
        if name in within or len(within) == _MOST_PASSES:
            raise ConfigError(
                f"<{name}> refers to itself", hint=" in ".join((name, *within[::-1]))
            )
        allowance.spend(found)
        return pasted(_substitute(found, look_up, (*within, name), allowance), match)

    for _ in range(_MOST_PASSES):
        replaced = _TAG.sub(value, text)
        if replaced == text:
            return text
        text = replaced
    raise ConfigError(f"tags still give new tags after {_MOST_PASSES} passes")
