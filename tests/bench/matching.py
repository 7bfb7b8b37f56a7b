"""Matching alone: noise against the filters of all stock jails at once, and against those of three."""

import importlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from f2b.config.load import load
from f2b.decide.assemble import assemble
from f2b.decide.jail import Jail
from f2b.model import Entry
from tests.bench.entries import Program, Writer
from tests.bench.meter import cost
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least, at_most
from tests.bench.stock import STOCK, jail_local, others

MESSAGES, TIMES = 5000, 20
ALL = 200
"""More than there are."""

Noise = list[tuple[bytes, Callable[[str], bytes]]]
"""Messages, each with the way to its entry's other fields."""


def matching(plan: Plan) -> Iterable[Row]:
    """With the automaton, and by words alone where there is none."""
    try:
        door = importlib.import_module("f2b.detect.sieve")
        mesh = importlib.import_module("f2b.detect.mesh")
        automaton = importlib.import_module("f2b.detect.automaton")
    except ModuleNotFoundError as error:
        yield Row(what="messages through the sieve", note=f"{error.name} is not here")
        return
    noise = quiet(MESSAGES) * TIMES
    engine = automaton.version()
    for name, version in {"automaton": engine, "words": None}.items():
        if name == "automaton" and engine is None:
            yield Row(what="messages through the automaton", note="hyperscan is not here")
            continue

        def sieve(some: Sequence[Jail], version: str | None = version) -> Any:
            watched = [mesh.Watched(jail.name, jail.filter, jail.match) for jail in some]
            return door.sieve(watched, version)

        yield from _rows(name, sieve, noise, plan)


def _rows(
    engine: str, sieve: Callable[[Sequence[Jail]], Any], noise: Noise, plan: Plan
) -> Iterable[Row]:
    few, many = jails(0), jails(ALL, twice=False)
    sieves, times = [sieve(few), sieve(many)], ([], [])  # type: ignore[var-annotated]
    for _ in range(plan.rounds):
        for each, found in zip(sieves, times, strict=True):
            took = plan.time(cost(lambda: ask(each, noise)))  # noqa: B023
            found.append(took / len(noise) * 1e6)
    name = f"a message of noise, {len(many)} filters, {engine}"
    passed = sum(bool(sieves[1].candidates(*each)) for each in noise)
    yield Row(
        what=name, unit="M/s", ours=[1 / time for time in times[1]], must=at_least(1),
        aim=at_least(2),
    )  # fmt: skip
    yield Row(
        what=f"{name}; floor: {len(few)}", unit="µs", ours=times[1], floor=times[0],
        judge=Judge.COST, must=at_most(1.2),
    )  # fmt: skip
    yield Row(what=f"{name}: passed for nothing", unit="%", ours=[100 * passed / len(noise)])


def jails(more: int, *, twice: bool = True) -> Sequence[Jail]:
    """Those of fail2ban's package: three, and so many others."""
    with TemporaryDirectory() as room:
        config = Path(shutil.copytree(STOCK, Path(room, "etc")))
        (config / "jail.local").write_text(jail_local(others(more, twice=twice)))
        return assemble(load(config)).jails


def quiet(count: int) -> Noise:
    """What no attacker has caused and no failregex matches, not even one that only remembers."""
    *lines, _, _, _ = Writer("", share=0).lines(count)
    judges = [jail.filter for jail in jails(ALL, twice=False)]
    noise = []
    for number, (_, program, message) in enumerate(lines):
        fields = _fields(program) | {"MESSAGE": message.encode()}
        entry = Entry(f"s=0;i={number:x};b=0", 0.0, fields)
        if not any(judge.hit(entry) for judge in judges):
            noise.append((message.encode(), fields.__getitem__))
    return noise


def _fields(program: Program) -> dict[str, bytes]:
    found = {
        "_SYSTEMD_UNIT": program.unit,
        "_COMM": program.comm,
        "_EXE": program.exe,
        "_UID": str(program.uid),
        "SYSLOG_IDENTIFIER": program.identifier,
    }
    return {name: value.encode() for name, value in found.items()}


def ask(sieve: Any, noise: Noise) -> None:
    candidates = sieve.candidates
    for message, field in noise:
        candidates(message, field)
