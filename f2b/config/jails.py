"""One jail: from its section, its filter and its action to JailSettings."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import f2b
from f2b.config.actions import read_actions
from f2b.config.asking import list_problems, parted
from f2b.config.files import Files
from f2b.config.filters import FilterFile
from f2b.config.increment import read_increment
from f2b.config.ini import DEFAULT, Dialect, Sections, escaped
from f2b.config.problems import Collector, ConfigErrors, Problem, Severity
from f2b.config.section import Section, placed
from f2b.config.settings import NOWHERE, Feed, FilterSettings, JailSettings
from f2b.config.spec import parse
from f2b.config.table import Where, settings
from f2b.config.wall import read_wall
from f2b.errors import ConfigError, Origin

_ROWS = settings(Where.JAIL)
_FIELDS = [_ROWS[name] for name in JailSettings._fields if name in _ROWS]
_REFUSING = [row for row in _ROWS.values() if row.ignored and row.parse]
_PARSED = [row for row in _FIELDS if row.parse is not None]
# Also what this wall has no use for must be defined: a slip in it is one.
_WRITTEN = [
    row for row in _ROWS.values() if not row.ignored and not row.name.startswith("action_")
]
_UNASKED = (
    "ignorecommand is not asked by a jail that counts bans: that of the banning jail was asked"
)
# A filter may well have a mode or a port of its own.
_SEEN_BY_FILTERS = [
    "enabled", "backend", "filter", "action", "maxretry", "maxmatches", "findtime", "bantime", "bantime.increment",
    "bantime.factor", "bantime.formula", "bantime.multipliers", "bantime.maxtime", "bantime.rndtime",
    "bantime.overalljails", "ignorecommand", "ignoreself", "ignoreip", "ignorecache", "logtimezone", "logencoding",
    "logpath", "usedns", "datepattern",
]  # fmt: skip
_SEEN_BY_ACTIONS = [
    *_SEEN_BY_FILTERS, "destemail", "sender", "sendername", "mta", "cfemail", "cfapikey", "fail2ban_agent", "port",
    "protocol",
]  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,63}", re.ASCII)


class JailErrors(ConfigErrors):
    """What is wrong in one jail; its filter, where that could be read, may have errors too."""

    def __init__(self, errors: Iterable[ConfigError], found: FilterSettings | None) -> None:
        super().__init__(errors)
        self.filter = found


def built_in(files: Files) -> Sections:
    """The [DEFAULT] beneath all files: our defaults, and the two variables fail2ban defines."""
    defaults = {
        row.name: row.default
        for row in _ROWS.values()
        if row.default or (row.parse is None and not row.ignored)
    }
    return {
        DEFAULT: defaults
        | {
            "fail2ban_confpath": escaped(str(files.directory)),
            "fail2ban_version": escaped(f2b.__version__),
        }
    }


def is_enabled(dialect: Dialect, files: Files, name: str) -> bool:
    return Section(dialect, files.marks, name).value(_ROWS["enabled"]) is True


def read_jail(dialect: Dialect, files: Files, name: str) -> tuple[JailSettings, list[Problem]]:
    """The jail and what to warn of. Raises ConfigErrors with everything that is wrong in it."""
    section = Section(dialect, files.marks, name)
    origin = section.located("enabled").origin
    steps = Collector()
    steps.attempt(lambda: _check_name(name, origin))
    found = steps.attempt(lambda: _read_filter(section, files, origin))
    wall = steps.attempt(lambda: read_wall(section, files))
    increment = steps.attempt(lambda: read_increment(section))
    for row in _REFUSING:
        steps.attempt(partial(section.value, row))
    values: dict[str, Any] = {
        row.name: steps.attempt(partial(section.value, row)) for row in _PARSED
    }
    for row in _WRITTEN:
        steps.attempt(partial(section.located, row.name))
    if steps.errors or found is None or wall is None:
        raise JailErrors(steps.errors, found and found[0])
    ignoreip, elsewhere = parted(values.pop("ignoreip"), files.directory)
    values |= {"wall": wall[0], "increment": increment, "origin": origin}
    values |= {"ignoreip": ignoreip, "ignoreelsewhere": elsewhere}
    actions, problems = read_actions(wall[1], files, _variables(section, _SEEN_BY_ACTIONS), name)
    jail = JailSettings(name=name, filter=found[0], actions=actions, **values)
    problems += found[1] + wall[2]
    problems += list_problems(elsewhere, section.located("ignoreip").origin)
    if jail.ignorecommand and found[0].feed is Feed.BANS:
        problems.append(
            Problem(Severity.WARNING, section.located("ignorecommand").origin, _UNASKED)
        )
    return jail, problems


def _check_name(name: str, origin: Origin) -> None:
    """The name becomes part of the names of sets in the kernel, and of log lines."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a jail",
            origin=origin,
            hint="up to 64 letters, digits, - _ .",
        )


def _read_filter(
    section: Section, files: Files, origin: Origin
) -> tuple[FilterSettings, list[Problem]]:
    file = filter_of(section, files, origin)
    jail = Section(section.dialect, files.marks, section.name, file.known())
    found = file.settings(jail.marked)
    if found.feed is Feed.JOURNAL and not found.journalmatch:
        raise ConfigError(
            f"filter {found.name!r} has a failregex and no journalmatch",
            origin=origin,
            hint="f2b reads the journal alone: write journalmatch = _SYSTEMD_UNIT=NAME.service, "
            "or * to look at every entry; systemd-cat or rsyslog's omjournal bring a log file in",
        )
    texts = [*section.dialect.own[section.name].values(), *section.dialect.own[DEFAULT].values()]
    problems = [
        Problem(
            Severity.WARNING,
            section.located("filter").origin,
            f"filter {found.name!r} has no use for a parameter {parameter!r}",
            hint,
            section.name,
        )
        for parameter, hint in file.idle_parameters(texts)
    ]
    if found.feed is Feed.NONE and file.lacks_failregex:
        text = f"filter {found.name!r} has no failregex: the jail only takes bans by hand"
        problems.append(Problem(Severity.WARNING, origin, text, jail=section.name))
    return found, problems


def filter_of(
    section: Section, files: Files, origin: Origin, logtype: str = "journal"
) -> FilterFile:
    """The filter that a jail names; `origin` is the jail's own place."""
    spec_text = section.located("filter")
    with placed(spec_text.origin, "filter"):
        spec = parse(spec_text.text)
    with placed(origin if spec_text.origin == NOWHERE else spec_text.origin):
        return FilterFile(files, spec, _variables(section), logtype)


def _variables(section: Section, options: Iterable[str] = _SEEN_BY_FILTERS) -> dict[str, str]:
    """The jail's options, which the files of its filter and actions may refer to as ``%(option)s``."""
    variables = {}
    for option in options:
        try:
            text = section.marked(option)
        except ConfigError:
            continue  # told by whoever needs this option
        if text is not None:
            variables[option] = text
    return variables
