"""A process to which the kernel denies netfilter's sockets, as one without nf_tables and ip_set.

As a program it is f2b, confined like that.
"""

import ctypes
import errno
import struct
import sys

from f2b import __main__

_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_SOCKET = 41  # of x86-64
_AF_NETLINK, _NETLINK_NETFILTER = 16, 12


def refuse_netfilter(error: int) -> None:
    """Make socket(AF_NETLINK, ..., NETLINK_NETFILTER) fail with that number, here and in all children."""
    load, equal, give, allow = 0x20, 0x15, 0x06, 0x7FFF0000
    code = [
        (load, 0, 0, 0),
        (equal, 0, 5, _SOCKET),
        (load, 0, 0, 16),
        (equal, 0, 3, _AF_NETLINK),
        (load, 0, 0, 32),
        (equal, 0, 1, _NETLINK_NETFILTER),
        (give, 0, 0, 0x50000 | error),
        (give, 0, 0, allow),
    ]
    filled = b"".join(struct.pack("=HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(filled)
    program = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SECCOMP, _FILTER, program, 0, 0)):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse_netfilter(errno.EPROTONOSUPPORT)
    sys.exit(__main__.main())
