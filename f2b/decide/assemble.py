"""From settings to running jails: everything that can fail for one jail fails here, and for that jail alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from f2b.config.jails import NAME
from f2b.config.load import Config
from f2b.config.problems import Problem, Severity
from f2b.config.settings import NOWHERE, Feed, FilterSettings, JailSettings, Located
from f2b.decide.jail import Jail
from f2b.decide.trust import trusted_match
from f2b.detect.filter import Filter
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
            problems += _problems(settings.name, [error, *_faults(settings.filter)])
            jails.append(_broken(settings.name, str(error), settings))
    for jail, filter_ in config.unloaded:
        problems += _problems(jail, _faults(filter_))
    known = {jail.name for jail in jails}
    for problem in config.problems:
        # A name that is refused as such must not reach the kernel either.
        name = problem.jail if problem.jail and NAME.fullmatch(problem.jail) else None
        if problem.severity is Severity.ERROR and name and name not in known:
            known.add(name)
            jails.append(_broken(name, str(problem)))
    return Assembly(jails, problems)


def _problems(jail: str, errors: Iterable[LocatedError]) -> list[Problem]:
    found = [Problem(Severity.ERROR, e.origin, e.message, e.hint, jail) for e in errors]
    return list(dict.fromkeys(found))


def _faults(settings: FilterSettings) -> Iterator[LocatedError]:
    """Everything that is wrong with the regexes and the journalmatch, where compiling ends with the first."""
    none = settings._replace(failregex=(), ignoreregex=())
    if error := _fault(lambda: Filter(none)):
        yield error
        none = none._replace(prefregex=Located("<HOST>", NOWHERE))
    parts = [none._replace(failregex=(line,)) for line in settings.failregex]
    parts += [none._replace(ignoreregex=(line,)) for line in settings.ignoreregex]
    steps: list[Callable[[], object]] = [partial(Filter, part) for part in parts]
    if settings.feed is Feed.JOURNAL:
        matches = [none._replace(journalmatch=(line,)) for line in settings.journalmatch]
        steps += [partial(trusted_match, part) for part in matches]
    yield from filter(None, map(_fault, steps))


def _fault(step: Callable[[], object]) -> LocatedError | None:
    try:
        step()
    except LocatedError as error:
        return error
    return None


def _broken(name: str, why: str, settings: JailSettings | None = None) -> Jail:
    nothing = FilterSettings(name=name, feed=Feed.NONE)
    jail = Jail(
        settings._replace(filter=nothing) if settings else JailSettings(name=name, filter=nothing)
    )
    jail.broken = why
    return jail
