"""The grammar of ``name[option=value, other="a, b"]``, by which jails name filters and actions."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from f2b.config.marks import shortened
from f2b.config.secrets import concealed
from f2b.errors import ConfigError

_WORD = r"[\w.-]+"
# Nothing here may be given back (*+): a long row of blanks would be tried at every length.
_OPTION = rf"""\s*+({_WORD}(?:\?{_WORD}={_WORD})?)=(?:"([^"]*+)"|'([^']*+)'|(?!["'])([^],]*+))"""
_OPTIONS = rf"\[(?:{_OPTION}(?:,{_OPTION})*,?)?\s*+\]"
_SPEC = re.compile(rf"([^\[\]]*+)(?:\s*+{_OPTIONS})*\s*+")
_ONE_OPTION = re.compile(_OPTION)
_ITEM = re.compile(r"""[^\s\[]+(?:\s*\[(?:"[^"]*"|'[^']*'|[^]"'])*\]?)*""")


class Spec(NamedTuple):
    """A name with its parameters."""

    name: str
    options: Mapping[str, str]


def parse(text: str) -> Spec:
    """Read one spec. Raises ConfigError without origin."""
    match = _SPEC.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"needs the form name[option=value, ...], got {shortened(concealed(text))}",
            hint="no blanks around =, and quotes around a value that holds a comma or a bracket",
        )
    options = {
        option: (double or single or bare).strip()
        for option, double, single, bare in _ONE_OPTION.findall(text, match.end(1))
    }
    return Spec(match[1].strip(), options)


def split(text: str) -> list[str]:
    """Cut a list of specs at the blanks and newlines that stand outside brackets."""
    return _ITEM.findall(text)
