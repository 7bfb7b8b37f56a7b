"""Options that are written but do nothing: unknown ones, and fail2ban's that f2b has no use for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from f2b.config.ini import Dialect
from f2b.config.marks import Marks
from f2b.config.problems import Problem, Severity
from f2b.config.settings import NOWHERE
from f2b.config.table import Setting, nearest
from f2b.errors import Origin

_MOST_NAMES = 5
_REFERENCE = re.compile(r"%\((?:[^()/]+/)?([^()]+)\)s")


def idle_options(
    dialect: Dialect, marks: Marks, sections: Iterable[str], rows: Mapping[str, Setting]
) -> Iterator[Problem]:
    """A warning for each that is unknown; and one for each reason to ignore, with all that it is the reason for.

    An unknown option that some text refers to as ``%(option)s`` is a variable of the admin's.
    """
    texts = [text for options in dialect.own.values() for text in options.values()]
    variables = {name.lower() for text in texts for name in _REFERENCE.findall(text)}
    ignored: dict[str, dict[str, list[Place]]] = {}
    for section in sections:
        for option, text in dialect.own.get(section, {}).items():
            origin = marks.located(text).origin
            if origin == NOWHERE or "/" in option:
                continue
            row = rows.get(option)
            if row is None and option not in variables:
                hint = nearest(option, rows)
                yield Problem(Severity.WARNING, origin, f"{option} is not known to f2b", hint)
            elif row is not None and row.ignored:
                places = ignored.setdefault(row.ignored, {}).setdefault(option, [])
                places.append(Place(section, origin))
    for reason, options in ignored.items():
        yield _ignored(reason, options)


class Place(NamedTuple):
    """Where an option is written."""

    section: str
    origin: Origin


def _ignored(reason: str, options: Mapping[str, list[Place]]) -> Problem:
    places = [place for found in options.values() for place in found]
    if len({place.section for place in places}) == 1:
        names = ", ".join(options)
    else:
        names = ", ".join(f"{name} ({_sections(found)})" for name, found in options.items())
    text = f"{names} {'is' if len(options) == 1 else 'are'} ignored because {reason}"
    return Problem(Severity.WARNING, places[0].origin, text)


def _sections(places: Iterable[Place]) -> str:
    names = [place.section for place in places]
    more = len(names) - _MOST_NAMES
    return ", ".join(names) if more < 2 else f"{', '.join(names[:_MOST_NAMES])} and {more} more"
