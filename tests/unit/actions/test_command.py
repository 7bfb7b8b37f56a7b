"""What the shell gets, tried on the shell itself."""

import asyncio
import resource
import time
from pathlib import Path

import pytest

from f2b.actions.command import LONGEST, Runner, clean, filled, run
from f2b.config.settings import ActionCommands, ActionSettings
from f2b.errors import ActionError

HOSTILE = ["$(touch {f})", "`touch {f}`", "a; touch {f}", "a\ntouch {f}", "'; touch {f} #", '"; touch {f} "',
           "' \" ", "*", "\\", "a b", "-n", "", "|| touch {f}", "${{HOME}}", "\t", "<ip>", "é\udcff"]  # fmt: skip


def shell(text: str, values: dict[str, str], timeout: float = 5) -> None:
    asyncio.run(run(filled(text, values), timeout))


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("tag", ["F-USER", "matches", "ip"])
@pytest.mark.parametrize(
    "text",
    [
        'printf "%s" {t} > {o}',
        'printf "%s" "{t}" > {o}',
        "printf '%s' \"$(printf '%sx' {t})\" > {o}",
        'sh -c \'printf "%s" "{t}"\' > {o}',
    ],
)
def test_a_value_arrives_whole_and_is_never_run(
    tmp_path: Path, text: str, tag: str, value: str
) -> None:
    out, owned = tmp_path / "out", tmp_path / "owned"
    value = value.replace("{f}", str(owned))
    shell(text.replace("{t}", f"<{tag}>").replace("{o}", str(out)), {tag: value})
    assert not owned.exists()
    assert out.read_bytes().decode().removesuffix("x") == clean(value).removesuffix("x")


@pytest.mark.parametrize("value", HOSTILE)
def test_within_single_quotes_nothing_is_run(tmp_path: Path, value: str) -> None:
    owned = tmp_path / "owned"
    value = value.replace("{f}", str(owned))
    for text in ("echo '<F-USER>'", "sh -c 'echo <F-USER>'", "awk 'BEGIN {print \"<F-USER>\"}'"):
        shell(text, {"F-USER": value})
        assert not owned.exists()


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("x '<ip>' <failures>", "x '2001:db8::/64' 5"),
        ("x '<F-USER>' \"<F-USER>\" <F-USER>", 'x \'root\' "${F2B_F_USER}" "${F2B_F_USER}"'),
        ("x '<F-NAME>' <F-NAME>", "x '${F2B_F_NAME}' \"${F2B_F_NAME}\""),
        ("x <F-NONE> '<F-NONE>'", "x \"${F2B_F_NONE}\" ''"),
        ("x<br>y<sp>z <other> </file", "x\ny z <other> </file"),
    ],
)
def test_what_stands_for_a_tag(text: str, command: str) -> None:
    values = {"ip": "2001:db8::/64", "failures": "5", "F-USER": "root", "F-NAME": "a b"}
    values |= {"br": "\n", "sp": " "}
    assert filled(text, values).text == command


def test_a_long_value_keeps_its_end() -> None:
    assert filled("x", {"matches": "a" * 300_000 + "b"}).environment["F2B_MATCHES"][-2:] == "ab"
    shell('test "${#F2B_MATCHES}" = 65536', {"matches": "a" * 300_000})


@pytest.mark.parametrize("value", ["€" * 70_000, "a" * 300_000], ids=["wide", "plain"])
def test_no_value_is_too_long_for_the_kernel(tmp_path: Path, value: str) -> None:
    note = tmp_path / "note"
    for text in (f"echo <matches> > {note}", f"true '<matches>'; echo \"<matches>\" > {note}"):
        shell(text, {"matches": value})
        told = note.read_text().strip()
        assert value.endswith(told)
        assert len(told.encode()) > LONGEST - 4


def test_no_descriptor_is_left_is_a_failure_to_be_tried_again() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def starved() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(ActionError, match="cannot be started"):
                await run(filled("true", {}), 5)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    asyncio.run(starved())


def test_a_command_that_leaves_something_behind_is_not_waited_for() -> None:
    before = time.monotonic()
    shell("sleep 3 & exit 0", {})
    assert time.monotonic() - before < 1


def failing(directory: Path, **commands: str) -> tuple[Runner, Path]:
    out = directory / "out"
    texts = {name: text.replace("OUT", str(out)) for name, text in commands.items()}
    settings = ActionSettings(jail="a", name="b", inet4=ActionCommands(**texts))
    return Runner(settings, dict, set()), out


CHECKED = {
    "start": "echo start >> OUT; touch OUT.up",
    "stop": "echo stop >> OUT; rm -f OUT.up",
    "ban": "test -e OUT.up && echo ban >> OUT",
    "unban": "test -e OUT.up && echo unban >> OUT",
    "check": "test -e OUT.up",
}


def test_a_failure_is_checked_and_repaired(tmp_path: Path) -> None:
    runner, out = failing(tmp_path, **CHECKED)
    asyncio.run(runner.start())
    Path(f"{out}.up").unlink()
    assert asyncio.run(runner.carry_out("ban", {"family": "inet4"})) is True
    assert out.read_text().split() == ["start", "stop", "start", "ban"]
    Path(f"{out}.up").unlink()
    with pytest.raises(ActionError, match="exit status 1"):
        asyncio.run(runner.carry_out("unban", {"family": "inet4"}))


def test_actionrepair_takes_the_place_of_stop_and_start(tmp_path: Path) -> None:
    runner, out = failing(tmp_path, **CHECKED, repair="touch OUT.up; echo repair >> OUT")
    asyncio.run(runner.start())
    Path(f"{out}.up").unlink()
    assert asyncio.run(runner.carry_out("ban", {"family": "inet4"})) is False
    assert out.read_text().split() == ["start", "repair", "ban"]


def test_on_demand_families_start_with_their_first_ban(tmp_path: Path) -> None:
    out = tmp_path / "out"
    four = ActionCommands(start=f"echo start4 >> {out}", ban=f"echo 4 >> {out}")
    six = ActionCommands(
        start=f"echo start6 >> {out}", ban=f"echo 6 >> {out}", unban="exit 1", stop=f"echo stop >> {out}"
    )  # fmt: skip
    runner = Runner(ActionSettings(jail="a", name="b", inet4=four, inet6=six), dict, set())

    async def live() -> None:
        await runner.carry_out("unban", {"family": "inet6"})  # nothing can be banned yet
        await runner.carry_out("ban", {"family": "inet4"})
        await runner.stop(flush=True)
        await runner.carry_out("ban", {"family": "inet6"})
        await runner.carry_out("reban", {"family": "inet6"})
        await runner.stop(flush=False)

    asyncio.run(live())
    assert out.read_text().split() == ["start4", "4", "start6", "6", "6", "stop"]
