"""What this kernel's nf_tables can do, tried in a table that is thrown away, and what is lost without it.

f2b-actions(7) has the same as a table.
"""

import errno
from collections.abc import Callable
from typing import NamedTuple

from f2b.actions import nft
from f2b.actions.netlink import KernelError, Message, Netfilter, attributes, text
from f2b.actions.nft import Hook, Kind, SetFlag, Table
from f2b.addresses import Family
from f2b.errors import ActionError

_COMMENT = "f2b probe"
_HOUR = 3_600_000
_KEY = bytes((192, 0, 2, 1))


class Form(NamedTuple):
    """How the wall is written: what the kernel can, or in what form the admin wants it."""

    timeouts: bool = True  # elements of sets go by themselves
    counters: bool = True  # elements of sets count
    update: bool = True  # an element that is there takes a new timeout and goes on counting
    reject: bool = True  # at the hook that is used
    intervals: bool = True  # sets of networks
    plain: bool = False

    def losses(self) -> list[str]:
        """What an admin has to know, in words."""
        if self.plain:
            return [] if self.reject else [_LOSSES["reject"]]
        return [loss for name, loss in _LOSSES.items() if not getattr(self, name)]


PLAIN = Form(timeouts=False, counters=False, plain=True)

_LOSSES = {
    "timeouts": "no timeouts in sets: without the daemon no ban ends",
    "counters": "no counters in sets: what bans stop is not counted",
    "update": "no new timeouts for elements: what comes while a ban is prolonged may go uncounted",
    "reject": "no reject at this hook: packets are dropped",
    "intervals": "no sets of networks: each ignored network is a rule",
}


def probe(kernel: Netfilter, hook: Hook) -> Form:
    """Raises what the kernel says of a bare table and chain: without these there is no wall at all."""
    table = Table(f"f2b-probe-{kernel.port}")
    kernel.commit(_bare(table, hook))
    try:
        _check_comment(kernel, table)
    finally:
        kernel.commit([table.delete()])
    tries: dict[str, Callable[[], list[Message]]] = {
        "timeouts": lambda: [table.set("s", nft.address_set(Family.INET, SetFlag.TIMEOUT))],
        "counters": lambda: [table.set("s", nft.address_set(Family.INET, 0, counted=True))],
        "reject": lambda: [
            table.rule("c", nft.reject(nft.PORT_UNREACHABLE)),
            table.rule("c", nft.protocol(6), nft.TCP_RESET),
        ],
        "intervals": lambda: [table.set("s", nft.address_set(Family.INET, SetFlag.INTERVAL))],
    }
    able = {}
    for name, messages in tries.items():
        try:
            kernel.commit([*_bare(table, hook), *messages(), table.delete()])
        except KernelError as refusal:
            # ENOENT is no other's doing, with a table of our own: an expression that this kernel does not have.
            if refusal.retry and refusal.code != errno.ENOENT:
                raise
            able[name] = False
        else:
            able[name] = True
    updates = able["timeouts"] and _updates(kernel, table)
    return Form(**able, update=updates)


def _bare(table: Table, hook: Hook) -> list[Message]:
    return [table.create(_COMMENT), table.base_chain("c", hook)]


def _check_comment(kernel: Netfilter, table: Table) -> None:
    """Linux before 5.10 drops it without a word, and then our wall looks like somebody else's."""
    (body,) = kernel.ask(Kind.GETTABLE, table.named)
    if nft.read_comment(dict(attributes(body))) != _COMMENT:
        raise ActionError(
            "this kernel's nf_tables forgets whose a table is", hint="Linux 5.10 or later does not"
        )


def _updates(kernel: Netfilter, table: Table) -> bool:
    """Linux takes a second timeout without a word, and only from 6.12 on it means something."""
    timed = [nft.timed_elements(Family.INET, [(_KEY, hours * _HOUR)]) for hours in (1, 2)]
    kind = nft.address_set(Family.INET, SetFlag.TIMEOUT)
    kernel.commit([table.create(_COMMENT), table.set("s", kind), table.add("s", timed[0])])
    try:
        kernel.commit([table.add("s", timed[1])])
        dump = kernel.ask(Kind.GETSETELEM, table.named + text(2, "s") + nft.only(timed[1]))
        (element,) = (each for body in dump for each in nft.read_elements(body))
        return element.left is not None and element.left > _HOUR / 1000
    finally:
        kernel.commit([table.delete()])
