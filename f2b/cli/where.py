"""Where the daemon listens. Reading the configuration is a third of what a command costs: only if it may say so."""

import re
from itertools import chain
from pathlib import Path

from f2b import protocol

_MAY_SAY = re.compile(rb"^\s*(?:socket|\[INCLUDES)", re.MULTILINE | re.IGNORECASE)
_FILES = ("f2b.conf", "f2b.local", "f2b.d/*.conf", "f2b.d/*.local")


def socket_of(directory: Path) -> Path:
    """Raises ConfigErrors."""
    if not _may_say(directory):
        return protocol.SOCKET
    from f2b.config.daemon import read_daemon  # noqa: PLC0415
    from f2b.config.files import Files  # noqa: PLC0415

    return read_daemon(Files(directory))[0].socket


def _may_say(directory: Path) -> bool:
    try:
        files = chain.from_iterable(map(directory.glob, _FILES))
        return any(_MAY_SAY.search(file.read_bytes()) for file in files)
    except OSError:
        return True
