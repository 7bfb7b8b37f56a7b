"""From settings to running jails: everything that can fail for one jail fails here, and for that jail alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from f2b.config.jails import NAME
from f2b.config.load import Config
from f2b.config.problems import Problem, Severity
from f2b.config.settings import Feed, FilterSettings, JailSettings
from f2b.decide.jail import Jail
from f2b.errors import ConfigError, LocatedError


class Assembly(NamedTuple):
    """The jails, those that are broken among them, and all problems, those of the configuration first."""

    jails: Sequence[Jail]
    problems: Sequence[Problem]

    @property
    def errors(self) -> list[ConfigError]:
        return [
            ConfigError(problem.text, origin=problem.origin, hint=problem.hint)
            for problem in self.problems
            if problem.severity is Severity.ERROR
        ]


def assemble(config: Config) -> Assembly:
    """Compile every jail. One that is broken becomes a jail that only holds its bans, until the error is mended."""
    problems = list(config.problems)
    jails = []
    for settings in config.jails:
        try:
            jails.append(Jail(settings))
        except LocatedError as error:
            problems.append(
                Problem(Severity.ERROR, error.origin, error.message, error.hint, settings.name)
            )
            jails.append(_broken(settings.name, str(error), settings))
    known = {jail.name for jail in jails}
    for problem in config.problems:
        # A name that is refused as such must not reach the kernel either.
        name = problem.jail if problem.jail and NAME.fullmatch(problem.jail) else None
        if problem.severity is Severity.ERROR and name and name not in known:
            known.add(name)
            jails.append(_broken(name, str(problem)))
    return Assembly(jails, problems)


def _broken(name: str, why: str, settings: JailSettings | None = None) -> Jail:
    nothing = FilterSettings(name=name, feed=Feed.NONE)
    jail = Jail(
        replace(settings, filter=nothing) if settings else JailSettings(name=name, filter=nothing)
    )
    jail.broken = why
    return jail
