"""f2b on a disk that hangs: no commit begins while the file named by F2B_HANG exists."""

import os
import sys
import time
from pathlib import Path

from f2b.__main__ import main
from f2b.store import Batch, Store

_commit = Store.commit
_hang = Path(os.environ["F2B_HANG"])


def commit(self: Store, batch: Batch) -> None:
    while _hang.exists():
        time.sleep(0.01)
    _commit(self, batch)


if __name__ == "__main__":
    Store.commit = commit  # type: ignore[method-assign]
    sys.exit(main())
