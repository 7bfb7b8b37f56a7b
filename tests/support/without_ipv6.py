"""f2b on what looks like a kernel that was started with ipv6.disable=1, and has no nf_tables.

It has no sockets of IPv6 and nothing of it in /proc/net.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

from f2b import __main__
from f2b.actions import xtables
from tests.support.seccomp import refuse_inet6, refuse_netfilter

_NEW_MOUNTS, _PRIVATE = 0x20000, 0x4000 | 0x40000


def hide_proc_net() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    folder = f"/proc/{os.getpid()}/net".encode()
    if (
        libc.unshare(_NEW_MOUNTS)
        or libc.mount(b"none", b"/", None, _PRIVATE, None)
        or libc.mount(b"none", folder, b"tmpfs", 0, None)
    ):
        raise OSError(ctypes.get_errno(), "an empty /proc/net")
    # f2b looks into its thread's, and threads that are still to come have none that could be hidden.
    xtables.NET = Path(f"/proc/{os.getpid()}/net")
    xtables._INET6 = xtables.NET / "if_inet6"
    xtables._TABLES_IN_USE = ()


if __name__ == "__main__":
    hide_proc_net()
    refuse_netfilter(errno.EPROTONOSUPPORT)
    refuse_inet6()
    sys.exit(__main__.main())
