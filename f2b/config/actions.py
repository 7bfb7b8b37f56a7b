"""Actions that are no firewall: from the files of ``action.d/NAME`` to ActionSettings, fail2ban's way.

Everything that does not depend on a ban is put in here; the tags that are left are those of a ban.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from f2b import plugins
from f2b.config import shell, values
from f2b.config.definition import Definition
from f2b.config.files import Files
from f2b.config.problems import Collector, ConfigErrors, Problem, Severity
from f2b.config.section import placed
from f2b.config.settings import ActionCommands, ActionSettings
from f2b.config.shell import Quoting
from f2b.config.spec import Spec
from f2b.errors import ConfigError, Origin

OF_THE_BAN = {
    "ip", "fid", "family", "ip-rev", "ip-host", "failures", "time", "bantime", "bancount", "restored", "matches",
    "ipmatches", "ipjailmatches", "ipfailures", "ipjailfailures", "jail.name", "jail.banned", "jail.banned_total",
    "jail.found", "jail.found_total", "fq-hostname", "sh-hostname", "br", "sp",
}  # fmt: skip
"""The tags that are known when something happens. Beside them <F-NAME>, as the regex captured it."""
PLUGIN = "plugin:"
_NEVER_NOW = {"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"}
_FAMILIES = ("inet4", "inet6")
_ROWS: tuple[tuple[str, str, Callable[[str], object], str], ...] = (
    ("repair_on_unban", "actionrepair_on_unban", values.boolean, "false"),
    ("norestored", "norestored", values.boolean, "false"),
    ("timeout", "timeout", values.positive_duration, "60"),
    ("retry_for", "retry_for", values.positive_duration, "1h"),
)


class ActionFile(Definition):
    """An action with its parameters, as one jail sees it."""

    def __init__(
        self, files: Files, spec: Spec, variables: Mapping[str, str], *, jail: str, origin: Origin
    ) -> None:
        name = spec.options.get("name") or jail
        known = spec.options.get("actname") or _known_as(spec, jail)
        given = {**spec.options, "name": name, "actname": known}
        self._family = ""
        super().__init__(files, "action", Spec(spec.name, given), variables, {})
        self._shown = {name: variables[name] for name in ("logpath",) if name in variables}
        self._known_as = known
        self._jail_name = jail
        self._origin = origin

    def settings(self) -> tuple[ActionSettings, list[Problem]]:
        """The action, and what to warn of. Raises ConfigError or ConfigErrors."""
        sections = self._dialect.own.values()
        conditional = any("?family=" in option for own in sections for option in own)
        conditional = conditional or any("?family=" in option for option in self._parameters)
        steps = Collector()
        rows = (*_ROWS, ("on_demand", "actionstart_on_demand", values.boolean, str(conditional)))
        found: dict[str, Any] = {
            field: steps.attempt(partial(self._value, option, parse, default))
            for field, option, parse, default in rows
        }
        found |= {family: steps.attempt(partial(self._commands, family)) for family in _FAMILIES}
        if steps.errors:
            raise ConfigErrors(steps.errors)
        action = ActionSettings(
            jail=self._jail_name, name=self._known_as, origin=self._origin, **found
        )
        return action, self._problems(action)

    def _commands(self, family: str) -> ActionCommands:
        self._family = family
        texts = {}
        for field in fields(ActionCommands):
            text = self._text(f"action{field.name}", self._look_up)
            texts[field.name] = self._marks.located(text or "").text
        return ActionCommands(**texts)

    def _value(self, option: str, parse: Callable[[str], object], default: str) -> Any:
        self._family = ""
        found = self._marks.located(super()._look_up(option) or "")
        with placed(found.origin, option):
            return parse(found.text or default)

    def _look_up(self, name: str) -> str | None:
        if name in _NEVER_NOW:
            return None
        conditional = f"{name}?family={self._family}"
        if conditional in self._parameters:
            return self._parameters[conditional]
        if name not in self._parameters:
            found = self._first(("Init", conditional), ("Definition", conditional))
            if found is not None:
                return found
        return super()._look_up(name)

    def _problems(self, found: ActionSettings) -> list[Problem]:
        texts = [getattr(found.inet4, field.name) for field in fields(ActionCommands)]
        unknown = {
            tag
            for text in texts
            for tag, _, _, quoting in shell.tags(text)
            if quoting is Quoting.BARE and tag not in OF_THE_BAN and tag[:2] != "F-"
        }
        return [
            Problem(
                Severity.WARNING,
                self._origin,
                f"action {self.name!r} has a tag that stands for nothing: <{tag}>",
                "the shell takes < for a file to read from",
                self._jail_name,
            )
            for tag in sorted(unknown)
        ]


def _known_as(spec: Spec, jail: str) -> str:
    name = spec.options.get("name", jail)
    if name == jail:
        return spec.name
    return f"{spec.name}-{name.removeprefix(f'{jail}-')}"


def exists(files: Files, name: str) -> bool:
    """Say whether there is an action file of that name, right or wrong."""
    if not name.isprintable():
        return False
    base = files.directory / (name if name.startswith(("/", "./")) else f"action.d/{name}")
    return any(base.with_name(f"{base.name}{suffix}").exists() for suffix in (".conf", ".local"))


def read_actions(
    specs: Sequence[tuple[Spec, Origin]], files: Files, variables: Mapping[str, str], jail: str
) -> tuple[tuple[ActionSettings, ...], list[Problem]]:
    """The commands that a jail runs. One that is wrong is left out with an error, and its jail goes on without it."""
    found: dict[str, ActionSettings] = {}
    problems: list[Problem] = []
    warnings: list[Problem]
    for spec, origin in specs:
        try:
            with placed(origin):
                _check(spec)
                if spec.name.startswith(PLUGIN):
                    action, warnings = _plugin(spec, jail, origin), []
                else:
                    file = ActionFile(files, spec, variables, jail=jail, origin=origin)
                    action, warnings = file.settings()
                _check_name(action.name, found)
        except (ConfigError, ConfigErrors) as error:
            errors = error.errors if isinstance(error, ConfigErrors) else (error,)
            problems += [
                Problem(Severity.ERROR, e.origin, e.message, e.hint, jail) for e in errors
            ]
        else:
            found[action.name] = action
            problems += warnings
    return tuple(found.values()), problems


def _plugin(spec: Spec, jail: str, origin: Origin) -> ActionSettings:
    """One of another package. The switches that every action has are not among its parameters."""
    given = {name.lower(): text for name, text in spec.options.items()}
    switches: dict[str, Any] = {}
    for field, option, parse, default in _ROWS:
        with placed(origin, option):
            switches[field] = parse(given.pop(option, default))
    plugin = spec.name.removeprefix(PLUGIN)
    if not plugins.offered(plugins.SIDE_ACTIONS, plugin):
        raise plugins.unknown(plugins.SIDE_ACTIONS, plugin)
    name = given.pop("actname", plugin)
    return ActionSettings(
        jail=jail,
        name=name,
        plugin=plugin,
        parameters=tuple(sorted(given.items())),
        origin=origin,
        **switches,
    )


def _check(spec: Spec) -> None:
    if spec.name.endswith(".py"):
        raise ConfigError(
            f"action {spec.name!r} is a program for fail2ban itself, which f2b cannot run",
            hint="an action file that starts a program does the same",
        )


def _check_name(name: str, others: Collection[str]) -> None:
    if name in others:
        raise ConfigError(f"action {name!r} is named twice", hint="give one of them actname=")
