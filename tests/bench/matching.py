"""Matching alone: noise against the filters of all stock jails at once, and against those of three."""

import importlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from f2b.config.load import load
from f2b.decide.assemble import assemble
from f2b.decide.jail import Jail
from tests.bench.entries import Writer
from tests.bench.meter import cost
from tests.bench.plan import Plan
from tests.bench.rows import Judge, Row, at_least, at_most
from tests.bench.stock import STOCK, jail_local, others

MESSAGES = 200_000
ALL = 200
"""More than there are."""


def matching(plan: Plan) -> Iterable[Row]:
    try:
        sieve = importlib.import_module("f2b.detect.sieve").Sieve
    except ModuleNotFoundError:
        yield Row(what="messages through the sieve", note="f2b.detect.sieve is not here")
        return
    few, all_ = jails(0), jails(ALL, twice=False)
    noise = [message.encode() for _, _, message in Writer("", share=0).lines(MESSAGES)][:-3]
    times: dict[int, list[float]] = {len(few): [], len(all_): []}
    sieves = {len(some): sieve([jail.filter for jail in some]) for some in (few, all_)}
    for _ in range(plan.rounds):
        for count, each in sieves.items():
            times[count].append(plan.time(cost(lambda: ask(each, noise))) / len(noise) * 1e6)  # noqa: B023
    name = f"a message of noise, {len(all_)} filters"
    yield Row(
        what=name, unit="M/s", ours=[1 / each for each in times[len(all_)]], must=at_least(1),
        aim=at_least(2),
    )  # fmt: skip
    yield Row(
        what=f"{name}; floor: {len(few)}", unit="µs", ours=times[len(all_)],
        floor=times[len(few)], judge=Judge.COST, must=at_most(1.2),
    )  # fmt: skip


def jails(more: int, *, twice: bool = True) -> Sequence[Jail]:
    """Those of fail2ban's package: three, and so many others."""
    with TemporaryDirectory() as room:
        config = Path(shutil.copytree(STOCK, Path(room, "etc")))
        (config / "jail.local").write_text(jail_local(others(more, twice=twice)))
        return assemble(load(config)).jails


def ask(sieve: Any, messages: Sequence[bytes]) -> None:
    candidates = sieve.candidates
    for message in messages:
        candidates(message, _nothing)


def _nothing(_name: str) -> bytes:
    return b""
