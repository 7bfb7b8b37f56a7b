r"""The part of a line's shape that must stand in MESSAGE, whatever stands before it: its factor.

In front of the message stands a head, `host ident[pid]: `. Where it is plain, that is where ident and pid are there
and all three are of `[!-~]+`, one can tell from a regex how far it can come in there: it walks through the head's
zones, and what it takes behind the last item that can lead out of the head it takes of the message. Much more can be
told where no host has a capital letter in its name: then what begins with one (`Failed password`) is in no host.
"""

import math
from collections.abc import Sequence
from enum import IntFlag
from functools import reduce
from operator import or_

from f2b.detect.shape import Chars, Edge, Either, Loop, Row, Shape, least
from f2b.detect.symbols import ALL, CAPITALS, NEWLINE, PRINTED, mask_of

BLANK = mask_of(" ")
BRACKET = mask_of("]")
COLON = mask_of(":")
_ANYTHING = ALL & ~NEWLINE
_SYMBOLS = ALL.bit_count()

ENOUGH = 20.0
"""Bits that a factor must tell: three letters that are given. A lesser one would take most lines."""


class Zone(IntFlag):
    """Where one is in a line. Several are a set: one may be in any of them."""

    NOWHERE = 0
    HOST = 1
    IDENT = 2
    """In ident or pid."""
    BRACKET = 4
    COLON = 8
    """Behind the last character of the head but the blank."""
    MESSAGE = 16


HEAD = Zone.HOST | Zone.IDENT | Zone.BRACKET | Zone.COLON


def in_message(line: Row, *, small: bool = False) -> Row:
    """The factor of a line that has a plain head; empty if everything may stand in the head.

    `small`: hosts have names without capital letters.
    """
    hosts = PRINTED & ~CAPITALS if small else PRINTED
    zones = HEAD
    leaves = -1
    for place, item in enumerate(line.items):
        after = walk(item, zones, hosts)
        if Zone.MESSAGE in after:
            leaves = place
        zones = after & HEAD
        if not zones:
            break
    else:
        return Row(())
    taken, rest = line.items[: leaves + 1], line.items[leaves + 1 :]
    return Row((Edge.BREAK, *rest) if _ends_blank(taken) else rest)


def walk(item: Shape, zones: Zone, hosts: int = PRINTED) -> Zone:
    """Where one may be behind an item, that may have been in these zones before. Hosts have names of `hosts`."""
    match item:
        case Chars(mask):
            return _step(mask, zones, hosts)
        case Row(items):
            for each in items:
                zones = walk(each, zones, hosts)
            return zones
        case Either(options):
            return reduce(or_, (walk(option, zones, hosts) for option in options))
        case Loop(rounds, _, body):
            for _ in range(rounds):
                zones = walk(body, zones, hosts)
            return _as_often_as_one_likes(body, zones, hosts)
        case Edge.BEGIN:
            return zones & ~(Zone.BRACKET | Zone.COLON)  # a line without host begins with ident
        case Edge.END:
            return zones & Zone.MESSAGE
        case _:
            raise ValueError(f"no part of a line: {item}")


def _as_often_as_one_likes(body: Shape, zones: Zone, hosts: int) -> Zone:
    while (more := zones | walk(body, zones, hosts)) != zones:
        zones = more
    return zones


def _step(mask: int, zones: Zone, hosts: int) -> Zone:
    after = Zone.NOWHERE
    if mask & hosts:
        after |= zones & Zone.HOST
    if mask & PRINTED:
        after |= zones & Zone.IDENT
    if mask & BLANK:
        if Zone.HOST in zones:
            after |= Zone.IDENT
        if Zone.COLON in zones:
            after |= Zone.MESSAGE
    if mask & BRACKET and Zone.IDENT in zones:
        after |= Zone.BRACKET
    if mask & COLON and Zone.BRACKET in zones:
        after |= Zone.COLON
    if Zone.MESSAGE in zones:
        after |= Zone.MESSAGE
    return after


def _ends_blank(items: Sequence[Shape]) -> bool:
    """Whether what follows them begins a word: they take something, and what they take last is a blank."""
    for item in reversed(items):
        if item is Edge.BEGIN:
            return True
        if not blank_at_end(item):
            return False
        if least(item):
            return True
    return False


def blank_at_end(item: Shape) -> bool:
    """Whether what it takes, if anything, ends with a blank."""
    match item:
        case Chars(mask):
            return not mask & PRINTED
        case Row(items):
            for each in reversed(items):
                if not blank_at_end(each):
                    return False
                if least(each):
                    break
            return True
        case Either(options):
            return all(map(blank_at_end, options))
        case Loop(_, _, body):
            return blank_at_end(body)
        case _:
            return False


def trimmed(factor: Row) -> Row:
    """What of it must be there: what is optional at its ends, or goes on there as long as it likes, does not matter."""
    items = list(factor.items)
    while items and items[0] is not Edge.BEGIN and not least(items[0]):
        del items[0]
    if items[-1:] == [Edge.END] and (len(items) == 1 or _is_anything(items[-2])):
        del items[-1]
    while items and items[-1] is not Edge.END and not least(items[-1]):
        del items[-1]
    return Row(tuple(items))


def bits(node: Shape) -> float:
    """How much it tells, at least, of a line that it takes."""
    match node:
        case Chars(mask):
            return math.log2(_SYMBOLS / mask.bit_count()) if mask else 0.0
        case Row(items):
            return sum(map(bits, items))
        case Either(options):
            return min(map(bits, options))
        case Loop(rounds, _, body):
            return rounds * bits(body)
        case _:
            return 0.0


def _is_anything(item: Shape) -> bool:
    match item:
        case Loop(0, None, Chars(mask)):
            return mask & _ANYTHING == _ANYTHING
        case _:
            return False
