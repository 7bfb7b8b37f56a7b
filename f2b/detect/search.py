"""All regexes of a filter on one text: a pure question that can be asked here or, when it takes long, elsewhere."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple, Self

from f2b.config.settings import FilterSettings
from f2b.detect.budget import Guard, OverBudget, Regex
from f2b.detect.failregex import Groups, compile_failregex, compile_regex
from f2b.detect.ring import covered


class Take(NamedTuple):
    """A text that a failregex took: its number, what was captured, which lines of the text it covers."""

    regex: int
    groups: Groups
    lines: tuple[int, ...] = ()
    ignored: bool = False


class Question(NamedTuple):
    """A text on which not all regexes could be asked in time.

    `passed` are the places of those that need not be asked again, `lines` the numbers of its lines in the ring, and
    `reading` the number of the reading that made it.
    """

    text: str
    passed: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()
    reading: int = 0


class Searcher:
    """The regexes by their places: the failregexes, then the ignoreregexes, and prefregex last."""

    def __init__(
        self,
        fail: Sequence[Regex],
        ignore: Sequence[Regex],
        prefix: Regex | None,
        *,
        several: bool,
    ) -> None:
        self._prefix = prefix
        self.fail = range(len(fail))
        self.several = several
        """Whether the text is several lines (maxlines)."""
        self.ignore = range(len(fail), len(fail) + len(ignore))
        self.optional = range(self.ignore.stop)
        """Those without which there is still something to ask: all but prefregex."""
        self.regexes = (*fail, *ignore, *([prefix] if prefix else ()))
        self._decisive = self.regexes[len(fail) :]
        self._ignore = tuple(zip(self.ignore, ignore, strict=True))

    @property
    def failregexes(self) -> tuple[Regex, ...]:
        return self.regexes[: self.fail.stop]

    @property
    def prefregex(self) -> Regex | None:
        return self._prefix

    @classmethod
    def compiled(cls, settings: FilterSettings, *, raw_names: bool) -> Self:
        """Raises FilterError when a regex cannot be used."""
        several = settings.maxlines > 1
        plain = partial(compile_regex, names=raw_names, multiline=several)
        prefix = (
            Regex(plain(settings.prefregex), settings.prefregex.origin)
            if settings.prefregex
            else None
        )
        known = tuple(prefix.pattern.groupindex) if prefix else ()
        fail = [
            Regex(compile_failregex(text, known, names=raw_names, multiline=several), text.origin)
            for text in settings.failregex
        ]
        ignore = [Regex(plain(text), text.origin) for text in settings.ignoreregex]
        return cls(fail, ignore, prefix, several=several)

    def ask(
        self,
        text: str,
        guard: Guard,
        passed: Collection[int] = (),
        places: Sequence[int] | None = None,
    ) -> Take | Question | None:
        """The first failregex that takes the text; or what is left to ask, when that would take too long here.

        `places` are those of the failregexes that may match, in their order, where that is known.
        """
        fail = self.fail if places is None else places
        if guard.over or (guard.quarantined and any(regex.out for regex in self._decisive)):
            return Question(text, self._ruled_out(fail))
        try:
            take = self._ask(text, guard, passed, fail)
        except OverBudget as over:
            place = self.regexes.index(over.regex)
            return self._rest(text, place if place in self.fail else 0, fail)
        finally:
            guard.running = None
        if take is None and guard.quarantined and any(self.regexes[place].out for place in fail):
            return self._rest(text, self.fail.stop, fail)
        return take

    def _rest(self, text: str, end: int, fail: Sequence[int]) -> Question:
        """What is left when all failregexes before that place have said no, but for those that were not asked."""
        no = {place for place in self.fail[:end] if not self.regexes[place].out}
        return Question(text, tuple(sorted(no.union(self._ruled_out(fail)))))

    def _ruled_out(self, fail: Sequence[int]) -> tuple[int, ...]:
        return tuple(place for place in self.fail if place not in fail)

    def _ask(
        self,
        text: str,
        guard: Guard,
        passed: Collection[int],
        fail: Sequence[int],
    ) -> Take | None:
        groups: Groups = {}
        content, offset = text, 0
        if self._prefix is not None:
            guard.running = self._prefix
            prefix = self._prefix.search(text)
            if prefix is None:
                return None
            groups = self._prefix.captured(prefix)
            if inner := groups.pop("content", ""):
                content, offset = inner, prefix.start("content")
        choosy = passed or guard.quarantined
        for place in fail:
            regex = self.regexes[place]
            if choosy and (regex.out or place in passed):
                continue
            guard.running = regex
            if match := regex.search(content):
                break
        else:
            return None
        groups |= regex.captured(match)
        if not (self.several or self._ignore):
            return Take(place, groups)
        lines: tuple[int, ...] = ()
        # fail2ban tries ignoreregex on the line or on the content, by the number of regexes: we ask both.
        asked = [content, text]
        if self.several:
            lines, taken = covered(text, match, offset)
            asked = [taken]
        return Take(place, groups, lines, self._ignores(asked, guard, passed))

    def _ignores(self, texts: Sequence[str], guard: Guard, passed: Collection[int]) -> bool:
        for place, regex in self._ignore:
            if place in passed:
                continue
            guard.running = regex
            if any(regex.search(text) for text in texts):
                return True
        return False
