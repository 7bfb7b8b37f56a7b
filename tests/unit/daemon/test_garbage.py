"""What is remembered is searched for cycles once, and after a reload again."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from f2b.daemon import garbage


class Node:
    """Points at itself: no reference count ends it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.callbacks.remove(garbage._freeze)
    gc.unfreeze()


def test_what_was_searched_is_not_searched_again_until_a_reload() -> None:
    garbage.search_once()
    garbage.search_once()
    node = Node()
    watched = weakref.ref(node)
    gc.collect()
    assert gc.get_freeze_count() > 0
    del node
    gc.collect()
    assert watched() is not None
    garbage.search_again()
    gc.collect()
    assert watched() is None
