"""The date that a program wrote into its own line: its shapes, and where in the line it stands.

An entry of the journal carries its own time, so this date is only in the way: the regexes for raw logs are written
for what fail2ban leaves of a line, and it cuts out the date that stands nearest to the start.
"""

import re

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|sept\.)"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?"
_CLOCK = r"\d\d?:\d\d:\d\d"
# Every repetition has an end: whoever attacks writes the line, and the shapes are tried at many of its words.
_FRACTION = r"(?:[.,]\d{1,12})?"
# A number behind the time of day may well be the name of a host.
_YEAR = r"(?:19|20)\d\d"
_COMPACT = rf"{_YEAR}\d{{4}}[T -]?\d{{6}}"
_ZONE = r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)"
_ISO = (
    rf"\d{{4}}(?:-\d\d?-|/\d\d?/|\.\d\d?\.)\d\d?(?:T|  ?){_CLOCK}{_FRACTION}"
    rf"(?:\s{{0,8}}{_ZONE}(?!\w))?"
)
_APACHE = rf"\d\d?/{_MONTH}/\d{{4}}[: ]{_CLOCK}{_FRACTION}(?: {_ZONE}(?!\w))?"
_SYSLOG = rf"{_DAY}{_MONTH} {{1,8}}\d\d? (?:\d{{4}} )?{_CLOCK}{_FRACTION}"

# By the character that they begin with.
_SHAPES = {
    r"\d": (
        _ISO,
        _APACHE,
        rf"\d\d?[-/]\d\d?[-/](?:\d{{4}}|\d\d)[: ]{_CLOCK}{_FRACTION}",
        rf"\d\d?-{_MONTH}-(?:\d{{4}}|\d\d) {_CLOCK}{_FRACTION}(?: {_ZONE}(?!\w))?",
        rf"\d{{6}}\s{{1,8}}{_CLOCK}",
        _COMPACT,
        r"(?:(?<=^\[)|(?<=audit\())\d{10,11}(?:\.\d{3,6})?",
    ),
    "[A-Zs]": (
        rf"(?:[A-Z]{{3,5}} )?{_SYSLOG}(?: {_YEAR}(?!\w))?",
        _DAY + _APACHE,
        rf"{_MONTH}-\d\d-\d\d {_CLOCK}",
        rf"{_MONTH} \d\d?, \d{{4}} {_CLOCK} (?:AM|PM)",
    ),
    r"[<@\[]": (
        r"<\d\d/\d\d/\d\d@\d\d:\d\d:\d\d>",
        r"@[0-9a-f]{24}",
        rf"\[\d\d/{_MONTH}/\d{{4}}:{_CLOCK}\s{{1,8}}\]",
    ),
}
# fail2ban knows these by the datepattern of some filter; what stands around the date goes with it.
_AT_THE_START = (
    rf"<\d{{1,3}}>\d{{1,3}}\s{{1,8}}{_ISO}",
    rf"<W>{_ISO}",
    rf"t={_ISO}",
    rf"L \d\d/\d\d/\d{{4}} - {_CLOCK}",
    rf"\[\d\d/{_MONTH}/\d{{4}} {_CLOCK}\]",
    rf"\d{{4}}:\d\d:\d\d-{_CLOCK}",
    rf"(?:\d\d-\d\d[ T])?{_CLOCK}\.\d{{1,12}}",
    rf"[a-z]{{3}} \d\d?, \d{{4}} {_CLOCK} (?:AM|PM)",
    r"\d{10,11}(?:\.\d{3,6})?",
)
# What any of them needs, to leave a word that is no date quickly; first the single character, which is the cheapest.
_BEGINS = (
    r"(?=[\dA-Zs<@\[])(?<!\w)"
    r"(?=\d\d?(?:[-/]|\d\d(?:[-/.]|\d\d[\s\d]))|[A-Z][a-z]{2}|[A-Z]{3,5} [A-Z]|sept|[<\[]\d|@[0-9a-f]{8})"
)
_GROUPS = (f"(?={first})(?:{'|'.join(shapes)})" for first, shapes in _SHAPES.items())
_DATE = re.compile(rf"(?:{_BEGINS}(?:{'|'.join(_GROUPS)})|^(?:{'|'.join(_AT_THE_START)}))(?!\w)")
# No date is without one of these: most lines have none and are done with.
_SIGN = re.compile(r"[\d@](?::\d\d:\d\d|\d{7}|[0-9a-f]{24})")
# The shapes without a time of day.
_LABEL = re.compile(rb"@[0-9a-f]{24}")
_NUMBER = re.compile(rf"{_COMPACT}|(?:^\[?|audit\()\d{{10}}".encode())
SIGNS = tuple(
    re.compile(sign)
    for sign in (
        rf"(?::\d\d:\d\d|{_LABEL.pattern.decode()}|{_COMPACT}|audit\(\d{{10}})",
        r"^\[?\d{10}",
    )
)
"""What `possible` looks for, for those who look for other regexes at the same time."""
_NOUGHTS = bytes.maketrans(b"123456789", b"000000000")
_LEAD = 40
"""More characters than a date has before its clock."""


def find(text: str) -> tuple[int, int] | None:
    """Where the date nearest to the start begins and ends."""
    match = _search(text)
    return match and match.span()


def cut(text: str) -> str:
    """The text without that date; nothing is put in its place."""
    match = _search(text)
    return text[: match.start()] + text[match.end() :] if match else text


def possible(text: bytes) -> bool:
    """Whether a text in ASCII may have a date; told in a quarter of the time that it takes to look for one."""
    find = text.translate(_NOUGHTS).find  # of bytes, `in` takes half as long again
    if find(b":00:00") >= 0 or (find(b"00000000") >= 0 and _NUMBER.search(text)):
        return True
    return find(b"@") >= 0 and _LABEL.search(text) is not None


def _search(text: str) -> re.Match[str] | None:
    if match := _DATE.match(text):  # where most lines that have one have it
        return match
    sign = _SIGN.search(text)
    return _DATE.search(text, max(0, sign.start() - _LEAD)) if sign else None
