"""What is wrong with a configuration: errors that stop a load, and problems it lives with."""

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import NamedTuple, TypeVar

from f2b.errors import ConfigError, Exit, F2bError, LocatedError, Origin

T = TypeVar("T")


class ConfigErrors(F2bError):  # noqa: N818 - several errors in one
    """Everything that keeps a configuration from being loaded at all, at once."""

    exit = Exit.CONFIG

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        # A file that is reached on two ways says the same twice.
        self.errors = tuple({str(error): error for error in errors}.values())
        super().__init__("\n".join(map(str, self.errors)))


class Severity(StrEnum):
    """An error keeps its jail from running; a warning keeps nothing from running."""

    ERROR = "error"
    WARNING = "warning"


class Problem(NamedTuple):
    """What the admin should know about his files, with where it stands and what to do."""

    severity: Severity
    origin: Origin | None
    text: str
    hint: str = ""
    jail: str | None = None

    def __str__(self) -> str:
        return str(LocatedError(self.text, origin=self.origin, hint=self.hint))


def jail_problems(
    jail: str, error: ConfigError | ConfigErrors, shared: Collection[Origin] = ()
) -> list[Problem]:
    """The errors of a jail; one in a line that jails share says which of them it is about."""
    errors = error.errors if isinstance(error, ConfigErrors) else (error,)
    return [
        Problem(
            Severity.ERROR,
            e.origin,
            f"in [{jail}]: {e.message}" if e.origin in shared else e.message,
            e.hint,
            jail,
        )
        for e in errors
    ]


class Collector:
    """Runs steps that do not need each other, so that the admin reads all their errors at once."""

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except ConfigErrors as error:
            self.errors += error.errors
        except ConfigError as error:
            self.errors.append(error)
        return None

    def check(self) -> None:
        """Raises what was found."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ConfigErrors(self.errors)
