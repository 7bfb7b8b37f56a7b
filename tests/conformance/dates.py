"""The dates of fail2ban's sample lines: what its detector would cut out before the regexes look.

A journal entry carries its own time, so f2b has no use for dates; only this test reads such lines.
"""

import re

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|sept\.)"
DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )"
CLOCK = r"\d\d?:\d\d:\d\d"
FRACTION = r"(?:[.,]\d+)?"
ZONE = r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)"
ISO = rf"\d{{4}}([-/.])\d\d?\1\d\d?(?:T|  ?){CLOCK}{FRACTION}(?:\s*{ZONE})?"

SHAPES = (
    ISO,
    rf"(?:[A-Z]{{3,5}} )?{DAY}?{MONTH} +\d\d? {CLOCK}{FRACTION}(?: \d{{4}})?",
    rf"{DAY}?{MONTH} +\d\d? \d{{4}} {CLOCK}{FRACTION}",
    rf"{DAY}?\d\d?/{MONTH}/\d{{4}}[: ]{CLOCK}{FRACTION}(?: {ZONE})?",
    rf"\d\d?[-/]\d\d?[-/](?:\d{{4}}|\d\d)[: ]{CLOCK}{FRACTION}",
    rf"\d\d?-{MONTH}-(?:\d{{4}}|\d\d) {CLOCK}{FRACTION}(?: {ZONE})?",
    rf"{MONTH}-\d\d-\d\d {CLOCK}",
    rf"{MONTH} \d\d?, \d{{4}} {CLOCK} (?:AM|PM)",
    rf"\d{{6}}\s+{CLOCK}",
    r"\d{8}[T -]?\d{6}",
    r"<\d\d/\d\d/\d\d@\d\d:\d\d:\d\d>",
    r"@[0-9a-f]{24}",
)
# With the datepattern of a filter's own, what stands around the date goes too.
OWN_SHAPES = (
    rf"^<\d+>\d+\s+{ISO}",
    rf"^<W>{ISO}",
    rf"^t={ISO}",
    rf"^L \d\d/\d\d/\d{{4}} - {CLOCK}",
    rf"^\[\d\d/{MONTH}/\d{{4}} {CLOCK}\]",
    rf"\[\d\d/{MONTH}/\d{{4}}:{CLOCK}\s+\]",
    rf"^\d{{4}}:\d\d:\d\d-{CLOCK}",
    rf"^{CLOCK}\.\d+",
    r"(?:^|(?<=^\[)|(?<=audit\())\d{10,11}(?:\.\d{3,6})?",
)
_DATES = tuple(re.compile(rf"(?<!\w){shape}(?!\w)") for shape in (*SHAPES, *OWN_SHAPES))


def cut(line: str) -> str:
    """The line without its first date, the longest of those; nothing is put in its place."""
    found = [match for date in _DATES if (match := date.search(line))]
    if not found:
        return line
    first = min(found, key=lambda match: (match.start(), -match.end()))
    return line[: first.start()] + line[first.end() :]
