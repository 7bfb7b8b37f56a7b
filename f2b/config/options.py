"""Options that are written but do nothing: unknown ones, and fail2ban's that f2b has no use for."""

import re
from collections.abc import Iterable, Iterator, Mapping

from f2b.config.ini import Dialect
from f2b.config.marks import Marks
from f2b.config.problems import Problem, Severity
from f2b.config.settings import NOWHERE
from f2b.config.table import Setting, nearest

_REFERENCE = re.compile(r"%\((?:[^()/]+/)?([^()]+)\)s")


def idle_options(
    dialect: Dialect, marks: Marks, sections: Iterable[str], rows: Mapping[str, Setting]
) -> Iterator[Problem]:
    """A warning for each; an ignored option is named once, where it stands first.

    An unknown option that some text refers to as ``%(option)s`` is a variable of the admin's.
    """
    texts = [text for options in dialect.own.values() for text in options.values()]
    variables = {name.lower() for text in texts for name in _REFERENCE.findall(text)}
    ignored: set[str] = set()
    for section in sections:
        for option, text in dialect.own.get(section, {}).items():
            origin = marks.located(text).origin
            if origin == NOWHERE or "/" in option or option in ignored:
                continue
            row = rows.get(option)
            if row is None and option not in variables:
                hint = nearest(option, rows)
                yield Problem(Severity.WARNING, origin, f"{option} is not known to f2b", hint)
            elif row is not None and row.ignored:
                ignored.add(option)
                message = f"{option} is ignored because {row.ignored}"
                yield Problem(Severity.WARNING, origin, message)
