"""Matching alone: noise against the filters of all stock jails at once, and against those of three."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from f2b.config.load import load
from f2b.decide.assemble import assemble
from f2b.decide.jail import Jail
from f2b.detect import automaton
from f2b.detect.sieve import Sieve
from f2b.journal.sift import Field
from f2b.model import Entry
from tests.bench.entries import Program, Writer
from tests.bench.meter import cost, settle
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least
from tests.bench.stock import STOCK, jail_local, others
from tests.support.sieving import sieve, watched

MESSAGES, TIMES = 5000, 20
ALL = 200
"""More than there are."""

Noise = list[tuple[bytes, Field]]
"""Messages, each with the way to its entry's other fields."""


def matching(plan: Plan) -> Iterable[Row]:
    """With the automaton, and by words alone where there is none."""
    noise = quiet(MESSAGES) * TIMES
    engine = automaton.version()
    for name, version in {"automaton": engine, "words": None}.items():
        if name == "automaton" and engine is None:
            yield Row(what="messages through the automaton", note="hyperscan is not here")
            continue

        def made(some: Sequence[Jail], version: str | None = version) -> Sieve:
            settings = ((jail, jail.settings.filter) for jail in some if jail.match)
            return sieve(
                (watched(j.name, j.filter, s, j.match) for j, s in settings if j.match), version
            )

        yield from _rows(name, made, noise, plan)


def _rows(
    engine: str, made: Callable[[Sequence[Jail]], Sieve], noise: Noise, plan: Plan
) -> Iterable[Row]:
    few, many = jails(0), jails(ALL, twice=False)
    sieves, times = [made(few), made(many)], ([], [])  # type: ignore[var-annotated]
    for _ in range(plan.rounds):
        settle()
        for each, found in zip(sieves, times, strict=True):
            took = plan.time(cost(lambda: ask(each, noise)))  # noqa: B023
            found.append(took / len(noise) * 1e6)
    name = f"a message of noise, {len(many)} filters, {engine}"
    passed = sum(bool(sieves[1].named_plainly(*each)) for each in noise)
    yield Row(
        what=name, unit="M/s", ours=[1 / time for time in times[1]],
        must=None if engine == "words" else at_least(1), aim=at_least(2),
    )  # fmt: skip
    yield Row(
        what=f"{name}; floor: {len(few)}", unit="µs", ours=times[1], floor=times[0],
        judge=Judge.COST,
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
        fields = _fields(program)
        entry = Entry(f"s=0;i={number:x};b=0", 0.0, fields | {"MESSAGE": message.encode()})
        if not any(judge.hit(entry) for judge in judges):
            noise.append((message.encode(), fields.__getitem__))
    return noise


@cache  # what a reader has just fetched is at hand: no 5,000 tables that no cache of a processor holds
def _fields(program: Program) -> dict[str, bytes]:
    found = {
        "_SYSTEMD_UNIT": program.unit,
        "_COMM": program.comm,
        "_EXE": program.exe,
        "_UID": str(program.uid),
        "SYSLOG_IDENTIFIER": program.identifier,
        "_PID": "7",
    }
    return {name: value.encode() for name, value in found.items()}


def ask(sieve: Sieve, noise: Noise) -> None:
    candidates = sieve.named_plainly
    for message, field in noise:
        candidates(message, field)
