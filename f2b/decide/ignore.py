"""Who is never counted and never banned."""

from collections.abc import Iterable

from f2b.addresses import Family, Offender


class IgnoreList:
    """Networks, asked by hash: the cost is one look-up per prefix length in use, however long the list is."""

    def __init__(self, networks: Iterable[Offender] = ()) -> None:
        self._networks: dict[Family, dict[int, set[int]]] = {}
        """By family and by how many bits are cut off at the end: what is left of the networks."""
        for family, packed, prefix in networks:
            rest = family.bits - prefix
            known = self._networks.setdefault(family, {}).setdefault(rest, set())
            known.add(int.from_bytes(packed) >> rest)

    def covers(self, offender: Offender) -> bool:
        """Say whether all of `offender` lies in one of the networks."""
        family, packed, prefix = offender
        networks = self._networks.get(family)
        if networks is None:
            return False
        number, least = int.from_bytes(packed), family.bits - prefix
        for rest, known in networks.items():  # noqa: SIM110 - any() takes twice as long
            if rest >= least and number >> rest in known:
                return True
        return False
