"""From the write of the last failure into journald to the kernel's set, while a thousand entries a second are logged.

The kernel itself tells when the element is there. And how often a daemon with nothing to do wakes up.
"""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from tests.bench import attacker
from tests.bench.daemons import Peer, Tail
from tests.bench.meter import switches
from tests.bench.plan import Plan
from tests.bench.rows import Row, at_most
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.journald import Journald
from tests.support.netns import Namespace
from tests.support.processes import wait_until

BANS, PEERS_BANS = 250, 25
PARTS = 5
FAILURES = 3
UNIT = "ssh.service"
JAILS = f"""\
[DEFAULT]
banaction = {{banaction}}
[sshd]
enabled = true
journalmatch = _SYSTEMD_UNIT={UNIT}
maxretry = {FAILURES}
findtime = 1h
bantime = 1h
"""
SLOW_DISK = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int fd) { usleep(50000); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { usleep(50000); return syscall(SYS_fdatasync, fd); }
"""
IDLE = 10.0
_NETFILTER, _GROUP = 12, 7
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1


def to_ban(_: Plan) -> Iterable[Row]:
    """The time to a ban, on a quick disk and on a slow one; fail2ban's beside it."""
    peer = [median(_peer())]
    quick = _ours({})
    yield _half("last failure to the kernel's set, p50", quick, peer)
    yield _tail("last failure to the kernel's set, p99", quick)
    with TemporaryDirectory() as room:
        shim = slow_disk(Path(room))
        if shim is None:
            yield Row(what="the same on a slow disk", note="there is no gcc here")
            return
        slow = _ours({"LD_PRELOAD": str(shim)})
    yield _half("the same, fsync takes 50 ms more, p50", slow)
    yield _tail("the same, fsync takes 50 ms more, p99", slow)


def idle(_plan: Plan) -> Iterable[Row]:
    """Wake-ups while there is nothing to do: the journal's rest has no candidate."""
    with (
        Namespace() as namespace,
        TemporaryDirectory() as room,
        Journal(Path(room, "journal")) as feed,
        Daemon(
            Path(room, "f2b"), feed.folder, namespace, jails=JAILS.format(banaction="auto")
        ) as daemon,
    ):
        assert daemon.process
        time.sleep(3)
        counts = []
        for _ in range(PARTS):
            before = switches(daemon.process.pid)
            time.sleep(IDLE / PARTS)
            counts.append((switches(daemon.process.pid) - before) * PARTS / IDLE)
    yield Row(what="idle: wake-ups a second", unit="", ours=counts, must=at_most(5))


def _half(what: str, times: list[float], peer: list[float] | None = None) -> Row:
    size = len(times) // PARTS
    parts = [median(times[at : at + size]) for at in range(0, len(times), size)]
    return Row(what=what, unit="ms", ours=parts, peer=peer or (), must=at_most(10))


def _tail(what: str, times: list[float]) -> Row:
    return Row(what=what, unit="ms", ours=[quantiles(times, n=100)[98]], must=at_most(50))


def _ours(environment: Mapping[str, str]) -> list[float]:
    with (
        TemporaryDirectory() as room,
        Journald(Path(room, "journald")) as journald,
        Namespace() as namespace,
        closing(
            Daemon(
                Path(room, "f2b"), journald.journal, namespace,
                jails=JAILS.format(banaction="auto"),
            )
        ) as daemon,
    ):  # fmt: skip
        daemon.start(environment=environment)
        return attacked(journald, namespace, BANS)


def _peer() -> list[float]:
    with (
        TemporaryDirectory() as room,
        Journald(Path(room, "journald")) as journald,
        Namespace() as namespace,
    ):
        jails = JAILS.format(banaction="nftables-multiport")
        peer = Peer(Path(room, "fail2ban"), journald.journal, namespace, jails)
        with peer.running():
            tail = Tail(peer.log, "' started")
            wait_until(lambda: tail.has("' started", 1), "fail2ban")
            time.sleep(1)
            return attacked(journald, namespace, PEERS_BANS)


def attacked(journald: Journald, namespace: Namespace, bans: int) -> list[float]:
    """Milliseconds for each of so many bans, without the first ones."""
    with closing(Ear(namespace)) as ear:
        command = [sys.executable, attacker.__file__, str(bans), str(FAILURES)]
        attack = journald.popen(command, unit=UNIT, output=subprocess.PIPE)
        text, _ = attack.communicate(timeout=120)
        written = {
            socket.inet_aton(address): float(at)
            for address, at in map(str.split, text.decode().splitlines())
        }
        assert len(written) == bans, text
        wait_until(lambda: ear.when(list(written)[-1]), "the last ban", 30)
        times = [(ear.when(key) - at) * 1000 for key, at in written.items()]
    assert min(times) > 0, "a ban that nobody heard of"
    return times[bans // 10 :]


class Ear:
    """Listens to the kernel's announcements of new elements, in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.inside():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        self._socket.settimeout(0.1)
        self._heard: list[tuple[float, bytes]] = []
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def when(self, key: bytes) -> float:
        """The time of the first announcement with these bytes in it; 0.0 if there was none."""
        return next((at for at, data in self._heard if key in data), 0.0)

    def close(self) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._over:
            with suppress(TimeoutError):
                data = self._socket.recv(1 << 20)
                self._heard.append((time.monotonic(), data))


def slow_disk(folder: Path) -> Path | None:
    """A library that makes every fsync of a process take 50 ms more; None without a compiler."""
    if not shutil.which("gcc"):
        return None
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(SLOW_DISK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library
