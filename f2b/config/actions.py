"""Actions that are no firewall: from the files of ``action.d/NAME`` to ActionSettings, fail2ban's way.

Everything that does not depend on a ban is put in here; the tags that are left are those of a ban.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from f2b import plugins
from f2b.config import shell, values
from f2b.config.definition import Definition
from f2b.config.files import Files
from f2b.config.parameters import idle
from f2b.config.problems import Collector, ConfigErrors, Problem, Severity
from f2b.config.section import placed
from f2b.config.settings import ActionCommands, ActionSettings
from f2b.config.shell import Quoting
from f2b.config.spec import Spec
from f2b.errors import ConfigError, Origin

OF_THE_BAN = {
    "ip", "fid", "family", "ip-rev", "ip-host", "failures", "time", "bantime", "bancount", "restored", "matches",
    "ipmatches", "ipjailmatches", "ipfailures", "ipjailfailures", "jail.name", "jail.banned", "jail.banned_total",
    "jail.found", "jail.found_total", "fq-hostname", "sh-hostname", "br", "sp", "raw-ticket",
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
_SWITCHES = {"plugin", "required", "actionstart_on_demand", *(option for _, option, _, _ in _ROWS)}
"""What is no matter of the plug-in."""
_PASSED = {"name", "actname", "port", "protocol", "chain", "logpath", "service"}
"""What fail2ban's texts for `action` pass to everybody."""
_NOT_OURS = {
    "badips": "badips.com answers no more",
    **dict.fromkeys(
        ("blocklist_de", "xarf-login-attack", "complain", "dshield", "mynetwatchman", "ipthreat", "apprise"),
        "f2b does not ship it; fail2ban's own file works: copy it, and what it includes, into action.d",
    ),
}  # fmt: skip


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
        plugin = steps.attempt(self._plugin)
        if plugin:
            found |= {"plugin": plugin, "parameters": steps.attempt(self._for_plugin)}
            return self._finished(found, steps), self._idle_parameters()
        found |= {family: steps.attempt(partial(self._commands, family)) for family in _FAMILIES}
        action = self._finished(found, steps)
        return action, self._problems(action)

    def _finished(self, found: Mapping[str, Any], steps: Collector) -> ActionSettings:
        if steps.errors:
            raise ConfigErrors(steps.errors)
        return ActionSettings(
            jail=self._jail_name, name=self._known_as, origin=self._origin, **found
        )

    def _plugin(self) -> str:
        self._family = ""
        found = self._marks.located(super()._look_up("plugin") or "")
        with placed(found.origin):
            return _offered(found.text)

    def _for_plugin(self) -> tuple[tuple[str, str], ...]:
        """Its parameters: the options of the file, and what stands in the brackets."""
        found = {}
        given = [name for name in self._given if name not in _SWITCHES | _PASSED]
        for name in [*self._options(), *given]:
            text = self._text(name, self._look_up)
            found[name] = self._marks.located(text or "").text
        for name in self._value("required", str.split, ""):
            if not found.get(name) and not found.get(f"{name}_file"):
                raise ConfigError(
                    f"action {self.name!r} needs {name}",
                    hint=f"write {self.name}[{name}=...], or {name}_file= and a file that holds it",
                )
        return tuple(sorted((name, text) for name, text in found.items() if text))

    def _options(self) -> list[str]:
        own = self._dialect.own
        return [
            name
            for place in ("Definition", "Init")
            for name in own.get(place, {})
            if "?" not in name and "/" not in name and name not in _SWITCHES
        ]

    def _idle_parameters(self) -> list[Problem]:
        options = {*self._options(), *_SWITCHES, *_PASSED}
        options |= {f"{name}_file" for name in options}
        texts = [text for own in self._dialect.own.values() for text in own.values()]
        return [
            Problem(
                Severity.WARNING,
                self._origin,
                f"action {self.name!r} has no parameter {name!r}",
                hint,
                self._jail_name,
            )
            for name, hint in idle(self._given, options, texts)
        ]

    def _commands(self, family: str) -> ActionCommands:
        self._family = family
        texts = {}
        for name in ActionCommands._fields:
            text = self._text(f"action{name}", self._look_up)
            texts[name] = self._marks.located(text or "").text
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
        unknown = {
            tag
            for text in found.inet4
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
            hint = "" if exists(files, spec.name) else _NOT_OURS.get(spec.name, "")
            problems += [
                Problem(Severity.ERROR, e.origin or origin, e.message, e.hint or hint, jail)
                for e in errors
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
    plugin = _offered(spec.name.removeprefix(PLUGIN))
    name = given.pop("actname", plugin)
    return ActionSettings(
        jail=jail,
        name=name,
        plugin=plugin,
        parameters=tuple(sorted(given.items())),
        origin=origin,
        **switches,
    )


def _offered(plugin: str) -> str:
    if plugin and not plugins.offered(plugins.SIDE_ACTIONS, plugin):
        raise plugins.unknown(plugins.SIDE_ACTIONS, plugin)
    return plugin


def _check(spec: Spec) -> None:
    if spec.name.endswith(".py"):
        raise ConfigError(
            f"action {spec.name!r} is a program for fail2ban itself, which f2b cannot run",
            hint="an action file that starts a program does the same",
        )


def _check_name(name: str, others: Collection[str]) -> None:
    if name in others:
        raise ConfigError(f"action {name!r} is named twice", hint="give one of them actname=")
