"""Who is never counted and never banned."""

from collections.abc import Iterable

from f2b.addresses import Family, Offender, mask


class IgnoreList:
    """Networks, asked by hash: the cost is one look-up per prefix length in use, however long the list is."""

    def __init__(self, networks: Iterable[Offender] = ()) -> None:
        self._networks: dict[tuple[Family, int], set[bytes]] = {}
        for family, packed, prefix in networks:
            self._networks.setdefault((family, prefix), set()).add(packed)

    def covers(self, offender: Offender) -> bool:
        """Say whether all of `offender` lies in one of the networks."""
        family, packed, length = offender
        for (known, prefix), networks in self._networks.items():
            if known is family and prefix <= length and mask(packed, prefix) in networks:
                return True
        return False
