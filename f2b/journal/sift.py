"""What a reader is told of entries that nobody wants, before it has fetched more of them than their message. Pure."""

# ruff: noqa: ARG002, B027 - most sifts take each entry for itself

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping

from f2b.model import Entry, Marks

PLAIN = re.compile(rb"[!-~]+")
"""A name without blanks, as programs have them."""
SMALL = re.compile(rb"[!-@\[-~]*")
"""One without capital letters, as most hosts have them."""

Field = Callable[[str], bytes]
"""Fetches a field of the entry at hand; raises KeyError where it has none of that name."""


class Sift(ABC):
    """Says of a MESSAGE whom its entry may concern. Nobody will ask for other `fields` of it."""

    fields: Collection[str]
    names: Mapping[str, re.Pattern[bytes]]
    """What the names in these fields of an entry are like, if it is named plainly."""

    index: Collection[str]
    """These, and other fields of which it is worth knowing all values in a journal."""

    def within(self, values: Mapping[str, Collection[bytes]]) -> "Sift":
        """The same for a part of the journal where the fields of `index` have no other values."""
        return self

    @abstractmethod
    def candidates(self, message: bytes, field: Field) -> Marks:
        """Of any entry."""

    @abstractmethod
    def named_plainly(self, message: bytes, field: Field) -> Marks:
        """Of one that is known to be named plainly: that costs less."""

    # What is read in strides is handed out and fed stride by stride.

    def begin(self) -> None:
        """Hear of a new stride."""

    def handed(self, entry: Entry) -> None:
        """Hear of an entry of this stride that is wanted."""

    def parting(self, marks: Marks, field: Field) -> str | None:
        """The process that must have a session, or else nobody wants an entry with these marks after all."""
        return None

    def open(self, process: str, marks: Marks) -> bool:
        """Whether it has one after all that was fed."""
        return True

    def abroad(self) -> "Sift | None":
        """The same to be pickled for another process, where nobody knows what is open; None: better not."""
        return None
