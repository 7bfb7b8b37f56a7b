"""What regexes may cost: attackers write the log, and a few bytes can keep a regex busy for years.

Owns what the entry at work has cost so far, and which regexes are quarantined for what they cost. Pure: somebody else
calls `tick` now and then while regexes run, and says how much CPU time has passed; without ticks nothing is ever over
budget.
"""

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from f2b.config.settings import NOWHERE
from f2b.detect.failregex import Captured, capturing
from f2b.errors import Origin

BUDGET = 0.025
"""Seconds of CPU time that an entry may take, for all regexes of all jails together."""
STRIKES = 3
QUARANTINE = 600.0
WINDOW = 60.0
COST, MEAN = 1.0, 0.0005
"""A regex that took so many seconds within a window, and so many for every entry in it, is quarantined as well."""

SHORT = 256
INTERRUPTIBLE = (3, 11, 7) <= sys.version_info < (3, 12) or sys.version_info >= (3, 12, 1)
"""Elsewhere (Debian 12 has 3.11.2) a search whose single attempts are short never looks for signals: gh-109631."""

Search = Callable[[str], re.Match[str] | None]

_FLAGS = re.compile(r"\A\s*\(\?[aiLmsux]+\)")
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)


@dataclass(slots=True, eq=False)
class Regex:
    """One regex of a filter, and how it has fared. `out`: it is quarantined, and not to be asked here."""

    pattern: re.Pattern[str]
    origin: Origin = NOWHERE
    out: bool = False
    strikes: int = 0
    cost: float = 0.0
    search: Search = field(init=False)
    captured: Captured = field(init=False)

    def __post_init__(self) -> None:
        self.search = searching(self.pattern)
        self.captured = capturing(self.pattern)


class OverBudget(Exception):  # noqa: N818 - it is no error
    """Raised out of a running search."""

    def __init__(self, regex: Regex) -> None:
        super().__init__(regex)
        self.regex = regex


class Guard:
    """Watches the regexes of all filters that share it.

    A filter says in `running` what it searches with, and None afterwards: OverBudget is raised only between the two.
    `over` says that the entry has used up its budget. Times are `now`, of a clock that never steps.
    """

    def __init__(self) -> None:
        self.running: Regex | None = None
        self.over = False
        self.quarantined: dict[Regex, float] = {}
        """Until when."""
        self.news: list[Regex] = []
        """Those quarantined since somebody last looked and cleared this."""
        self._entries = self._seen = 0
        self._began = self._last = 0.0
        self._spent: Counter[Regex] = Counter()
        self._struck: dict[Regex, float] = {}
        self._window = (float("-inf"), 0)
        self._billed: set[Regex] = set()

    def begin(self) -> None:
        """Go on to the next entry."""
        self._entries += 1
        self.over = False

    def pass_over(self, entries: int) -> None:
        """Count entries that no regex was asked about: they have their share of what a regex may cost in a window."""
        self._entries += entries

    def wake(self, cpu: float) -> None:
        """From here on there will be ticks, `cpu` being the seconds of CPU time at this moment."""
        self._last = cpu

    def tick(self, cpu: float, now: float) -> None:
        """Charge the time since the last tick to what runs now. Raises OverBudget when the entry has had enough."""
        step, self._last = cpu - self._last, cpu
        regex = self.running
        if regex is None:
            return
        self._bill(regex, step, now)
        if self._seen != self._entries:
            # The entry began at some moment since the last tick: in its favour, now.
            self._seen, self._began = self._entries, cpu
            self._spent.clear()
            return
        self._spent[regex] += step  # type: ignore[assignment]  # a Counter counts seconds as well
        if cpu - self._began < BUDGET:
            return
        self.running = None
        self.over = True
        if self._spent[regex] * 2 >= sum(self._spent.values()):
            self._strike(regex, now)
        raise OverBudget(regex)

    def rearm(self, now: float) -> list[Regex]:
        """Give those another chance whose time is over."""
        over = [regex for regex, until in self.quarantined.items() if until <= now]
        for regex in over:
            del self.quarantined[regex]
            regex.out = False
        return over

    def _strike(self, regex: Regex, now: float) -> None:
        if now - self._struck.get(regex, now) > QUARANTINE:
            regex.strikes = 0
        self._struck[regex] = now
        regex.strikes += 1
        if regex.strikes >= STRIKES:
            self._quarantine(regex, now)

    def _bill(self, regex: Regex, step: float, now: float) -> None:
        """Many searches that each stay within the budget stop the loop as well."""
        start, before = self._window
        if now - start > WINDOW:
            for each in self._billed:
                each.cost = 0.0
            self._billed.clear()
            self._window = now, self._entries
            before = self._entries
        self._billed.add(regex)
        regex.cost += step
        if regex.cost > max(COST, MEAN * (self._entries - before)):
            self._quarantine(regex, now)

    def _quarantine(self, regex: Regex, now: float) -> None:
        regex.strikes, regex.cost, regex.out = 0, 0.0, True
        self._struck.pop(regex, None)
        if regex not in self.quarantined:
            self.news.append(regex)
        self.quarantined[regex] = now + QUARANTINE


def searching(pattern: re.Pattern[str]) -> Search:
    """The pattern's `search`, or one that finds the same and can be interrupted."""
    if INTERRUPTIBLE or anchored(pattern):
        return pattern.search
    # One attempt that goes through all places itself: it looks for signals as often as one long attempt does.
    source = _FLAGS.sub("", pattern.pattern)
    end = "\n)" if pattern.flags & re.VERBOSE else ")"  # a comment would go on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        screen = re.compile(f"(?s:.*?)(?:{source}{end}", pattern.flags)

    def search(text: str) -> re.Match[str] | None:
        if len(text) > SHORT and screen.match(text) is None:
            return None
        return pattern.search(
            text
        )  # which takes a few milliseconds, or as long as the screen took

    return search


def anchored(pattern: re.Pattern[str]) -> bool:
    """Say whether it can match at the start of the text alone; in doubt it can elsewhere."""
    regex = _FLAGS.sub("", pattern.pattern)
    if pattern.flags & (re.MULTILINE | re.VERBOSE) or not regex.startswith(("^", r"\A")):
        return False
    depth = 0
    for piece in _PIECE.finditer(regex):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if piece[0] == "|" and depth == 0:
            return False
    return True
