"""What fail2ban reads out of a configuration directory, and what we read out of the same one.

The package's code runs from where .ci/packages unpacked it, in a process of its own; it is never installed.
"""

import ast
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from f2b.config import values
from f2b.config.effective import Values, effective_jails
from f2b.config.files import Files
from f2b.times import duration

Jails = dict[str, dict[str, Any]]

LISTS = ("failregex", "ignoreregex", "journalmatch", "ignoreip")
DURATIONS = ("findtime", "bantime", "bantime.maxtime", "bantime.rndtime")
FLAGS = ("ignoreself", "bantime.increment", "bantime.overalljails")
_SECONDS = """
import json, sys
from fail2ban.server.mytime import MyTime
print(json.dumps([MyTime.str2seconds(text) for text in json.load(sys.stdin)]))
"""


# What `fail2ban-client -d` does, for many directories in one process; null for one that it refuses.
_STREAMS = """
import json, logging, sys
from fail2ban.client.configurator import Configurator
logging.disable(logging.CRITICAL)
for directory in sys.stdin.read().splitlines():
    try:
        configurator = Configurator()
        configurator.setBaseDir(directory)
        configurator.readAll()
        configurator.getOptions()
        configurator.convertToProtocol()
        print(json.dumps(configurator.getConfigStream()))
    except Exception:
        print("null")
"""


class Package:
    """An unpacked package of fail2ban."""

    def __init__(self, root: Path) -> None:
        code = next(root.glob("usr/lib/python3/dist-packages"), root)
        self._environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        self._client = next(root / name for name in ("usr/bin/fail2ban-client", "bin/fail2ban-client")
                            if (root / name).is_file())  # fmt: skip
        self.config = next(
            root / name for name in ("etc/fail2ban", "config") if (root / name).is_dir()
        )

    def jails(self, directory: Path) -> Jails:
        """What `fail2ban-client -d` says of every jail that it would start."""
        told = self._run(str(self._client), "-c", str(directory), "-d")
        jails = _collected(ast.literal_eval(line) for line in told.splitlines())
        self._read_durations(jails)
        return jails

    def told(self, *arguments: str) -> str:
        """What fail2ban-client prints."""
        return self._run(str(self._client), *arguments)

    def many(self, directories: Iterable[Path]) -> list[Jails | None]:
        """The same of many directories; None for one that it cannot read."""
        told = self._run("-c", _STREAMS, given="\n".join(map(str, directories)))
        streams = [json.loads(line) for line in told.splitlines()]
        found = [None if stream is None else _collected(stream) for stream in streams]
        self._read_durations(*(jails for jails in found if jails))
        return found

    def _read_durations(self, *trees: Jails) -> None:
        jails = [jail for tree in trees for jail in tree.values()]
        texts = sorted({jail[name] for jail in jails for name in DURATIONS if name in jail})
        seconds = dict(zip(texts, self.seconds(texts), strict=True))
        for jail in jails:
            jail.update({name: seconds[jail[name]] for name in DURATIONS if name in jail})

    def seconds(self, texts: Iterable[str]) -> list[float]:
        """Durations as fail2ban reads them."""
        return list(json.loads(self._run("-c", _SECONDS, given=json.dumps(list(texts)))))

    def _run(self, *words: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *words], env=self._environment, input=given, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _collected(commands: Iterable[list[Any]]) -> Jails:
    jails: Jails = {}
    for command in commands:
        match command:
            case ["add", jail, _]:
                jails[jail] = {name: [] for name in (*LISTS, "actions")}
            case ["multi-set", jail, "action", _, properties]:
                jails[jail]["actions"].append(dict(properties))
            case ["set", _, "addaction", *_]:
                pass
            case ["set", jail, "addjournalmatch", *words] if jail in jails:
                jails[jail]["journalmatch"].append(words)
            case ["set", jail, "addignoreip", *words] if jail in jails:
                jails[jail]["ignoreip"] += words
            case ["set", jail, "addfailregex" | "addignoreregex" as name, text] if jail in jails:
                jails[jail][name.removeprefix("add")].append(text)
            case ["multi-set", jail, "addfailregex" | "addignoreregex" as name, texts]:
                jails[jail][name.removeprefix("add")] += texts
            case ["set", jail, name, value] if jail in jails:
                jails[jail][name] = value if name in FLAGS else str(value)
    return jails


def ours(directory: Path) -> Jails:
    """The same of our reader, and for a jail that has no journalmatch too; but not for one with an error."""
    return {
        jail.name: _values(jail.values)
        for jail in effective_jails(Files(directory))
        if not jail.errors
    }


def differences(theirs: Jails, own: Jails) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Jail and option, with both values, where both sides tell it."""
    assert theirs.keys() <= own.keys()
    return {
        (jail, option): (value, own[jail][option])
        for jail, options in theirs.items()
        for option, value in options.items()
        if option in own[jail] and value != own[jail][option]
    }


def _values(texts: Values) -> dict[str, Any]:
    jail: dict[str, Any] = {}
    for name in {*texts, *LISTS}:
        lines = [line.text for line in texts.get(name, ())]
        text = "\n".join(lines)
        if name in DURATIONS:
            jail[name] = duration(text)
        elif name in FLAGS:
            jail[name] = values.boolean(text)
        elif name == "journalmatch":
            jail[name] = [shlex.split(line) for line in lines]
        elif name == "ignoreip":
            jail[name] = list(values.listed(text))
        else:
            jail[name] = lines if name in LISTS else text
    return jail
