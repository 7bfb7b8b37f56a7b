"""Who may speak for a service: a second reading of its entries is not for those that any local user can write."""

from f2b.config.settings import FilterSettings, Reading
from f2b.errors import FilterError
from f2b.journal.match import Match, parse, parse_text


def trusted_match(filter_: FilterSettings) -> Match:
    """The filter's journalmatch. Raises FilterError if it is none, or not as trustworthy as the reading demands."""
    match = parse(filter_.journalmatch)
    if filter_.reading is Reading.BOTH:
        for text, origin in filter_.journalmatch:
            if parse_text(text, origin).forgeable:
                raise FilterError(
                    f"reading = both needs a journalmatch that nobody can forge, got {text!r}",
                    origin=origin,
                    hint="add what journald itself knows of the writer, such as "
                    "_SYSTEMD_UNIT=docker.service or _UID=0: anybody can send CONTAINER_NAME",
                )
    return match
