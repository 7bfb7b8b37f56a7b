"""f2b that never carries its write-ahead log over: on a full disk the log then has no room to be used again."""

import math
import sys

from f2b.__main__ import main
from f2b.daemon import recorder

if __name__ == "__main__":
    recorder.CARRY_OVER = math.inf
    sys.exit(main())
