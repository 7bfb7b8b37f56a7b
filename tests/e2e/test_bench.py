"""No change makes f2b slower unseen: the quick form of `make bench` against the record in bench.json."""

import pytest

from tests.bench.measures import losses
from tests.bench.stock import STOCK


@pytest.mark.root
@pytest.mark.slow
def test_no_ratio_has_fallen_by_a_third() -> None:
    if not STOCK.exists():
        pytest.skip("fail2ban's package is not unpacked here: make setup")
    assert losses() == []
