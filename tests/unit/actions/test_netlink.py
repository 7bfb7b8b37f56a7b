import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.actions.netlink import attribute, attributes, nest


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=99))))
def test_attributes_are_read_as_they_were_packed(pairs: list[tuple[int, bytes]]) -> None:
    packed = b"".join(attribute(kind, data) for kind, data in pairs)
    assert list(attributes(packed)) == pairs
    assert list(attributes(nest(5, packed))) == [(5, packed)]


def test_attribute_that_is_too_long_is_an_error_and_not_cut() -> None:
    assert len(attribute(1, bytes(65531))) == 65536
    with pytest.raises(struct.error):
        attribute(1, bytes(65532))
