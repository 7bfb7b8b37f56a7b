"""The settings of f2b.conf; or of a fail2ban.conf that stands where there is no f2b.conf."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from f2b.config.files import Files
from f2b.config.ini import DEFAULT, Sections
from f2b.config.options import idle_options
from f2b.config.problems import Collector, ConfigErrors, Problem, Severity
from f2b.config.section import Section
from f2b.config.settings import DaemonSettings
from f2b.config.table import Setting, Where, settings

_ROWS = settings(Where.DAEMON)
_SHARED = ("loglevel", "dbpurgeage")
_SECTIONS = (DEFAULT, "Definition", "Thread")


def read_daemon(files: Files) -> tuple[DaemonSettings, list[Problem]]:
    """The settings and what to warn of. Raises ConfigErrors with everything that is wrong."""
    section, rows = daemon_section(files)
    if section is None:
        return DaemonSettings(), []
    dialect = section.dialect
    steps = Collector()
    values: dict[str, Any] = {
        row.name: steps.attempt(partial(section.value, row))
        for row in rows.values()
        if row.parse is not None and row.name in section
    }
    if steps.errors:
        raise ConfigErrors(steps.errors)
    problems = list(idle_options(dialect, files.marks, _SECTIONS, rows))
    for name in dialect.own:
        if name not in (*_SECTIONS, "INCLUDES"):
            text = f"[{name}] means nothing here"
            problems.append(Problem(Severity.WARNING, None, text, "settings are in [Definition]"))
    return DaemonSettings(**values), problems


def daemon_section(files: Files) -> tuple[Section | None, Mapping[str, Setting]]:
    """What is written, and the rows that hold for it. Raises ConfigErrors."""
    base: Sections = {DEFAULT: {}, "Definition": {}}
    rows, dialect = _ROWS, files.layers("f2b", base)
    if dialect is None:
        rows, dialect = _of_fail2ban(), files.layers("fail2ban", base)
    return Section(dialect, files.marks, "Definition") if dialect else None, rows


def _of_fail2ban() -> dict[str, Setting]:
    """Its socket and its database are its own: f2b must never touch them."""
    reason = "f2b has its own, set in f2b.conf"
    return {
        name: row if name in _SHARED or row.ignored else row._replace(parse=None, ignored=reason)
        for name, row in _ROWS.items()
    }
