"""What is in effect: every option after interpolation, line by line, each with the place where it is written."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from f2b.config.daemon import daemon_section
from f2b.config.files import Files
from f2b.config.filters import FilterFile
from f2b.config.ini import DEFAULT, Dialect
from f2b.config.jails import filter_of, is_enabled
from f2b.config.load import jail_files
from f2b.config.problems import Collector
from f2b.config.secrets import concealed
from f2b.config.section import Section
from f2b.config.settings import NOWHERE, Located
from f2b.config.table import Setting, Where, nearest, settings
from f2b.errors import ConfigError, ControlError

_NONE = (Located("", NOWHERE),)
_WITH_SECRETS = {"action", "banaction", "banaction_allports", "cfapikey"}

Values = Mapping[str, tuple[Located, ...]]


class Effective(NamedTuple):
    """A section: its options in the order of the table, without the empty ones; what is wrong with the others."""

    name: str
    values: Values = MappingProxyType({})
    errors: tuple[ConfigError, ...] = ()


def effective_daemon(files: Files) -> Effective:
    """f2b.conf, or what stands in for it. Raises ConfigErrors when a file cannot be read."""
    section, rows = daemon_section(files)
    values = {}
    for row in rows.values():
        written = section is not None and not row.ignored and row.name in section
        text = section.marked(row.name) if section is not None and written else row.default
        values[row.name] = files.marks.lines(text or "")
    return Effective("f2b.conf", {name: lines for name, lines in values.items() if lines})


def effective_jails(files: Files, only: str | None = None) -> list[Effective]:
    """The enabled jails; or one that need not be enabled. Raises ConfigErrors when a file cannot be read."""
    dialect = jail_files(files)
    names = [name for name in dialect.own if name not in (DEFAULT, "INCLUDES")]
    if only is None:
        return [_jail(dialect, files, name) for name in names if _may_run(dialect, files, name)]
    if only not in names:
        raise ControlError(f"there is no jail {only!r}", hint=nearest(only, names))
    return [_jail(dialect, files, only)]


def _may_run(dialect: Dialect, files: Files, name: str) -> bool:
    try:
        return is_enabled(dialect, files, name)
    except ConfigError:
        return True  # its error is worth a look


def _jail(dialect: Dialect, files: Files, name: str) -> Effective:
    section = Section(dialect, files.marks, name)
    steps = Collector()
    file = steps.attempt(lambda: filter_of(section, files, section.located("enabled").origin))
    known = steps.attempt(file.known) if file else None
    section = Section(dialect, files.marks, name, known)
    values: dict[str, tuple[Located, ...]] = {}
    for row in settings(Where.JAIL, *([Where.FILTER] if file else [])).values():
        if not row.ignored and not row.name.startswith("action_"):
            text = steps.attempt(partial(_text, section, file, row))
            if lines := files.marks.lines(text or ""):
                values[row.name] = lines
            elif file and row.name == "reading" and "failregex" in values:
                usual = file.usual_reading(values["failregex"], values.get("prefregex", _NONE)[0])
                values[row.name] = (Located(usual, NOWHERE),)
    return Effective(name, values, tuple(steps.errors))


def _text(section: Section, file: FilterFile | None, row: Setting) -> str:
    text = section.marked(row.name)
    if row.where is Where.JAIL:
        shown = concealed(f"{row.name}={text}").partition("=")[2] if text else ""
        return shown if row.name in _WITH_SECRETS else text or ""
    return (file.merged(row.name, text) if file else text) or row.default
