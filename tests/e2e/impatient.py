"""f2b that forgets old failures every second instead of every hour."""

import sys

from f2b.__main__ import main
from f2b.daemon import service

if __name__ == "__main__":
    service.PURGE = 1.0
    sys.exit(main())
