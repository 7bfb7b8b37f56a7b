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
_AF_INET6, _AF_NETLINK, _NETLINK_NETFILTER = 10, 16, 12
_LOAD, _EQUAL, _GIVE, _ALLOW = 0x20, 0x15, 0x06, 0x7FFF0000


def refuse_netfilter(error: int) -> None:
    """Make socket(AF_NETLINK, ..., NETLINK_NETFILTER) fail with that number, here and in all children."""
    _install(
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 5, _SOCKET),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 3, _AF_NETLINK),
        (_LOAD, 0, 0, 32),
        (_EQUAL, 0, 1, _NETLINK_NETFILTER),
        (_GIVE, 0, 0, 0x50000 | error),
        (_GIVE, 0, 0, _ALLOW),
    )


def refuse_inet6() -> None:
    """Make socket(AF_INET6, ...) fail as where the kernel has no IPv6, here and in all children."""
    _install(
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 3, _SOCKET),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 1, _AF_INET6),
        (_GIVE, 0, 0, 0x50000 | errno.EAFNOSUPPORT),
        (_GIVE, 0, 0, _ALLOW),
    )


def _install(*code: tuple[int, int, int, int]) -> None:
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
