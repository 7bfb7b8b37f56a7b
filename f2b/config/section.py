"""One section of a merged configuration, whose values know their names and places when they fail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from f2b.config.ini import Dialect
from f2b.config.marks import Marks
from f2b.config.settings import NOWHERE, Located
from f2b.config.table import Setting
from f2b.errors import ConfigError, Origin


@contextmanager
def placed(origin: Origin, name: str = "") -> Iterator[None]:
    """Give an error that knows neither the setting's name nor its place these two."""
    try:
        yield
    except ConfigError as error:
        if error.origin is not None:
            raise
        message = f"{name} {error.message}".strip()
        where = None if origin == NOWHERE else origin
        raise ConfigError(message, origin=where, hint=error.hint) from None


def parsed(setting: Setting, found: Located) -> Any:
    """The value; its type is that of the field which the setting fills."""
    assert setting.parse is not None
    with placed(found.origin, setting.name):
        return setting.parse(found.text)


class Section:
    """A section as its own options, DEFAULT and `extra` make it; `extra` wins."""

    def __init__(
        self, dialect: Dialect, marks: Marks, name: str, extra: Mapping[str, str] | None = None
    ) -> None:
        self.dialect = dialect
        self.marks = marks
        self.name = name
        self.extra = extra or {}
        self._found: dict[str, str | None] = {}
        """Filter, wall and actions ask for the same options, and to look one up is to look up all that it refers to."""

    def __contains__(self, option: str) -> bool:
        return self.dialect.has_option(self.name, option)

    def marked(self, option: str) -> str | None:
        if option not in self._found:
            found = self.dialect.get(self.name, option, vars=self.extra, fallback=None)
            self._found[option] = found
        return self._found[option]

    def located(self, option: str) -> Located:
        text = self.marked(option)
        return Located("", NOWHERE) if text is None else self.marks.located(text)

    def value(self, setting: Setting) -> Any:
        return parsed(setting, self.located(setting.name))
