"""``f2b`` and ``python -m f2b``."""

import sys

from f2b.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
