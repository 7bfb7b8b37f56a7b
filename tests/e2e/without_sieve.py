"""f2b that asks about every entry: a sieve rules most hostile lines out before a regex sees them."""

import sys
from collections.abc import Iterable

from f2b.__main__ import main
from f2b.daemon.sieves import Sieves
from f2b.decide.jail import Jail


def renew(self: Sieves, jails: Iterable[Jail]) -> None:
    """There is none."""


if __name__ == "__main__":
    Sieves.renew = renew  # type: ignore[method-assign]
    sys.exit(main())
