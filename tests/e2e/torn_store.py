"""f2b with a mistake: the journal position is not in the transaction of the decisions, but in one of its own.

For the kill test. F2B_TORN says which of the two comes `first`: position or decisions.
"""

import os
import sys

from f2b import failpoint
from f2b.__main__ import main
from f2b.daemon import live, service
from f2b.store import Batch, Store

_commit = Store.commit
_position_first = os.environ["F2B_TORN"] == "position"


def commit(self: Store, batch: Batch) -> None:
    parts = [batch._replace(position=None), Batch(position=batch.position)]
    for part in reversed(parts) if _position_first else parts:
        _commit(self, part)
        if batch.decisions and part is (parts[1] if _position_first else parts[0]):
            failpoint.reach("torn")


if __name__ == "__main__":
    live.BATCH, service.GATHER, service.GATHER_OLD = 100, 0.0, 0.0  # many transactions
    Store.commit = commit  # type: ignore[method-assign]
    sys.exit(main())
