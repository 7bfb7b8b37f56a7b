"""The other end of the slow lane: a process that asks regexes what would keep the daemon waiting.

Reads JSON lines and answers each with one: ``{"filter": n, ...}`` brings regexes, ``{"text": ..., "filter": n, ...}``
asks them. Before each regex it says with ``{"at": place}`` which it is, and arms a timer whose signal it does not
handle. So the kernel ends it there, whatever loop it is in and whether or not the daemon still lives.
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

DEADLINE = 0.25
"""Seconds of CPU time for one regex on one text."""
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
        super().__init__()

    @property
    def running(self) -> Regex | None:
        return None

    @running.setter
    def running(self, regex: Regex | None) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, DEADLINE if regex else 0)
        if regex:
            _say({"at": self.places[regex]})


def _say(answer: dict[str, Any] | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends."""
    with contextlib.suppress(OSError):  # the sandbox may forbid it
        os.nice(10)
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
        take = searcher.ask(request["text"], watch, request["passed"])
        _say({"take": take._asdict() if isinstance(take, Take) else None})


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
