"""No change makes f2b slower unseen: the quick form of `make bench` against the record in bench.json."""

import contextlib
import gc
from collections.abc import Iterator

import pytest

from f2b.daemon import garbage
from tests.bench.measures import losses
from tests.bench.stock import STOCK


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """The benches keep the search for cycles away as the daemon does; other tests want it back."""
    yield
    with contextlib.suppress(ValueError):
        gc.callbacks.remove(garbage._freeze)
    gc.unfreeze()


@pytest.mark.root
@pytest.mark.slow
def test_no_ratio_has_fallen_by_a_third() -> None:
    if not STOCK.exists():
        pytest.skip("fail2ban's package is not unpacked here: make setup")
    assert losses() == []
