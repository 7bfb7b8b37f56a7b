"""How our own firewalls are made from the settings: the functions that the entry points name."""

from f2b.actions.base import Backend
from f2b.actions.nftables import Nftables
from f2b.actions.plain import PlainNftables
from f2b.config.settings import DaemonSettings


def nftables(settings: DaemonSettings, instance: str, *, takeover: bool) -> Backend:
    kind = PlainNftables if settings.nft_plain else Nftables
    return kind(settings.table, settings.hook, instance, takeover=takeover)


def iptables_legacy(
    settings: DaemonSettings, instance: str, *, takeover: bool, sets: bool = False
) -> Backend:
    """`auto` and `banaction = iptables-legacy` find out whether the kernel has sets."""
    from f2b.actions.iptables import Iptables  # noqa: PLC0415 - a MB that few hosts have a use for

    return Iptables(settings.table, settings.hook, instance, sets=sets, takeover=takeover)
