"""fail2ban's own sample logs: annotated lines that say what a filter must find in them.

Nothing of them is ours: .ci/packages unpacks Debian's package into .cache/fail2ban. F2B_CORPUS names another tree, a
source tree of fail2ban or an unpacked package.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import CHECKOUT

_CONFIGS = ("etc/fail2ban", "config")
_DIRECTIVE = re.compile(r"#+ ?(failJSON|fileOptions|filterOptions|addFILE):(.+)")
_CONDITION = re.compile(
    r"name ?== ?'(?P<name>.*)'|opts.get\('mode'\) ?(?P<is>[!=]=) ?'(?P<mode>.*)'"
)

Options = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Sample:
    """A line, what must be found in it, and the options of the filter that is to find it."""

    filter: str
    place: str
    line: str
    expected: Mapping[str, Any]
    options: Options

    @property
    def instance(self) -> str:
        """Samples of the same instance are one log, and share what the filter remembers."""
        return self.options.get("test.filter-name") or str(sorted(self.parameters.items()))

    @property
    def parameters(self) -> Options:
        return {name: text for name, text in self.options.items() if not name.startswith("test.")}

    @property
    def is_native(self) -> bool:
        """Whether it is written as the journal would give it."""
        return self.options.get("logtype") == "journal"

    def __str__(self) -> str:
        options = ",".join(f"{name}={text}" for name, text in self.parameters.items())
        return f"{self.filter}[{options}] {self.place}"


class Corpus:
    """A tree of fail2ban: its filters, copied to where ours are read from, and their samples."""

    def __init__(self, root: Path, scratch: Path) -> None:
        package = next(root.glob("usr/lib/python3/dist-packages"), root) / "fail2ban"
        config = _config(root)
        self._logs = package / "tests/files/logs"
        self.directory = scratch
        shutil.copytree(config / "filter.d", scratch / "filter.d", dirs_exist_ok=True)
        for extra in (package / "tests/config/filter.d").glob("zzz-*.conf"):
            # What they include, they name as seen from the place where fail2ban is built.
            text = re.sub(r"(?m)^before *= *\S*/", "before = ", extra.read_text())
            (scratch / "filter.d" / extra.name).write_text(text)
        names = {path.stem for path in (scratch / "filter.d").glob("*.conf")}
        self.filters = sorted(name for name in names if (self._logs / name).is_file())

    def writes_prefix(self, name: str) -> bool:
        """Whether the filter expects `host ident[pid]:` in front of its lines."""
        return "__prefix_line" in (self.directory / f"filter.d/{name}.conf").read_text()

    def samples(self, name: str) -> Iterator[Sample]:
        """All of a filter, in order, once for every set of options that applies."""
        common: Options = {}
        sets: list[Options] = [{}]
        files = [name]
        for file in files:
            expected: Mapping[str, Any] | None = None
            for number, line in enumerate((self._logs / file).read_bytes().split(b"\n"), start=1):
                text = line.decode("utf-8", "replace").rstrip("\r")
                directive = _DIRECTIVE.match(text)
                if expected is None and directive:
                    value = json.loads(directive[2])
                    match directive[1]:
                        case "failJSON":
                            expected = value
                        case "fileOptions":
                            common = value
                        case "addFILE":
                            files.append(value)
                        case _:
                            sets = _applying(name, common, value)
                elif expected is not None or (text.strip() and text[0] != "#"):
                    yield from _samples(name, f"{file}:{number}", text, expected or {}, sets)
                    expected = None


def _applying(name: str, common: Options, value: Options | list[Options]) -> list[Options]:
    sets: list[Options] = [
        {**common, **each} for each in (value if isinstance(value, list) else [value])
    ]
    conditions = [each.get("test.condition", "") for each in sets]
    return sets if all(_holds(condition, name, {}) for condition in conditions) else []


def _samples(
    name: str, place: str, line: str, expected: Mapping[str, Any], sets: list[Options]
) -> Iterator[Sample]:
    for options in sets:
        if _holds(expected.get("constraint", ""), name, options):
            yield Sample(name, place, line, expected, options)


def _holds(condition: str, name: str, options: Options) -> bool:
    if not condition:
        return True
    said = _CONDITION.fullmatch(condition)
    assert said, f"a condition of a new form: {condition}"
    if said["name"]:
        return name == said["name"]
    return (options.get("mode") == said["mode"]) is (said["is"] == "==")


def tree() -> Path | None:
    """Where the corpus is, if it is here."""
    named = os.environ.get("F2B_CORPUS")
    root = Path(named or CHECKOUT / ".cache/fail2ban")
    found = any((root / name / "filter.d").is_dir() for name in _CONFIGS)
    assert found or not named, (
        f"F2B_CORPUS={named} has no filters of fail2ban: name a source tree or unpacked package"
    )
    return root if found else None


def config() -> Path | None:
    """The folder with its jails and filters."""
    root = tree()
    return _config(root) if root else None


def _config(root: Path) -> Path:
    return next(root / name for name in _CONFIGS if (root / name).is_dir())
