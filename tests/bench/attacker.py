"""Writes to journald as sshd: entries at a rate, and now and then the failures that bring a ban.

`python attacker.py BANS FAILURES` prints each offender and when its last failure was written, on the monotonic clock.
"""

import random
import socket
import sys
import time

RATE = 1000.0
BETWEEN = (20, 80)
"""Entries from one offender to the next: at no fixed beat, which a daemon that polls could be in step with."""
NOISE = (
    'Connection from 198.51.100.7 port 50000 on 198.51.100.1 port 22 rdomain ""',
    "Accepted publickey for alice from 198.51.100.7 port 50000 ssh2: ED25519 SHA256:abc",
    "Disconnected from user alice 198.51.100.7 port 50000",
)


def main(bans: int, failures: int) -> None:
    dice = random.Random(2)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.connect("/dev/log")

    def say(process: int, message: str) -> None:
        log.send(f"<86>sshd[{process}]: {message}".encode())

    written, due = 0, time.monotonic()
    for number in range(bans):
        for _ in range(dice.randint(*BETWEEN)):
            say(10, NOISE[written % len(NOISE)])
            written += 1
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
        address = f"198.18.{number >> 8}.{number & 255}"
        failure = f"Failed password for root from {address} port 4711 ssh2"
        for _ in range(failures - 1):
            say(1000 + number, failure)
        now = time.monotonic()
        say(1000 + number, failure)
        print(address, now, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
