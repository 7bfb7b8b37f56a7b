"""Which of several walls is chosen, and what is said of the others."""

# ruff: noqa: ARG002 - walls that never stand

from collections.abc import Iterable, Sequence

import pytest

from f2b.actions import probe
from f2b.actions.base import JailWall, Operation, Put, Refused
from f2b.actions.null import Null
from f2b.actions.probe import Make, choose
from f2b.addresses import Offender
from f2b.config.settings import Blocktype, WallSettings
from f2b.errors import ActionError, F2bError, NotPermittedError
from f2b.model import Ban

WALLS = [WallSettings(), WallSettings(blocktype=Blocktype.REJECT), WallSettings()]


class Trial(Null):
    """Tells what was done with it, and fails as often as it is told to."""

    def __init__(self, table: str, log: list[str], failures: list[F2bError]) -> None:
        self.name = table
        self.log = log
        self.failures = failures

    def start(
        self, jails: Sequence[JailWall], own: Sequence[Offender], bans: Iterable[Ban], now: float
    ) -> list[Refused]:
        self.log.append(f"start {self.name} {[wall.settings.blocktype.value for wall in jails]}")
        if self.failures:
            raise self.failures.pop(0)
        return []

    def lift(self) -> None:
        self.log.append(f"lift {self.name}")


class Full(Null):
    def apply(self, operations: Sequence[Operation], now: float) -> list[Refused]:
        return [Refused(each, "no room") for each in operations if isinstance(each, Put)]


def candidate(log: list[str], *failures: F2bError) -> Make:
    left = list(failures)
    return lambda table: Trial(table, log, left)


def chosen(*candidates: tuple[str, Make]) -> probe.Choice:
    return choose(candidates, "wall", "trial", WALLS, 1000.0)


def test_the_first_that_works_is_taken_and_its_trial_removed() -> None:
    log: list[str] = []
    choice = chosen(("good", candidate(log)), ("other", candidate(log)))
    assert (choice.backend.name, choice.why) == ("wall", "")
    assert log == ["start trial ['drop', 'reject']", "lift trial"]


def test_what_is_wrong_with_the_better_ones_is_told() -> None:
    log: list[str] = []
    bad = ActionError("this kernel has no tables", hint="modprobe tables")
    choice = chosen(
        ("best", candidate(log, bad)), ("full", lambda _: Full()), ("good", candidate(log))
    )
    assert choice.backend.name == "wall"
    assert choice.why == (
        "best: this kernel has no tables (modprobe tables); full: a ban is refused: no room"
    )
    assert log.count("lift trial") == 2


def test_a_disturbance_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_PAUSE", 0)
    log: list[str] = []
    busy = [ActionError("somebody else is faster", retry=True) for _ in range(2)]
    assert chosen(("best", candidate(log, *busy)), ("other", candidate([]))).why == ""
    assert len(log) == 6


def test_none_that_works_is_an_error_that_names_them_all() -> None:
    first, second = (ActionError(f"no {name}", hint=f"get {name}") for name in ("one", "two"))
    with pytest.raises(
        ActionError, match=r"no firewall works here: a: no one \(get one\); b: no two \(get two"
    ):
        chosen(("a", candidate([], first)), ("b", candidate([], second)))
    with pytest.raises(ActionError, match=r"here: a, b: no one \(get one\)$"):
        chosen(("a", candidate([], first)), ("b", candidate([], first)))
    with pytest.raises(ActionError, match=r"^no one \(get one\)$"):
        chosen(("a", candidate([], first)))


def test_a_missing_permission_is_what_matters() -> None:
    denied, other = NotPermittedError("not root", hint="be root"), ActionError("not installed")
    with pytest.raises(NotPermittedError, match="not root"):
        chosen(("a", candidate([], denied)), ("b", candidate([], other)))
