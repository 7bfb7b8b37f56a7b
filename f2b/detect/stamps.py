"""What a date in a log line means: the text that `dates.find` found, as seconds since the epoch.

Only `f2b regex` asks: a journal entry carries its own time. Where day and month could be either, fail2ban's default
holds: the day comes first, unless a colon parts date and time.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

DAY = 86400.0
TAI = 1 << 62
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Hours east of Greenwich, of the names that logs use and that mean the same wherever they are read.
ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip

_CLOCK = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
_ZONE = r"(?:\s*(?P<zone>[A-Z]{1,5}|[+-]\d\d:?\d\d))?"
_NAME = r"(?P<name>[A-Za-z]{3})[a-z]?\.?"
_DIGITS = r"(?P<year>\d{4}|\d\d)"

_SHAPES = {
    "yyyy-mm-dd hh:mm:ss": rf"(?P<year>\d{{4}})(?P<s>[-/.:])(?P<month>\d\d?)(?P=s)(?P<day>\d\d?)[-T\s]+{_CLOCK}{_ZONE}",
    "Mon dd hh:mm:ss": (
        rf"(?:(?P<zone>[A-Z]{{3,5}}) )?(?:\w{{3}} )?{_NAME} +(?P<day>\d\d?) (?:(?P<year>\d{{4}}) )?{_CLOCK}"
        r"(?: (?P<later>\d{4}))?"
    ),
    "dd/Mon/yyyy hh:mm:ss": rf"(?P<day>\d\d?)[-/]{_NAME}[-/]{_DIGITS}[: ]{_CLOCK}{_ZONE}",
    "Mon-dd-yy hh:mm:ss": rf"{_NAME}-(?P<day>\d\d)-{_DIGITS} {_CLOCK}",
    "Mon dd, yyyy hh:mm:ss AM": rf"{_NAME} (?P<day>\d\d?), {_DIGITS} {_CLOCK} (?P<half>AM|PM)",
    "mm/dd/yyyy:hh:mm:ss": rf"(?P<month>\d\d?)/(?P<day>\d\d?)/{_DIGITS}[:@]{_CLOCK}",
    "dd/mm/yyyy hh:mm:ss": rf"(?P<day>\d\d?)[-/](?P<month>\d\d?)[-/]{_DIGITS}(?: -|:)? ?{_CLOCK}",
    "mm-dd hh:mm:ss": rf"(?P<month>\d\d)-(?P<day>\d\d)[ T]{_CLOCK}",
    "yymmdd hh:mm:ss": rf"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)\s+{_CLOCK}",
    "yyyymmddhhmmss": (
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)[T -]?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)"
    ),
    "@tai64n": r"@(?P<tai>[0-9a-f]{16})(?P<nano>[0-9a-f]{8})",
    "epoch": r"(?P<epoch>\d{10,11}(?:\.\d+)?)",
    "hh:mm:ss": _CLOCK,
}
# Around the date itself stands what some program writes there, such as <38>1 or t=.
_PATTERNS = {name: re.compile(rf"(?:^|(?<=\W)){shape}(?!\w)") for name, shape in _SHAPES.items()}


def shape(text: str) -> str:
    """Which kind of date it is, in words like dd/mm/yyyy; empty for none."""
    return next((name for name, pattern in _PATTERNS.items() if pattern.search(text)), "")


def parse(text: str, now: float, zone: tzinfo | None) -> float | None:
    """The time; None for a date that no calendar has. `zone` holds where the text names none: None is this machine's.

    A year that is missing is this one, or the last if that lies more than a day ahead; a day that is missing is today,
    or yesterday.
    """
    for pattern in _PATTERNS.values():
        if match := pattern.search(text):
            try:
                return _time(match.groupdict(), now, zone)
            except (ValueError, OverflowError):
                return None
    return None


def _time(parts: dict[str, str | None], now: float, zone: tzinfo | None) -> float:
    if tai := parts.get("tai"):
        return int(tai, 16) - TAI + int(parts["nano"] or "0", 16) / 1e9
    if epoch := parts.get("epoch"):
        return float(epoch)
    where = _zone(parts.get("zone"), zone)
    clock = _clock(parts)
    today = datetime.fromtimestamp(now, UTC).astimezone(where)
    if parts.get("day") is not None:
        return _dated(parts, clock, today, where)
    stamp = _stamp(today.year, today.month, today.day, clock, where)
    if stamp > now:
        before = today - timedelta(days=1)
        stamp = _stamp(before.year, before.month, before.day, clock, where)
    return stamp


def _dated(
    parts: dict[str, str | None], clock: timedelta, today: datetime, where: tzinfo | None
) -> float:
    tomorrow = today.timestamp() + DAY
    name, day = parts.get("name"), int(parts["day"] or "")
    number = MONTHS.index(name.lower()) + 1 if name else int(parts["month"] or "")
    if year := parts.get("year") or parts.get("later"):
        return _stamp(_century(year, today.year), number, day, clock, where)
    try:
        stamp = _stamp(today.year, number, day, clock, where)
    except ValueError:  # the 29th of February
        stamp = tomorrow + DAY
    if stamp > tomorrow:
        return _stamp(today.year - 1, number, day, clock, where)
    return stamp


def _clock(parts: dict[str, str | None]) -> timedelta:
    hour, minute, second = (int(parts[name] or "") for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        hour = hour % 12 + 12 * (half == "PM")
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time of day")
    fraction = parts.get("fraction")
    return timedelta(
        hours=hour, minutes=minute, seconds=second + (float(f"0.{fraction}") if fraction else 0)
    )


def _stamp(year: int, month: int, day: int, clock: timedelta, zone: tzinfo | None) -> float:
    return (datetime(year, month, day, tzinfo=zone) + clock).timestamp()


def _century(year: str, now: int) -> int:
    """Two digits mean the year nearest to us."""
    if len(year) == 4:
        return int(year)
    nearest = now // 100 * 100 + int(year)
    return nearest - 100 if nearest > now + 50 else nearest


def _zone(name: str | None, zone: tzinfo | None) -> tzinfo | None:
    if not name:
        return zone
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[-2:])))
    return timezone(timedelta(hours=ZONES[name])) if name in ZONES else zone
