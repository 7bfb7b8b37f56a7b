"""How much is measured: the full form, and the quick one of CI."""

from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    @property
    def wall(self) -> float: ...
    @property
    def cpu(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """The quick form runs on machines that are busy with something else: it compares CPU times."""

    quick: bool = False
    rounds: int = 5
    entries: int = 1_000_000
    many_entries: int = 500_000
    growth_entries: int = 100_000
    elements: int = 100_000

    def time(self, timed: Timed) -> float:
        return timed.cpu if self.quick else timed.wall


QUICK = Plan(quick=True, rounds=3, entries=50_000, many_entries=50_000, elements=20_000)
