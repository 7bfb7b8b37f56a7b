"""From a directory to a Config, or to everything that is wrong with it.

An error in f2b.conf or in the syntax of a jail file stops the load. An error in one jail leaves
that jail out, and all others stand.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from f2b.config.daemon import read_daemon
from f2b.config.files import Files
from f2b.config.filters import FilterFile
from f2b.config.ini import DEFAULT, Dialect
from f2b.config.jails import JailErrors, built_in, filter_of, is_enabled, read_jail
from f2b.config.options import idle_options
from f2b.config.problems import Collector, ConfigErrors, Problem, Severity, jail_problems
from f2b.config.section import Section
from f2b.config.settings import DaemonSettings, FilterSettings, JailSettings
from f2b.config.spec import parse
from f2b.config.table import Where, settings
from f2b.errors import ConfigError

__all__ = [
    "Config",
    "ConfigErrors",
    "Problem",
    "Severity",
    "idle_parameters",
    "load",
    "load_filter",
    "load_filter_of",
]


class Config(NamedTuple):
    """A directory as it was read. `jails` holds the enabled ones without errors, in file order."""

    daemon: DaemonSettings
    jails: tuple[JailSettings, ...]
    problems: tuple[Problem, ...]
    directory: Path
    unloaded: tuple[tuple[str, FilterSettings], ...] = ()
    """The filters of enabled jails that have an error of their own, with the names of the jails."""


def load(directory: Path) -> Config:
    """Read f2b.conf, jail.conf and all that belongs to them. Raises ConfigErrors."""
    files = Files(directory)
    files.check()
    steps = Collector()
    daemon = steps.attempt(lambda: read_daemon(files))
    dialect = steps.attempt(lambda: jail_files(files))
    if daemon is None or dialect is None:
        raise ConfigErrors(steps.errors)
    jails, problems, unloaded = _jails(dialect, files)
    problems = list(dict.fromkeys(daemon[1] + problems))
    return Config(daemon[0], jails, tuple(problems), directory, unloaded)


def jail_files(files: Files) -> Dialect:
    dialect = files.layers("jail", built_in(files))
    if dialect is None:
        raise ConfigError(
            f"{files.directory} holds no jail.conf", hint="-c names another directory"
        )
    return dialect


def _jails(
    dialect: Dialect, files: Files
) -> tuple[tuple[JailSettings, ...], list[Problem], tuple[tuple[str, FilterSettings], ...]]:
    jails: list[JailSettings] = []
    unloaded: list[tuple[str, FilterSettings]] = []
    problems: list[Problem] = []
    enabled: list[str] = []
    shared = {
        line.origin for text in dialect.own[DEFAULT].values() for line in files.marks.lines(text)
    }
    for name in dialect.own:
        if name in (DEFAULT, "INCLUDES"):
            continue
        try:
            if is_enabled(dialect, files, name):
                enabled.append(name)
                jail, warnings = read_jail(dialect, files, name)
                jails.append(jail)
                problems += warnings
        except (ConfigError, ConfigErrors) as error:
            problems += jail_problems(name, error, shared)
            if isinstance(error, JailErrors) and error.filter is not None:
                unloaded.append((name, error.filter))
    if not enabled and not problems:
        hint = "write enabled = true into a jail's section"
        problems.append(Problem(Severity.WARNING, None, "no jail is enabled", hint))
    rows = settings(Where.JAIL, Where.FILTER)
    problems += idle_options(dialect, files.marks, [DEFAULT, *enabled], rows)
    return tuple(jails), problems, tuple(unloaded)


def load_filter_of(directory: Path, jail: str, logtype: str) -> FilterSettings | None:
    """The filter of one jail, enabled or not, also without a journalmatch; None if there is no such jail.

    Raises ConfigError or ConfigErrors.
    """
    files = Files(directory)
    dialect = files.layers("jail", built_in(files))
    if dialect is None or jail in (DEFAULT, "INCLUDES") or jail not in dialect.own:
        return None
    section = Section(dialect, files.marks, jail)
    file = filter_of(section, files, section.located("enabled").origin, logtype)
    return file.settings(Section(dialect, files.marks, jail, file.known()).marked)


def load_filter(
    directory: Path,
    spec: str,
    options: Mapping[str, str] = MappingProxyType({}),
    logtype: str = "journal",
) -> FilterSettings:
    """One filter on its own, named as a jail names it. `options` are those a jail would set.

    Raises ConfigError or ConfigErrors.
    """
    return FilterFile(Files(directory), parse(spec), options, logtype).settings(options.get)


def idle_parameters(directory: Path, spec: str) -> list[str]:
    """The parameters in the spec that the filter has no use for, each with a hint."""
    file = FilterFile(Files(directory), parse(spec), {})
    return [f"{name}{f' ({hint})' if hint else ''}" for name, hint in file.idle_parameters(())]
