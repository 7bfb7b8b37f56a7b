"""Filters: from the files of ``filter.d/NAME`` and a jail's own lines to FilterSettings."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from f2b.config.files import Files
from f2b.config.ini import DEFAULT, Dialect, escaped
from f2b.config.section import parsed, placed
from f2b.config.settings import Feed, FilterSettings, Located
from f2b.config.spec import Spec
from f2b.config.table import Where, settings
from f2b.config.tags import substitute
from f2b.errors import ConfigError, Origin

_ROWS = settings(Where.FILTER)
_LISTS = ("failregex", "ignoreregex", "journalmatch")
_MODE = re.compile(r"<mdre-([^\s<>]+)>")


class FilterFile:
    """A filter with its parameters, as one jail sees it.

    Precedence is fail2ban's: parameters, then [Init], then a jail's own option, then [Definition].
    Of the options that are lists, a jail's own is added to one in parameters or [Init].
    """

    def __init__(self, files: Files, spec: Spec, variables: Mapping[str, str]) -> None:
        self.name = spec.name
        self._marks = files.marks
        self._parameters = {name.lower(): value for name, value in spec.options.items()}
        self._variables = {name: text for name, text in variables.items() if name not in _ROWS}
        self._variables |= {name: escaped(text) for name, text in self._parameters.items()}
        self._dialect = _dialect(files, spec.name)

    @property
    def lacks_failregex(self) -> bool:
        """Whether there is a definition that says nothing of a failregex, which may be a slip."""
        definition = self._dialect.own["Definition"]
        return bool(definition) and "failregex" not in definition

    def known(self) -> dict[str, str]:
        """What a jail's ``%(known/failregex)s`` and the like stand for."""
        texts = {option: self._text(option, self._look_up) for option in _ROWS}
        return {f"known/{name}": escaped(text) for name, text in texts.items() if text is not None}

    def settings(self, jail: Callable[[str], str | None]) -> FilterSettings:
        """`jail` gives the marked text of an option that the jail sets itself."""
        texts = {option: self._merged(option, jail(option)) for option in _ROWS}
        failregex = self._marks.lines(texts["failregex"])
        self._check_mode(failregex)
        prefregex = self._marks.located(texts["prefregex"])
        feed = self._parsed(texts, "source")
        if feed is Feed.JOURNAL and not failregex:
            feed = Feed.NONE
        return FilterSettings(
            name=self.name,
            failregex=failregex,
            ignoreregex=self._marks.lines(texts["ignoreregex"]),
            prefregex=prefregex if prefregex.text else None,
            journalmatch=self._marks.lines(texts["journalmatch"]),
            feed=feed,
            maxlines=self._parsed(texts, "maxlines"),
            maxsessions=self._parsed(texts, "maxsessions"),
            maxlength=self._parsed(texts, "maxlength"),
        )

    def _merged(self, option: str, jail: str | None) -> str:
        if jail is None:
            return self._text(option, self._look_up) or ""
        specific = self._text(option, self._specific)
        if specific is None:
            return jail
        return f"{jail}\n{specific}" if option in _LISTS else specific

    def _text(self, option: str, look_up: Callable[[str], str | None]) -> str | None:
        text = look_up(option)
        if text is None:
            return None
        with placed(self._marks.located(text).origin, option):
            return substitute(text, self._look_up)

    def _look_up(self, name: str) -> str | None:
        """What ``<name>`` stands for: `option`, `known/option` or `section/option`."""
        place, slash, option = name.partition("/")
        if place == "known":
            return self._first((("Init", option), ("Definition", name), ("Definition", option)))
        if slash:
            return self._get(place, option) if place in self._dialect.own else None
        found = self._specific(name)
        return self._first((("Definition", name), (DEFAULT, name))) if found is None else found

    def _specific(self, name: str) -> str | None:
        if name in self._parameters:
            return self._parameters[name]
        return self._first((("Init", name),))

    def _first(self, places: Iterable[tuple[str, str]]) -> str | None:
        for section, option in places:
            if option in self._dialect.own.get(section, {}):
                return self._get(section, option)
        return None

    def _get(self, section: str, option: str) -> str | None:
        """An option as its section sees it, or else that of DEFAULT."""
        others = {name: text for name, text in self._variables.items() if name != option}
        return self._dialect.get(section, option, vars=others, fallback=None)

    def _parsed(self, texts: Mapping[str, str], option: str) -> Any:
        row = _ROWS[option]
        return parsed(row, self._marks.located(texts[option] or row.default))

    def _check_mode(self, failregex: Iterable[Located]) -> None:
        """A misspelt mode leaves its tag in the regex, which then matches nothing at all."""
        modes = [name[5:] for name in self._dialect.own["Definition"] if name.startswith("mdre-")]
        for text, origin in failregex:
            if tag := _MODE.search(text):
                raise ConfigError(
                    f"filter {self.name!r} has no mode {tag[1]!r}",
                    origin=origin,
                    hint=f"its modes: {', '.join(modes)}",
                )


def _dialect(files: Files, name: str) -> Dialect:
    """The files of a filter; an empty name is the filter that finds nothing."""
    if not name:
        return Dialect({"Definition": {}}, files.marks)
    stem = name if name.startswith(("/", "./")) else f"filter.d/{name}"
    dialect = files.layers(stem) if stem.isprintable() else None
    if dialect is None:
        raise ConfigError(f"there is no filter {name!r}: {stem}.conf does not exist")
    if "Definition" not in dialect.own:
        raise ConfigError(f"filter {name!r} has no [Definition]", origin=Origin(f"{stem}.conf", 0))
    return dialect
