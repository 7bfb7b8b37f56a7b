"""What a measure yields: a row of the table, with what it is measured against and what it has to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import NamedTuple, TypedDict


class Judge(StrEnum):
    """What is held against `must` and `aim`: our own median, or a ratio of two."""

    VALUE = "value"
    GAIN = "times the peer"
    """How much faster, or smaller, than the peer we are."""
    COST = "of the floor"
    """How much of the floor's time we take."""
    SPEED = "times the floor"
    """How much faster than the floor we are."""


class Goal(TypedDict, total=False):
    """What several rows have to reach alike."""

    judge: Judge
    must: "Bound | None"
    aim: "Bound"


class Bound(NamedTuple):
    value: float
    least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.value if self.least else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:g}"


def at_least(value: float) -> Bound:
    return Bound(value, least=True)


def at_most(value: float) -> Bound:
    return Bound(value)


NONE = at_most(0)
"""What must not happen at all: held against every run, however short."""


class Series(NamedTuple):
    """What grows along an axis, to be drawn."""

    axis: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All single values; the medians count. `note` says what is lacking, or why there is nothing."""

    what: str
    unit: str = "s"
    ours: Sequence[float] = ()
    peer: Sequence[float] = ()
    floor: Sequence[float] = ()
    judge: Judge = Judge.VALUE
    must: Bound | None = None
    aim: Bound | None = None
    note: str = ""
    series: Series | None = None

    @property
    def judged(self) -> float | None:
        """The figure that counts: a ratio of medians, or our own median."""
        ours, peer, floor = (
            median(values) if values else 0.0 for values in (self.ours, self.peer, self.floor)
        )
        match self.judge:
            case Judge.VALUE if self.ours:
                return ours
            case Judge.GAIN if ours and self.peer:
                return peer / ours
            case Judge.COST if floor and self.ours:
                return ours / floor
            case Judge.SPEED if ours and self.floor:
                return floor / ours
        return None

    @property
    def met(self) -> bool | None:
        """Whether it is good enough; None where nothing is demanded or nothing was measured."""
        if self.must is None or self.judged is None:
            return None
        return self.must.holds(self.judged)

    @property
    def more_is_better(self) -> bool:
        return self.judge in {Judge.GAIN, Judge.SPEED}
