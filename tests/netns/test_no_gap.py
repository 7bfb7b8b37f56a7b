"""Nothing that is banned before and after gets through while the wall is changed: shown under a flood."""

import itertools
import socket
import time
from collections.abc import Iterator

import pytest

from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from f2b.config.settings import Blocktype
from tests.netns.conftest import SERVER, TABLE, Lab
from tests.netns.values import NOW, ban, jail, put
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

PORT = 5353
ENOUGH = 20_000  # datagrams that must have been stopped before a test believes itself
SOURCES = pytest.mark.parametrize(
    ("source", "banned"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:2::7", "2001:db8:2::/64"),
    ],
)


def leaked(receiver: socket.socket) -> int:
    count = 0
    try:
        while True:
            receiver.recv(10)
            count += 1
    except BlockingIOError:
        return count


def stopped(wall: Nftables) -> int:
    return sum(packets for packets, _ in wall.counters("sshd").values())


def until_enough(wall: Nftables) -> Iterator[int]:
    """Go on until the flood was long enough; counters may restart, so add up what they grow by."""
    total = before = 0
    deadline = time.monotonic() + 30
    for turn in itertools.count():
        yield turn
        now = stopped(wall)
        total += max(0, now - before)
        before = now
        if total > ENOUGH and turn > 200:
            return
        assert time.monotonic() < deadline, f"only {total} datagrams in 30 s"


@SOURCES
def test_repeated_start_leaks_nothing(lab: Lab, wall: Nftables, source: str, banned: str) -> None:
    looks = [
        [jail()],
        [jail(), jail("mail", 25)],
        [jail("sshd", (5000, 6000))],
        [jail("web", 80, blocktype=Blocktype.REJECT), jail(ignored=("203.0.113.200",))],
    ]
    wall.start(looks[0], [], [ban(banned)], NOW)
    with lab.receiver(PORT) as receiver, lab.flood(source, PORT):
        for turn in until_enough(wall):
            wall.start(looks[turn % 4], [parse(SERVER)], [ban(banned, 600 + turn % 7)], NOW)
        assert leaked(receiver) == 0


@SOURCES
def test_prolonging_leaks_nothing(lab: Lab, wall: Nftables, source: str, banned: str) -> None:
    wall.start([jail()], [], [ban(banned)], NOW)
    with lab.receiver(PORT) as receiver, lab.flood(source, PORT):
        for turn in until_enough(wall):
            wall.apply([put(banned, 600 + turn % 50)], NOW)
        assert leaked(receiver) == 0


def test_set_made_anew_leaks_nothing(lab: Lab, wall: Nftables) -> None:
    """As after an update of f2b that makes its sets otherwise."""
    bans = [ban(f"203.0.113.{n}") for n in range(256)] + [ban(f"10.0.{n}.1") for n in range(200)]
    wall.start([jail()], [], bans, NOW)
    wrong = f"""
        flush chain inet {TABLE} jail-sshd
        delete set inet {TABLE} addr-set-sshd
        add set inet {TABLE} addr-set-sshd {{ type ipv4_addr; elements = {{ 203.0.113.7 }}; }}
        add rule inet {TABLE} jail-sshd ip saddr @addr-set-sshd drop"""
    with lab.receiver(PORT) as receiver, lab.flood("203.0.113.7", PORT):
        for _ in range(20):
            lab.server.run(["nft", "-f", "-"], stdin=wrong)
            wall.start([jail()], [], bans, NOW)
            time.sleep(0.01)
        assert stopped(wall) > 0
        assert leaked(receiver) == 0
    assert len(lab.elements("addr-set-sshd")) == len(bans)


def test_change_of_hook_and_takeover_leak_nothing(lab: Lab) -> None:
    walls = [
        lab.wall(str(turn), ("prerouting", "input")[turn % 2], takeover=True) for turn in range(40)
    ]
    walls[0].start([jail()], [], [ban("203.0.113.7")], NOW)
    with lab.receiver(PORT) as receiver, lab.flood("203.0.113.7", PORT):
        for wall in walls[1:]:
            wall.start([jail()], [], [ban("203.0.113.7")], NOW)
            time.sleep(0.01)
        same = lab.wall("39", "prerouting")
        same.start([jail()], [], [ban("203.0.113.7")], NOW)
        wait_until(lambda: stopped(same) > 0, "the flood")
        assert leaked(receiver) == 0
    for wall in [*walls, same]:
        wall.close()


def test_the_flood_is_seen_without_a_ban(lab: Lab, wall: Nftables) -> None:
    wall.start([jail()], [], [], NOW)
    with lab.receiver(PORT) as receiver, lab.flood("203.0.113.7", PORT):
        time.sleep(0.5)
        assert leaked(receiver) > 0
