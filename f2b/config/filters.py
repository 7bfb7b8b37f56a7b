"""Filters: from the files of ``filter.d/NAME`` and a jail's own lines to FilterSettings."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from f2b.config.definition import Definition
from f2b.config.files import Files
from f2b.config.ini import escaped
from f2b.config.marks import Allowance
from f2b.config.parameters import idle
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
        for option in names:
            try:
                text = self._text(option, self._look_up, None if option in _ROWS else spare)
            except ConfigError:
                if option in _ROWS:
                    raise
                continue
            if text is not None:
                known[f"known/{option}"] = escaped(text)
        return known

    def settings(self, jail: Callable[[str], str | None]) -> FilterSettings:
        """`jail` gives the marked text of an option that the jail sets itself."""
        texts = {option: self.merged(option, jail(option)) for option in _ROWS}
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
            reading=self._parsed(texts, "reading") or self._usual_reading(failregex, prefregex),
            maxlines=self._parsed(texts, "maxlines"),
            maxsessions=self._parsed(texts, "maxsessions"),
            maxlength=self._parsed(texts, "maxlength"),
            usedns=self._parsed(texts, "usedns"),
        )

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

    def _usual_reading(self, failregex: Iterable[Located], prefregex: Located) -> Reading:
        try:
            prefix = self._marks.located(self._text("__prefix_line", self._look_up) or "").text
        except ConfigError:
            prefix = ""  # of a file that is included and not made use of
        return usual(prefix, (regex.text for regex in (*failregex, prefregex)))

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
