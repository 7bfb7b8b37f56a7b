"""Chooses a wall where netlink sockets to netfilter are refused; run as a program inside a namespace.

argv: the error number, and the banaction. Prints what was chosen and why; then puts a ban up and waits for a line.
"""

import sys
import time

from f2b.actions import loader
from f2b.actions.base import JailWall
from f2b.addresses import parse
from f2b.config.settings import Blocktype, DaemonSettings, WallSettings
from f2b.errors import F2bError
from f2b.model import Ban
from tests.support.seccomp import refuse_netfilter


def main() -> None:
    if error := int(sys.argv[1]):
        refuse_netfilter(error)
    walls = [WallSettings(), WallSettings(ports=((22, 22), (80, 90)), blocktype=Blocktype.REJECT)]
    now = time.time()
    try:
        choice = loader.backend(
            sys.argv[2], DaemonSettings(), instance="1a2b3c4d", walls=walls, now=now
        )
    except F2bError as refused:
        print(f"{type(refused).__name__}: {refused}", flush=True)
        return
    bans = [
        Ban("sshd", parse(address), now, now + 600) for address in ("203.0.113.7", "2001:db8:2::7")
    ]
    choice.backend.start([JailWall("sshd", walls[0])], [], bans, now)
    print(f"{choice.backend.name} | {choice.why}", flush=True)
    sys.stdin.readline()
    choice.backend.lift()


if __name__ == "__main__":
    main()
