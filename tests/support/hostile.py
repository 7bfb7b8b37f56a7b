"""Regexes that somebody wrote in good faith, and lines that keep them busy: what attackers of log readers do.

The patterns are ours, after the shapes that are known to have brought log readers to a halt.
"""

from typing import NamedTuple


class Trap(NamedTuple):
    """A failregex, an ordinary line that it takes (of address 192.0.2.7), and lines that take it very long.

    `matching` is one that it would truly take, if it had the time; empty where no such line is slow.
    """

    failregex: str
    ordinary: str
    hostile: str
    matching: str = ""


WORDS = "user " * 24
TRAPS = {
    # After domino-smtp: a repeat within a repeat. The matching line explodes before the regex comes to what it takes.
    "domino": Trap(
        r"SMTP Server: (?:\w+ ?)+: refused from <HOST>(?: *)*$",
        "SMTP Server: login: refused from 192.0.2.7",
        f"SMTP Server: {WORDS}!",
        f"SMTP Server: {WORDS}! SMTP Server: a: refused from 192.0.2.7",
    ),
    # After dovecot: an optional part that repeats, and in it one that can be empty.
    "dovecot": Trap(
        r"^(?:\S+ )?\S+: Disconnected(?:: (?:[^:]* ?)*)*: rip=<HOST>$",
        "Disconnected: no auth: rip=192.0.2.7",
        f"Disconnected{': a b' * 16} x",
    ),
    "exponential": Trap(
        r"^(?:\S+ )?\S+: bad (?:a|aa)+ from <HOST>$",
        "bad aaa from 192.0.2.7",
        f"bad {'a' * 60}! from 192.0.2.7",
    ),
    # Long lines alone: a few blanks' neighbours, each of which can take them all.
    "polynomial": Trap(
        r"error\s+\S*\s*.*\s*: \s*.* <HOST>$",
        "error x : login 192.0.2.7",
        f"error{' ' * 3900}!",
    ),
    # Many short attempts, none of which is long enough for old Pythons to look for signals.
    "cubic": Trap(
        r"b.*b.*c <HOST>$",
        "abbc 192.0.2.7",
        "b" * 2000,
        f"{'b' * 2000}c{'b' * 1800} c 192.0.2.7",
    ),
}
