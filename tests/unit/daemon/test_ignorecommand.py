"""The admin's program: real child processes, no shell, no more of them than allowed."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.config.settings import IgnoreCache
from f2b.daemon import ignorecommand as module
from f2b.daemon.ignorecommand import Commands, filled, tags
from f2b.decide.jail import Jail
from f2b.model import Failure
from tests.unit.decide.making import jail

EVIL = "root'; touch /tmp/x; $(id) `id` \n --help \0"
FAILURE = Failure(
    parse("192.0.2.7"), 1000.5, "c", None, "root", ("root",), (("user", EVIL), ("fid", "x"))
)


def asking(*command: str, cache: IgnoreCache | None = None) -> Jail:
    return jail(ignorecommand=command, ignorecache=cache)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.commands = Commands(lambda: self.now, self.said.append)

    def ask(self, asked: Jail, *failures: Failure) -> list[bool]:
        async def body() -> list[bool]:
            asks = (self.commands.ignores(asked, failure) for failure in failures or (FAILURE,))
            return await asyncio.wait_for(asyncio.gather(*asks), 20)

        return asyncio.run(body())


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(("command", "ignored"), [(["true"], True), (["false"], False)])
def test_the_exit_status_decides(world: World, command: Sequence[str], ignored: bool) -> None:  # noqa: FBT001
    assert world.ask(asking(*command)) == [ignored]
    assert (world.said, world.commands.failed) == ([], 0)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["sh", "-c", "exit 2"], "exit status 2"),
        (["sh", "-c", "kill -9 $$"], "signal 9"),
        (["/nowhere/at/all"], "/nowhere/at/all: No such file or directory"),
        (["/etc/passwd"], "/etc/passwd: Permission denied"),
    ],
)
def test_a_command_without_an_answer_is_told_once_and_counts(
    world: World, command: Sequence[str], why: str
) -> None:
    assert world.ask(asking(*command), FAILURE, FAILURE) == [False, False]
    assert world.said == [f"[sshd] ignorecommand: {why}; the failures are counted"]
    assert world.commands.failed == 2


def test_a_name_that_the_locale_cannot_write_counts(world: World) -> None:
    r"""Where that is not UTF-8, attackers have many such; here a half character stands for them."""
    assert world.ask(asking("true"), FAILURE._replace(groups=(("user", "\ud800"),))) == [False]
    assert "letters that the locale lacks" in world.said[0]


def test_what_hangs_is_killed_with_its_children(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    late = tmp_path / "late"
    assert world.ask(asking("sh", "-c", f"(sleep 1; touch {late}) & wait")) == [False]
    assert world.said == ["[sshd] ignorecommand: no answer within 0 s; the failures are counted"]
    time.sleep(1.2)
    assert not late.exists()


def test_a_few_run_at_a_time(world: World, tmp_path: Path) -> None:
    mine = f"{tmp_path}/<time>"
    count = f"n=$(ls {tmp_path} | wc -l)"
    script = f"touch {mine}; {count}; sleep 0.1; rm {mine}; exit $((n > 4))"
    failures = [FAILURE._replace(time=float(number)) for number in range(12)]
    assert world.ask(asking("sh", "-c", script), *failures) == [True] * 12


def test_a_log_never_makes_another_word_and_the_environment_tells(
    world: World, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    program = (
        "import json,os,sys; json.dump([sys.argv[2:], dict(os.environ)], open(sys.argv[1], 'w'))"
    )
    words = ("u=<F-USER>", "<ip>", "<F-NONE>", "<other>", "<family>-<name>", "<F-ID>")
    assert world.ask(asking(sys.executable, "-c", program, str(out), *words)) == [True]
    argv, environment = json.loads(out.read_text())
    evil = EVIL.replace("\0", "")
    assert argv == [f"u={evil}", "192.0.2.7", "", "<other>", "inet4-sshd", "x"]
    ours = {name: text for name, text in environment.items() if name.startswith("F2B_")}
    assert ours["F2B_IP"] == "192.0.2.7"
    assert ours["F2B_F_USER"] == evil
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS"} & environment.keys()


def test_a_tag_in_a_captured_text_stays_text() -> None:
    said = tags("sshd", FAILURE._replace(groups=(("user", "<ip>"), ("ip", "198.51.100.1"))))
    assert filled("<F-USER> <ip>", said) == "<ip> 192.0.2.7"


def counting(tmp_path: Path, cache: IgnoreCache | None) -> tuple[Jail, Callable[[], int]]:
    path = tmp_path / "asked"
    path.touch()
    return asking("sh", "-c", f"echo >>{path}", cache=cache), lambda: len(path.read_text())


def test_an_answer_is_remembered_by_its_key(world: World, tmp_path: Path) -> None:
    asked, count = counting(tmp_path, IgnoreCache("<ip>", 2, 60))
    one, two, three = (
        FAILURE._replace(address=parse(f"192.0.2.{number}")) for number in (1, 2, 3)
    )
    assert world.ask(asked, one, one) == [True] * 2
    assert world.ask(asked, two) == [True]
    assert count() == 2, "also those that ask at the same time"
    world.ask(asked, three)
    world.ask(asked, two)
    assert count() == 3
    world.ask(asked, one)
    assert count() == 4, "two are remembered"
    world.now = 61
    world.ask(asked, one)
    assert count() == 5


def test_without_a_cache_every_failure_is_asked_about(world: World, tmp_path: Path) -> None:
    asked, count = counting(tmp_path, None)
    world.ask(asked, FAILURE, FAILURE)
    assert count() == 2


def test_another_command_after_a_reload_does_not_answer_from_memory(world: World) -> None:
    cache = IgnoreCache("<ip>")
    assert world.ask(asking("true", cache=cache)) == [True]
    assert world.ask(asking("false", cache=cache)) == [False]
