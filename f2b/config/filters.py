"""Filters: from the files of ``filter.d/NAME`` and a jail's own lines to FilterSettings."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from f2b.config.definition import Definition
from f2b.config.files import Files
from f2b.config.ini import escaped
from f2b.config.marks import Allowance
from f2b.config.parameters import idle
from f2b.config.problems import Collector
from f2b.config.reading import usual
from f2b.config.section import parsed
from f2b.config.settings import Feed, FilterSettings, Located, Reading
from f2b.config.spec import Spec
from f2b.config.table import Where, settings
from f2b.errors import ConfigError

_ROWS = settings(Where.FILTER)
_LISTS = ("failregex", "ignoreregex", "journalmatch")
# Parameters that are passed by custom, also to filters that have no use for them.
_CUSTOMARY = ("mode", "logtype", "datepattern")
_MODE = re.compile(r"<mdre-([^\s<>]+)>")


class FilterFile(Definition):
    """A filter with its parameters, as one jail sees it; `variables` are options of that jail.

    `logtype` tells filters where their lines come from, unless they are told otherwise: journal, or file.

    Of the options that are lists, a jail's own comes after one in parameters or [Init].
    """

    def __init__(
        self, files: Files, spec: Spec, variables: Mapping[str, str], logtype: str = "journal"
    ) -> None:
        kept = {name: text for name, text in variables.items() if name not in _ROWS}
        super().__init__(files, "filter", spec, kept, {"logtype": logtype})

    @property
    def lacks_failregex(self) -> bool:
        """Whether there is a definition that says nothing of a failregex, which may be a slip."""
        definition = self._dialect.own["Definition"]
        return bool(definition) and "failregex" not in definition

    def idle_parameters(self, jail: Iterable[str]) -> list[tuple[str, str]]:
        """Those that are misspelt, it seems, with a hint; `jail` are texts that may ask for them as known."""
        own = [text for options in self._dialect.own.values() for text in options.values()]
        options = {*_ROWS, *_CUSTOMARY}
        return idle(self._given, options, [*own, *jail, *self._parameters.values()])

    def known(self) -> dict[str, str]:
        """What a jail's ``%(known/failregex)s`` and the like stand for."""
        own = self._dialect.own
        names = {*_ROWS, *own["Definition"], *own.get("Init", {}), *self._parameters}
        known = {}
        spare = Allowance()  # one for all that nobody may want
        wanted, unwanted = Collector(), Collector()
        for option in names:
            steps, allowance = (wanted, None) if option in _ROWS else (unwanted, spare)
            text = steps.attempt(partial(self._text, option, self._look_up, allowance))
            if text is not None:
                known[f"known/{option}"] = escaped(text)
        wanted.check()
        return known

    def settings(self, jail: Callable[[str], str | None]) -> FilterSettings:
        """`jail` gives the marked text of an option that the jail sets itself."""
        steps = Collector()
        texts = {
            option: steps.attempt(partial(self._merged, option, jail)) or "" for option in _ROWS
        }
        failregex = self._marks.lines(texts["failregex"])
        steps.attempt(lambda: self._check_mode(failregex))
        values: dict[str, Any] = {
            row.name: steps.attempt(partial(self._parsed, texts, row.name))
            for row in _ROWS.values()
            if row.parse is not None
        }
        steps.check()
        prefregex = self._marks.located(texts["prefregex"])
        feed = values.pop("source")
        if feed is Feed.JOURNAL and not failregex:
            feed = Feed.NONE
        reading = values.pop("reading") or self.usual_reading(failregex, prefregex)
        return FilterSettings(
            name=self.name,
            failregex=failregex,
            ignoreregex=self._marks.lines(texts["ignoreregex"]),
            prefregex=prefregex if prefregex.text else None,
            journalmatch=self._marks.lines(texts["journalmatch"]),
            feed=feed,
            reading=reading,
            **values,
        )

    def _merged(self, option: str, jail: Callable[[str], str | None]) -> str:
        return self.merged(option, jail(option))

    def merged(self, option: str, jail: str | None) -> str:
        """The marked text of an option; `jail` is that which the jail sets itself."""
        if jail is None:
            return self._text(option, self._look_up) or ""
        specific = self._text(option, self._specific)
        if specific is None:
            return jail
        return f"{specific}\n{jail}" if option in _LISTS else specific

    def _parsed(self, texts: Mapping[str, str], option: str) -> Any:
        row = _ROWS[option]
        return parsed(row, self._marks.located(texts[option] or row.default))

    def usual_reading(self, failregex: Iterable[Located], prefregex: Located) -> Reading:
        """The one that a filter with these regexes is written for."""
        try:
            prefix = self._marks.located(self._text("__prefix_line", self._look_up) or "").text
        except ConfigError:
            prefix = ""  # of a file that is included and not made use of
        return usual(prefix, (regex.text for regex in (*failregex, prefregex)))

    def _check_mode(self, failregex: Iterable[Located]) -> None:
        """A misspelt mode leaves its tag in the regex, which then matches nothing at all."""
        names = [name[5:] for name in self._dialect.own["Definition"] if name.startswith("mdre-")]
        mode = self._look_up("mode") or ""
        for text, origin in failregex:
            if tag := _MODE.search(text):
                # Where it is written <mdre-<mode>-other>, the mode is only a part of the name.
                end = tag[1].removeprefix(mode) if mode else ""
                modes = [name.removesuffix(end) for name in names if name.endswith(end)]
                raise ConfigError(
                    f"filter {self.name!r} has no mode {tag[1].removesuffix(end)!r}",
                    origin=origin,
                    hint=f"its modes: {', '.join(modes)}",
                )
