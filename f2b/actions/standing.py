"""What stands under our table's name, and whose it is; why none of ours can stand."""

import errno
from collections.abc import Iterator, Sequence

from f2b.actions import layout, nft
from f2b.actions.layout import Standing
from f2b.actions.netlink import (
    ACK,
    DUMP,
    KernelError,
    Message,
    Netfilter,
    attributes,
    no_nf_tables,
    text,
)
from f2b.actions.nft import Element, Kind, Table
from f2b.errors import ActionError, ForeignWallError

MARK = "f2b "  # and the instance; `nft list` prints it as the comment of the table


def flush_wall(table: str) -> bool:
    """Take f2b's table down without a daemon. False if there is none, or one of somebody else."""
    kernel = Netfilter()
    try:
        return _remove_table(kernel, table)
    finally:
        kernel.close()


def _remove_table(kernel: Netfilter, table: str) -> bool:
    if not (read_mark(kernel, table) or "").startswith(MARK):
        return False
    kernel.commit([Table(table).delete()])
    return True


def read_mark(kernel: Netfilter, table: str) -> str | None:
    """The comment of the table, empty without one; None if there is no table of that name."""
    try:
        (body,) = kernel.ask(Kind.GETTABLE, text(1, table))
    except KernelError as refusal:
        if refusal.code == errno.ENOENT:
            return None
        if refusal.code in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise no_nf_tables() from refusal
        raise
    return nft.read_comment(dict(attributes(body)))


def read_standing(kernel: Netfilter, table: str) -> Standing:
    chains: dict[str, nft.Hook | None] = {}
    for body in kernel.ask(Kind.GETCHAIN, text(1, table), DUMP):
        fields = dict(attributes(body))
        # Older kernels list the chains of all tables.
        if nft.read_name(fields[1]) == table:
            chains[nft.read_name(fields[3])] = nft.read_hook(fields)
    sets = {}
    for body in kernel.ask(Kind.GETSET, text(1, table), DUMP):
        fields = dict(attributes(body))
        sets[nft.read_name(fields[2])] = nft.read_set(fields)
    return Standing(
        chains.get(layout.BASE_CHAIN),
        frozenset(filter(layout.is_our_chain, chains)),
        {name: kind for name, kind in sets.items() if layout.is_our_set(name)},
    )


def elements(
    kernel: Netfilter, table: Table, set_name: str, only: bytes = b""
) -> Iterator[Element]:
    """What a set holds: all of it, or what `only` asks for."""
    request = table.named + text(2, set_name) + only
    for body in kernel.ask(Kind.GETSETELEM, request, ACK if only else DUMP):
        yield from nft.read_elements(body)


def foreign(table: str, mark: str) -> ForeignWallError:
    if mark.startswith(MARK):
        whose = f"belongs to another f2b (instance {mark.removeprefix(MARK)!r})"
    else:
        whose = "is not f2b's; fail2ban uses the same name"
    return ForeignWallError(
        f"the nftables table inet {table} {whose}",
        hint="stop its owner and start once with `f2b run --takeover`, "
        "or set another name with `table =` in f2b.conf",
    )


def unbuilt(table: str, messages: Sequence[Message], refusal: KernelError) -> ActionError:
    where = Kind(messages[refusal.index].kind).name if refusal.index >= 0 else "the transaction"
    # All that a rule names is made in the same transaction: it misses a part of the kernel.
    lacking = where == Kind.NEWRULE.name and refusal.code == errno.ENOENT
    return ActionError(
        f"cannot build the table {table}: {refusal.message} ({where})",
        hint="does the kernel have NFT_REJECT, and inet tables?"
        if not refusal.retry or lacking
        else "",
        retry=refusal.retry and not lacking,
    )
