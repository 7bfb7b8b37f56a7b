"""The house rules that no linter knows: how large a file and a function may be, and what the texts promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.daemon.events import MESSAGE_IDS
from tests.support.processes import CHECKOUT

LINES_PER_FILE = 400
LINES_PER_FUNCTION = 60
MODULES = sorted((CHECKOUT / "f2b").rglob("*.py"))
OURS = [*MODULES, *(CHECKOUT / "demo").glob("*.py"), *(CHECKOUT / "tests").rglob("*.py")]
TEXTS = {"README.md": 300, "ARCHITECTURE.md": 200, "CONTRIBUTING.md": 100}


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", OURS, ids=name)
def test_file_is_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_PER_FILE


@pytest.mark.parametrize("path", OURS, ids=name)
def test_functions_are_small(path: Path) -> None:
    lengths = {each.name: (each.end_lineno or 0) - each.lineno + 1 for each in functions(path)}
    assert {each: lines for each, lines in lengths.items() if lines > LINES_PER_FUNCTION} == {}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_short(text: str) -> None:
    assert len((CHECKOUT / text).read_text().splitlines()) <= TEXTS[text]


def test_every_make_target_that_the_texts_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    commands = r"(?:^|`|sudo )make ([a-z-]+)"
    named = {
        target
        for text in TEXTS
        for target in re.findall(commands, (CHECKOUT / text).read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "install", "uninstall"} <= named
    assert named <= targets


def test_readme_begins_with_how_to_get_going() -> None:
    """Demo, test, install, start: in this order, in the first code block."""
    block = re.search(
        r"```\w*\n(.*?)```|((?:^    .+\n)+)", (CHECKOUT / "README.md").read_text(), re.S | re.M
    )
    assert block
    commands = ("make demo", "make test", "make install", "systemctl enable --now f2b")
    places = [block[0].find(command) for command in commands]
    assert -1 not in places
    assert places == sorted(places)


def test_catalog_explains_every_event() -> None:
    catalog = (CHECKOUT / "etc/systemd/f2b.catalog").read_text()
    explained = re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.MULTILINE)
    assert sorted(explained) == sorted(MESSAGE_IDS.values())
