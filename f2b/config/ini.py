"""The INI dialect: the syntax of a file, how files overlay each other, what ``%(name)s`` means.

The standard library's configparser reads the lines and holds the sections. Ours are the origin of
each line (see marks), inline comments, the memory behind ``%(known/name)s``, and interpolation.
"""

import io
import re
from collections.abc import Iterator, Mapping, MutableMapping
from configparser import (
    ConfigParser,
    DuplicateOptionError,
    DuplicateSectionError,
    Interpolation,
    MissingSectionHeaderError,
    ParsingError,
    RawConfigParser,
)

from f2b.config.marks import Allowance, Marks, pasted
from f2b.config.problems import ConfigErrors
from f2b.errors import ConfigError, Origin

Sections = dict[str, dict[str, str]]

DEFAULT = "DEFAULT"
_INLINE_COMMENT = re.compile(r"\s;.*")
_CONDITIONAL = re.compile(r"(\w+)\?(.+)")
_PERCENT = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^()]+)\)s)?")
_DEEPEST = 10
_BLANKS = re.compile(r"\s{500}")  # the standard library tries a row of blanks at every length
_LONGEST_LINE = 200_000
_LONGEST = 1_000_000


def parse(text: str, file: str, marks: Marks) -> Sections:
    """The sections of one file, with all values raw and marked. Raises ConfigErrors."""
    parser = RawConfigParser()
    try:
        parser.read_file(_marked(text, file, marks))
    except (ParsingError, DuplicateSectionError, DuplicateOptionError) as error:
        try:
            # That something is doubled may come of a line that cannot be read: then this is told.
            RawConfigParser(strict=False).read_file(_marked(text, file, marks))
        except ParsingError as cause:
            raise ConfigErrors(_syntax_errors(cause, file)) from None
        raise ConfigErrors(_syntax_errors(error, file)) from None
    defaults = dict(parser.defaults())
    for option in defaults:
        parser.remove_option(DEFAULT, option)  # else every section's items include them
    sections = {DEFAULT: defaults}
    for name in parser.sections():
        base, condition = name, ""
        if conditional := _CONDITIONAL.fullmatch(name):
            base, condition = conditional[1], f"?{conditional[2]}"
        options = {f"{option}{condition}": value for option, value in parser.items(name)}
        sections.setdefault(base, {}).update(options)
    return sections


def lay_over(base: Sections, upper: Sections) -> None:
    """Let `upper` override `base`, option by option, and remember what `%(known/option)s` was."""
    for name, options in upper.items():
        section = base.setdefault(name, {})
        for option, value in options.items():
            old = section.get(option)
            known = f"known/{option}"
            if old is not None and name == DEFAULT:
                # Nothing lies below DEFAULT, so its memory is put in place at once.
                value = _with_known(value, known, old)  # noqa: PLW2901
            elif old is not None:
                below = section.get(known, f"%(default/{option})s")
                section[known] = _with_known(old, known, below)
            section[option] = value


def _with_known(text: str, known: str, old: str) -> str:
    """Two of them in each of thirty files would be 2^30 copies."""
    told = text.replace(f"%({known})s", old)
    if len(told) > _LONGEST:
        raise ConfigErrors(
            [ConfigError(f"%({known})s grows beyond all measure", hint="ask for it once")]
        )
    return told


class Dialect(ConfigParser):
    """The sections of all files of one name; `get` interpolates and leaves the marks in."""

    def __init__(self, own: Sections, marks: Marks) -> None:
        super().__init__(interpolation=_Percent(own, marks))
        self.own = own
        self.read_dict(own)


def escaped(text: str) -> str:
    """Protect a text that is interpolated already from being interpolated again."""
    return text.replace("%", "%%")


class _Percent(Interpolation):
    """``%(x)s``, ``%(section/x)s``, ``%(known/x)s``, ``%(__name__)s``, ``%%``."""

    def __init__(self, own: Sections, marks: Marks) -> None:
        self._own = own
        self._marks = marks

    def before_get(
        self,
        parser: MutableMapping[str, Mapping[str, str]],  # noqa: ARG002
        section: str,
        option: str,  # noqa: ARG002
        value: str,
        defaults: Mapping[str, str],
    ) -> str:
        return self._expand(value, section, defaults, Allowance(), depth=1)

    def _expand(
        self,
        text: str,
        section: str,
        names: Mapping[str, str],
        allowance: Allowance,
        *,
        depth: int,
    ) -> str:
        """Everything is looked up as `section` sees it, wherever the text came from."""

        def value(match: re.Match[str]) -> str:
            if match["percent"]:
                return "%"
            origin = self._marks.origin(text, match.start())
            if match["name"] is None:
                raise ConfigError(
                    "a lone '%' means nothing", origin=origin, hint="write %% for a percent sign"
                )
            if depth > _DEEPEST:
                raise ConfigError(
                    f"{match[0]} nests more than {_DEEPEST} deep",
                    origin=origin,
                    hint="does it refer to itself?",
                )
            found = self._look_up(match["name"].lower(), section, names)
            if found is None:
                raise ConfigError(
                    f"{match[0]} is not defined", origin=origin, hint=f"seen from [{section}]"
                )
            allowance.spend(found, origin)
            return pasted(self._expand(found, section, names, allowance, depth=depth + 1), match)

        return _PERCENT.sub(value, text)

    def _look_up(self, name: str, section: str, names: Mapping[str, str]) -> str | None:
        if name == "__name__":
            return escaped(section)
        if name in names:
            return names[name]
        place, slash, option = name.partition("/")
        if not slash:
            return None
        default = self._own.get(DEFAULT, {}).get(option)
        if place in ("known", "default"):
            return default
        for other, options in self._own.items():
            if other.lower() == place:
                return options.get(option, default)
        return None


def _marked(text: str, file: str, marks: Marks) -> Iterator[str]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if len(line) > _LONGEST_LINE or _BLANKS.search(line):
            problem = f"more than {_LONGEST_LINE} characters, or 500 blanks in a row, in one line"
            raise ConfigErrors([ConfigError(problem, origin=Origin(file, number))])
        bare = line.strip()
        if not bare or bare[0] in "#;":
            yield line
        else:
            bare = _INLINE_COMMENT.sub("", line.rstrip("\n")).rstrip()
            yield bare + marks.new(Origin(file, number))


def _syntax_errors(
    error: ParsingError | DuplicateSectionError | DuplicateOptionError, file: str
) -> list[ConfigError]:
    def at(line: int | None, message: str, hint: str) -> ConfigError:
        return ConfigError(message, origin=Origin(file, line or 0), hint=hint)

    match error:
        case DuplicateOptionError():
            message = f"{error.option} is set a second time in [{error.section}]"
            return [at(error.lineno, message, "keep one of them")]
        case DuplicateSectionError():
            message = f"[{error.section}] begins a second time in this file"
            return [at(error.lineno, message, "join the two")]
        case MissingSectionHeaderError():
            message = "a line before the first section"
            return [at(error.lineno, message, "write [DEFAULT] above it")]
        case _:
            hint = "write name = value; lines that continue a value are indented"
            return [at(line, "neither a section nor a setting", hint) for line, _ in error.errors]
