"""Which parts of a kernel are left out, what runs there, and what f2b has to choose. Frozen data."""

from typing import NamedTuple

_LADDER = "tests/kernels/ladder.py"
# An emulated processor is too slow for what measures time, and for floods of packets.
_SLOW = "not slips_through and not 100_000"
_NFTABLES = (
    "tests/netns",
    "--ignore=tests/netns/legacy",
    "--ignore=tests/netns/test_no_gap.py",
    f"-k{_SLOW}",
)
_NO_REJECT = ("tests/netns/test_packets.py", "-knot reject_answers")
_ALIKE = "not no-route and not host-unreachable and not admin-prohibited"  # but for a number
_LEGACY = (
    "tests/netns/legacy",
    f"-k{_SLOW} and {_ALIKE} and not best_wall and not another_backend",
)
_PLAIN = ("tests/netns/legacy/test_packets.py", f"-k(ladder or plain) and {_SLOW} and {_ALIKE}")
_NF_TABLES = ("nf_tables", "nft_")
_IP_SET = ("ip_set", "xt_set")
_SETS, _RULES = "iptables-legacy with sets", "iptables-legacy"
_UPDATE = "no new timeouts for elements"

Version = tuple[int, int]


class Variant(NamedTuple):
    """`without` are the beginnings of names of modules, `losses` of what the log says of the rest.

    `until` is the first kernel for which the variant means nothing.
    """

    name: str
    without: tuple[str, ...]
    chosen: str
    tests: tuple[str, ...]
    losses: tuple[str, ...] = ()
    until: Version = (99, 0)

    def on(self, version: Version) -> bool:
        return version < self.until

    def expected(self, version: Version) -> str:
        """The backend and what it does without, as the ladder prints them."""
        losses = [*self.losses]
        if self.chosen == "nftables" and version < (6, 12):
            losses.append(_UPDATE)
        return "; ".join([self.chosen, *sorted(losses)])


VARIANTS = (
    Variant("nothing", (), "nftables", (_LADDER, *_NFTABLES)),
    Variant(
        "nft_reject",
        ("nft_reject",),
        "nftables",
        (_LADDER, *_NO_REJECT),
        ("no reject at this hook",),
    ),
    Variant(
        "nft_counter",
        ("nft_counter",),
        "nftables",
        (_LADDER,),
        ("no counters in sets",),
        until=(5, 18),
    ),
    Variant("nf_tables", _NF_TABLES, _SETS, (_LADDER, *_LEGACY)),
    Variant(
        "nf_tables, iptable_raw",
        (*_NF_TABLES, "iptable_raw", "ip6table_raw"),
        _SETS,
        (_LADDER,),
        ("no table raw",),
    ),
    Variant(
        "nf_tables, ip_set",
        (*_NF_TABLES, *_IP_SET),
        _RULES,
        (_LADDER, *_PLAIN),
        ("no ip_set",),
    ),
)
