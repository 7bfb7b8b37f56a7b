"""Which reading of an entry a filter is written for, where it does not say so itself."""

import re
from collections.abc import Iterable

from f2b.config.settings import Reading

# A regex that begins with a blank goes on after the date of a line in a file: no built line has one there.
_PROCESS = re.compile(r"(?!\^?(?:\(\?:)?[ ]).*\\\[(?:\\[dSw]|\[0-9\])[+*]\\\](?:\)\??)*:")


def usual(prefix: str, regexes: Iterable[str]) -> Reading:
    r"""`built` for a filter that knows ``host ident[pid]:``, `message` for one of raw lines.

    It knows that if a regex has `prefix` in it, which is its ``__prefix_line``, or a ``\[\d+\]:``.
    """
    syslog = any((prefix and prefix in regex) or _PROCESS.match(regex) for regex in regexes)
    return Reading.BUILT if syslog else Reading.MESSAGE
