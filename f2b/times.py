"""Durations as admins write them (``10m``, ``1d12h``, ``5 * 60``, ``-1``): a grammar, no eval.

- sum = product { [ "+" | "-" ] product }; a number that follows a number is added, as in 1d12h
- product = factor { ( "*" | "/" ) factor }
- factor = "-" factor | "(" sum ")" | NUMBER [ UNIT ]
"""

import re

_UNITS = {
    name: seconds
    for names, seconds in (
        ("s ss sec second seconds", 1),
        ("m mm min minute minutes", 60),
        ("h hh hou hour hours", 3600),
        ("d dd da day days", 86_400),
        ("w ww wee week weeks", 604_800),
        ("mo mon month months", 2_629_800),
        ("y yy yea year years", 31_557_600),
    )
    for name in names.split()
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]*)?)|(?P<word>[A-Za-z]+)|(?P<sign>[-+*/()]))"
)
_LONGEST_TEXT = 100  # bounds the recursion
_LONGEST = 1e10  # some 300 years: what is longer overflows calendars, and -1 says it better


def duration(text: str) -> float:
    """Read a duration in seconds. Raises ValueError with a sentence for the admin."""
    if not text.strip():
        raise ValueError("a duration is missing")
    if len(text) > _LONGEST_TEXT:
        raise ValueError("the text is too long for a duration")
    parser = _Parser(text)
    try:
        seconds = parser.sum()
    except ZeroDivisionError:
        raise ValueError(f"{text!r} divides by zero") from None
    parser.end()
    if not abs(seconds) <= _LONGEST:  # also true for a NaN
        raise ValueError(f"{text!r} is longer than 300 years (-1 means for ever)")
    return seconds


def lifetime(text: str) -> float | None:
    """Read a duration in which anything negative means for ever (None)."""
    seconds = duration(text)
    return None if seconds < 0 else seconds


def duration_text(seconds: float | None) -> str:
    """Say it in words that `duration` reads back: ``1d 12h``; ``for ever`` for None."""
    if seconds is None:
        return "for ever"
    seconds = round(seconds, 3)
    parts = []
    for unit in ("w", "d", "h", "m"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{count:.0f}{unit}")
    if seconds or not parts:
        parts.append(f"{seconds:g}s")
    return " ".join(parts)


class _Parser:
    """Recursive descent, one method a rule."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._at = 0

    def sum(self) -> float:
        total = self._product()
        while True:
            if self._take("+") or self._peek("number"):
                total += self._product()
            elif self._take("-"):
                total -= self._product()
            else:
                return total

    def end(self) -> None:
        if self._at < len(self._text):
            raise ValueError(f"{self._text!r} is no duration: {self._rest()} is not understood")

    def _product(self) -> float:
        result = self._factor()
        while True:
            if self._take("*"):
                result *= self._factor()
            elif self._take("/"):
                result /= self._factor()
            else:
                return result

    def _factor(self) -> float:
        if self._take("-"):
            return -self._factor()
        if self._take("("):
            inner = self.sum()
            if not self._take(")"):
                raise ValueError(f"{self._text!r} is no duration: a ')' is missing")
            return inner
        number = self._peek("number")
        if number is None:
            raise ValueError(f"{self._text!r} is no duration: {self._rest()} is not understood")
        self._at = number.end()
        return float(number["number"]) * self._unit()

    def _unit(self) -> int:
        word = self._peek("word")
        if word is None:
            return 1
        self._at = word.end()
        try:
            return _UNITS[word["word"].lower()]
        except KeyError:
            problem = f"{word['word']!r} is no unit (s, m, h, d, w, mo, y)"
            raise ValueError(f"{self._text!r} is no duration: {problem}") from None

    def _peek(self, kind: str) -> re.Match[str] | None:
        token = _TOKEN.match(self._text, self._at)
        return token if token and token[kind] is not None else None

    def _take(self, sign: str) -> bool:
        token = self._peek("sign")
        if token is None or token["sign"] != sign:
            return False
        self._at = token.end()
        return True

    def _rest(self) -> str:
        return repr(self._text[self._at :].strip()) if self._at < len(self._text) else "its end"
