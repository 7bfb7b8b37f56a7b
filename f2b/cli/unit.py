"""What `f2b check` says of the unit as it is installed here, if it is."""

from collections.abc import Sequence

from f2b.actions import given
from f2b.config import needs
from f2b.config.problems import Problem, Severity
from f2b.config.settings import JailSettings


def lacking(jails: Sequence[JailSettings]) -> list[Problem]:
    """The drop-ins that these jails would lack, as warnings."""
    wanted = needs.needs(jails)
    if not wanted or (has := given.of_the_unit()) is None:
        return []
    return [
        Problem(
            Severity.WARNING,
            None,
            each.text,
            each.command,
            None,
        )
        for each in needs.lacking(wanted, has, given.folder())
    ]
