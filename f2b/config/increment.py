"""The options bantime.increment, bantime.factor and so on, which make one value together."""

from functools import partial
from typing import Any

from f2b.config.problems import Collector, ConfigErrors
from f2b.config.section import Section
from f2b.config.settings import Increment
from f2b.config.table import Where, settings

_PREFIX = "bantime."
_ROWS = [row for row in settings(Where.JAIL).values() if row.name.startswith(_PREFIX)]


def read_increment(section: Section) -> Increment | None:
    """None where bans do not grow. Raises ConfigErrors, also for what is not in use."""
    steps = Collector()
    values: dict[str, Any] = {
        row.name.removeprefix(_PREFIX): steps.attempt(partial(section.value, row)) for row in _ROWS
    }
    if steps.errors:
        raise ConfigErrors(steps.errors)
    return Increment(**values) if values.pop("increment") else None
