"""Places where a test may kill the daemon: ``F2B_FAILPOINT=name[:n]`` ends it with SIGKILL at the n-th pass."""

import os
import signal

_name, _, _count = os.environ.get("F2B_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def reach(name: str) -> None:
    """Die here if the test asked for it. Costs one string comparison in production."""
    global _left  # noqa: PLW0603
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
