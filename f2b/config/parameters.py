"""Parameters of a filter that nothing refers to: most likely misspelt, and without any effect."""

import re
from collections.abc import Iterable

from f2b.config.table import nearest

_TAG = re.compile(r"<([^\s<>]+)(?=([<>]))")
_TAG_OF_TAG = re.compile(r"<<[^\s<>]+>")
_PERCENT = re.compile(r"%\((?:[^()/]+/)?([^()]+)\)s")


def idle(
    parameters: Iterable[str], options: Iterable[str], texts: Iterable[str]
) -> list[tuple[str, str]]:
    """The parameters that no text asks for as <name>, <known/name>, <part-<of>> or %(name)s; each with a hint.

    `options` are names that count without being asked for.
    """
    texts = [*texts]
    if any(_TAG_OF_TAG.search(text) for text in texts):
        return []  # a tag that is named by another one's value: it could be any
    names = set(options)
    beginnings: set[str] = set()
    asked: set[str] = set()
    for text in texts:
        asked.update(name.lower() for name in _PERCENT.findall(text))
        for name, end in _TAG.findall(text):
            (asked if end == ">" else beginnings).add(name.rpartition("/")[2])
    names |= asked
    return [
        (name, nearest(name, {other for other in names if not other.startswith("_")}))
        for name in parameters
        if name not in names and not name.startswith(tuple(beginnings - {""}))
    ]
