"""The other end of the slow lane: a process that asks regexes what would keep the daemon waiting.

Reads JSON lines: ``{"filter": n, "regexes": ...}`` brings regexes, ``{"filter": n, "text": ...}`` asks them and is
answered with ``{"take": ...}``. Before each regex it says with ``{"at": place}`` which it is, and arms a timer of
``deadline`` seconds of CPU time whose signal it does not handle. So the kernel ends it there, whatever loop it is in
and whether or not the daemon still lives.
"""

import contextlib
import json
import os
import re
import signal
import sys
from typing import Any

from f2b.detect.budget import Guard, Regex
from f2b.detect.search import Searcher, Take

KILLED = signal.SIGVTALRM


def described(searcher: Searcher) -> dict[str, Any]:
    """A filter's regexes as JSON can carry them."""
    return {
        "regexes": [(regex.pattern.pattern, regex.pattern.flags) for regex in searcher.regexes],
        "ignore": [searcher.ignore.start, searcher.ignore.stop],
        "several": searcher.several,
    }


def built(described: dict[str, Any]) -> Searcher:
    regexes = [Regex(re.compile(text, flags)) for text, flags in described["regexes"]]
    first, end = described["ignore"]
    prefix = regexes[end] if end < len(regexes) else None
    return Searcher(regexes[:first], regexes[first:end], prefix, several=described["several"])


class _Watch(Guard):
    """Tells what runs, and lets nothing run for longer than the deadline."""

    def __init__(self) -> None:
        self.places: dict[Regex, int] = {}
        self.deadline = 0.0
        super().__init__()

    @property
    def running(self) -> Regex | None:
        return None

    @running.setter
    def running(self, regex: Regex | None) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, self.deadline if regex else 0)
        if regex:
            _say({"at": self.places[regex]})


def _say(answer: dict[str, Any] | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends."""
    with contextlib.suppress(OSError):  # the sandbox may forbid it
        os.nice(5)
    filters: dict[int, Searcher] = {}
    watch = _Watch()
    for line in sys.stdin:
        request = json.loads(line)
        number = request["filter"]
        if "regexes" in request:
            filters[number] = built(request)
            continue
        searcher = filters[number]
        watch.places = {regex: place for place, regex in enumerate(searcher.regexes)}
        watch.deadline = request["deadline"]
        take = searcher.ask(request["text"], watch, request["passed"])
        _say({"take": take._asdict() if isinstance(take, Take) else None})


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
