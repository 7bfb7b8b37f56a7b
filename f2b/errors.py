"""What can go wrong, in the words an admin reads: what failed, where, and what to do next."""

from enum import IntEnum
from typing import NamedTuple


class Exit(IntEnum):
    """Exit status of every f2b command (the numbers of sysexits.h where it has one)."""

    OK = 0
    NO = 1
    USAGE = 64
    UNAVAILABLE = 69
    BUG = 70
    NOT_PERMITTED = 77
    CONFIG = 78


class Origin(NamedTuple):
    """Where a setting was written. Line 0: the value is a default and stands in no file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class F2bError(Exception):
    """The root of everything f2b raises on purpose."""

    exit = Exit.NO

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class LocatedError(F2bError):
    """An error in a file of the admin: its text begins with file:line."""

    exit = Exit.CONFIG

    def __init__(self, message: str, *, origin: Origin | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.origin = origin

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.origin}: {text}" if self.origin else text


class ConfigError(LocatedError):
    """A file, section or value that cannot be taken as it stands."""


class FilterError(LocatedError):
    """A regex or journalmatch that cannot be used."""


class JournalError(F2bError):
    """The journal cannot be opened or read."""

    exit = Exit.UNAVAILABLE


class StoreError(F2bError):
    """The database cannot be opened or written."""


class StoreVersionError(StoreError):
    """The database was written by a newer f2b."""

    exit = Exit.CONFIG


class ActionError(F2bError):
    """An action could not do what was decided; ``retry`` says whether trying again can help, ``delay`` when at best."""

    def __init__(
        self, message: str, *, hint: str = "", retry: bool = False, delay: float = 0.0
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry = retry
        self.delay = delay


class HopelessError(ActionError):
    """An action that is not tried again, since it would fail again."""


class NotPermittedError(F2bError):
    """A capability or a file permission is missing."""

    exit = Exit.NOT_PERMITTED


class ForeignWallError(F2bError):
    """Firewall objects with our names belong to somebody else."""

    exit = Exit.CONFIG


class UsageError(F2bError):
    """A command that was typed wrong."""

    exit = Exit.USAGE


class ControlError(F2bError):
    """A request over the control socket that cannot be answered."""

    exit = Exit.USAGE


class DaemonDownError(F2bError):
    """Nobody listens on the control socket."""

    exit = Exit.UNAVAILABLE
