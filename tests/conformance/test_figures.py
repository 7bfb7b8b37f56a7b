"""fail2ban's own arithmetic, asked in a process of its own: how long bans get, and when its estimate is full."""

import json
import random
import subprocess
import sys
from itertools import product
from typing import Any

import pytest

from f2b.addresses import parse
from f2b.config import formula, values
from f2b.config.settings import Increment
from f2b.decide.bantime import LONGEST, bantime
from f2b.decide.estimate import MEMORY, Estimate
from tests.conformance.corpus import tree
from tests.unit.decide.making import settings, strike

OFFENDER = parse("192.0.2.7")
OPTIONS = {
    "formula": (
        "",
        "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)",
        "ban.Time * (1 + ban.Count // 3) ** 2 % 100000",
        "ban.Time * ban.Count if ban.Count > 2 else 1",
    ),
    "factor": ("", "2", "0.5", "2.0 / 2.885385"),
    "multipliers": ("", "1 5 30", "1 2 4 8 16 32 64"),
    "maxtime": ("", "1h", "5w"),
}
BANS = range(1, 40)

LENGTHS = """
from fail2ban.server.jail import Jail
from fail2ban.server.observer import ObserverThread
for options in asked:
    jail = Jail("x", backend="polling")
    jail.setBanTimeExtra("increment", "true")
    for name, text in options.items():
        jail.setBanTimeExtra(name, text)
    extra = jail.getBanTimeExtra()
    answers.append([extra["evformula"](ObserverThread.BanTimeIncr(600, n)) for n in range(1, 40)])
"""
ESTIMATES = """
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.ticket import FailTicket
for maxretry, findtime, times in asked:
    manager = FailManager()
    manager.setMaxRetry(maxretry)
    manager.setMaxTime(findtime)
    for time in times:
        manager.addFailure(FailTicket("192.0.2.7", time, ["x"]))
        try:
            manager.toBan("192.0.2.7")
        except FailManagerEmpty:
            continue
        answers.append(time)
        break
    else:
        answers.append(None)
"""


def ask(question: str, asked: list[Any]) -> list[Any]:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    package = next(root.glob("usr/lib/python3/dist-packages"), root)
    program = (
        f"import json, sys\nsys.path.insert(0, {str(package)!r})\nasked, answers = json.load(sys.stdin), []\n"
        f"{question}\njson.dump(answers, sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", program],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


def test_bans_grow_alike() -> None:
    asked = [dict(zip(OPTIONS, texts, strict=True)) for texts in product(*OPTIONS.values())]
    for options, theirs in zip(asked, ask(LENGTHS, asked), strict=True):
        ours = settings(
            bantime=600,
            increment=Increment(
                formula=formula.formula(options["formula"]),
                factor=formula.number(options["factor"]),
                multipliers=formula.numbers(options["multipliers"]),
                maxtime=values.longest(options["maxtime"]),
            ),
        )
        figures = [bantime(ours, OFFENDER, 1000.0, bans) for bans in BANS]
        assert figures == pytest.approx([min(figure, LONGEST) for figure in theirs]), options


def test_estimates_are_full_alike() -> None:
    """Within the findtimes that ours looks back over."""
    chance = random.Random(1)
    asked = []
    for maxretry, findtime in product((1, 2, 3, 5, 8), (60, 600)):
        for _ in range(100):
            times = [1_000_000]
            while times[-1] - times[0] <= MEMORY * findtime:
                times.append(
                    times[-1] + chance.choice((0, 1, *(findtime // n for n in (9, 4, 3, 2, 1))))
                )
            asked.append((maxretry, findtime, times[:-1]))
    theirs = ask(ESTIMATES, asked)
    ours = [first(Estimate(maxretry, findtime, 9), times) for maxretry, findtime, times in asked]
    assert ours == theirs
    assert 100 < sum(time is None for time in theirs) < 900


def first(counted: Estimate, times: list[int]) -> int | None:
    return next((time for time in times if strike(counted, OFFENDER, time)), None)
