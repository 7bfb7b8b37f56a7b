"""A network cut around what is to be let through."""

from hypothesis import given
from hypothesis import strategies as st

from f2b.actions.blackhole import without
from f2b.addresses import Family, Offender, mask


def network(prefixes: st.SearchStrategy[int]) -> st.SearchStrategy[Offender]:
    """Within 203.0.113.0/24."""
    return st.builds(
        lambda last, prefix: Offender(Family.INET, mask(bytes((203, 0, 113, last)), prefix), prefix),
        st.integers(0, 255), prefixes,
    )  # fmt: skip


def hosts(each: Offender) -> set[int]:
    first = int.from_bytes(each.packed)
    return set(range(first, first + (1 << (32 - each.prefix))))


@given(network(st.integers(24, 32)), st.lists(network(st.integers(22, 32)), max_size=8))
def test_nothing_but_the_holes_is_left_out(whole: Offender, holes: list[Offender]) -> None:
    pieces = without(whole, holes)
    let_through = {host for hole in holes for host in hosts(hole)}
    assert set().union(*map(hosts, pieces)) == hosts(whole) - let_through
    assert sum(map(len, map(hosts, pieces))) == len(hosts(whole) - let_through)
