"""What a reader is told of entries that nobody wants, before it has fetched more of them than their message. Pure."""

import re
from collections.abc import Callable, Collection
from typing import Protocol

from f2b.model import Marks

PLAIN = re.compile(rb"[!-~]+")
"""A name without blanks, as programs have them."""

Field = Callable[[str], bytes]
"""Fetches a field of the entry at hand; raises KeyError where it has none of that name."""


class Sift(Protocol):
    """Says of a MESSAGE whom its entry may concern. Nobody will ask for other `fields` of it."""

    @property
    def fields(self) -> Collection[str]: ...

    def begin(self) -> None:
        """Hear of a new stride: what came of earlier ones is known by now."""

    def candidates(self, message: bytes, field: Field) -> Marks:
        """Of any entry."""

    def named_plainly(self, message: bytes, field: Field) -> Marks:
        """Of one whose program has a plain name: that costs less."""
