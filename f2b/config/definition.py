"""The files of one filter or action, as a jail sees them: sections, parameters, ``<tag>`` and ``%(name)s``."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from f2b.config.files import Files
from f2b.config.ini import DEFAULT, Dialect, escaped
from f2b.config.marks import Allowance
from f2b.config.section import placed
from f2b.config.spec import Spec
from f2b.config.tags import substitute
from f2b.errors import ConfigError, Origin


class Definition:
    """`kind` is filter or action; `variables` are options of the jail.

    Precedence is fail2ban's: parameters, then [Init], then a jail's own option, then [Definition].
    `fallback` are parameters for those whose [Definition] does not say.
    """

    def __init__(
        self,
        files: Files,
        kind: str,
        spec: Spec,
        variables: Mapping[str, str],
        fallback: Mapping[str, str],
    ) -> None:
        self.name = spec.name
        self._marks = files.marks
        self._parameters = {name.lower(): value for name, value in spec.options.items()}
        self._jail = self._shown = variables  # for %(name)s, and for <name>
        self._given = [name for name in self._parameters if "?" not in name]
        self._dialect = _dialect(files, kind, spec.name)
        for name, value in fallback.items():
            if name not in self._dialect.own["Definition"]:
                self._parameters[name] = self._parameters.get(name) or value
        self._found: dict[tuple[str, str], str | None] = {}
        self._variables = self._escaped({})
        self._variables = self._escaped(self._init())
        self._found.clear()  # what was found without [Init]

    def _text(
        self, option: str, look_up: Callable[[str], str | None], allowance: Allowance | None = None
    ) -> str | None:
        text = look_up(option)
        if text is None:
            return None
        with placed(self._marks.located(text).origin, option):
            return substitute(text, self._look_up, allowance)

    def _look_up(self, name: str) -> str | None:
        """What ``<name>`` stands for: `option`, `known/option` or `section/option`."""
        place, slash, option = name.partition("/")
        if place == "known":
            return self._first(
                ("Init", option), ("Definition", name), (DEFAULT, option), ("Definition", option)
            )
        if slash:
            place = DEFAULT if place.lower() == "default" else place
            return self._get(place, option) if place in self._dialect.own else None
        found = self._specific(name)
        if found is None:
            found = self._shown.get(name)
        return self._get("Definition", name) if found is None else found

    def _specific(self, name: str) -> str | None:
        if name in self._parameters:
            return self._parameters[name]
        return self._first(("Init", name))

    def _first(self, *places: tuple[str, str]) -> str | None:
        for section, option in places:
            if option in self._dialect.own.get(section, {}):
                return self._get(section, option)
        return None

    def _get(self, section: str, option: str) -> str | None:
        """An option as its section sees it, or else that of DEFAULT."""
        key = section, option
        if key not in self._found:
            self._found[key] = self._find(section, option)
        return self._found[key]

    def _find(self, section: str, option: str) -> str | None:
        defined = self._dialect.own[section]
        hidden = set()
        if section != "Definition" or option not in defined:
            # What comes from elsewhere has the last word in a line of [Definition]; in one of DEFAULT that a tag asks
            # for, the parameters have; in other sections none has.
            hidden = self._dialect.own[DEFAULT].keys() | defined.keys()
            hidden -= self._parameters.keys() if section == "Definition" else set()
        hidden.add(option)
        others = {
            name: text
            for name, text in self._variables.items()
            if name.removeprefix("known/") not in hidden
        }
        return self._dialect.get(section, option, vars=others, fallback=None)

    def _escaped(self, init: Mapping[str, str]) -> dict[str, str]:
        known = {f"known/{name}": text for name, text in init.items()}
        texts = {**self._jail, **init, **known, **self._parameters}
        return {name: escaped(text) for name, text in texts.items()}

    def _init(self) -> dict[str, str]:
        """What [Init] gives to [Definition]; without what is wrong in it, which is told where it is needed."""
        init = {}
        for option in self._dialect.own.get("Init", {}):
            with suppress(ConfigError):
                init[option] = self._get("Init", option) or ""
        return init


def _dialect(files: Files, kind: str, name: str) -> Dialect:
    """The files of that name; an empty name is the filter that finds nothing."""
    if not name:
        return Dialect({DEFAULT: {}, "Definition": {}}, files.marks)
    stem = name if name.startswith(("/", "./")) else f"{kind}.d/{name}"
    dialect = files.layers(stem) if stem.isprintable() else None
    if dialect is None:
        raise ConfigError(f"there is no {kind} {name!r}: {stem}.conf does not exist")
    if "Definition" not in dialect.own:
        raise ConfigError(f"{kind} {name!r} has no [Definition]", origin=Origin(f"{stem}.conf", 0))
    return dialect
