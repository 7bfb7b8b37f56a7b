"""What apply() writes, what it sets aside, and what it asks the enforcer to do again."""

import asyncio
import itertools
import random
import time

import pytest

from f2b.actions.base import Operation, Put, Refused
from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from f2b.errors import ActionError
from tests.netns.conftest import TABLE, Lab
from tests.netns.values import NOW, ban, jail, put, remove

pytestmark = pytest.mark.root

TOO_LONG = 1e12  # the kernel counts 584 years


@pytest.fixture
def started(wall: Nftables) -> Nftables:
    wall.start([jail()], [], [], NOW)
    return wall


def held(lab: Lab) -> dict[str, int | None]:
    return {key: each.get("timeout") for key, each in lab.elements("addr-set-sshd").items()}


def test_puts_prolongs_shortens_and_removes(lab: Lab, started: Nftables) -> None:
    started.apply([put("203.0.113.1", 60), put("203.0.113.2", 60), put("203.0.113.3", None)], NOW)
    assert held(lab) == {"203.0.113.1": 60, "203.0.113.2": 60, "203.0.113.3": None}
    started.apply([put("203.0.113.1", 90), put("203.0.113.2", 30), put("203.0.113.3", 10)], NOW)
    assert held(lab) == {"203.0.113.1": 90, "203.0.113.2": 30, "203.0.113.3": 10}
    started.apply([remove("203.0.113.1"), put("203.0.113.2", None)], NOW)
    assert held(lab) == {"203.0.113.2": None, "203.0.113.3": 10}


def test_prolongs_by_as_much_as_has_passed(lab: Lab, started: Nftables) -> None:
    """So that the timeout is that of before, now counted from later."""
    for offender, set_name in (
        ("203.0.113.1", "addr-set-sshd"),
        ("2001:db8:2::/64", "addr6-set-sshd-64"),
    ):
        started.apply([put(offender, 60)], NOW)
        time.sleep(1.5)
        started.apply([put(offender, 70), put("203.0.113.2", None)], NOW + 10)
        (key,) = lab.elements(set_name).keys() - {"203.0.113.2"}
        assert lab.elements(set_name)[key]["timeout"] == 60
        assert lab.elements(set_name)[key]["expires"] >= 59
    assert held(lab)["203.0.113.2"] is None


def test_removing_what_is_not_there_is_no_error(lab: Lab, started: Nftables) -> None:
    missing = [remove("203.0.113.1"), remove("203.0.113.0/24"), remove("2001:db8::1", jail="gone")]
    assert started.apply([*missing, put("203.0.113.2")], NOW) == []
    assert held(lab) == {"203.0.113.2": 600}
    assert "addr-set-sshd-24" not in lab.sets()


def test_last_operation_on_an_offender_wins(lab: Lab, started: Nftables) -> None:
    one, two = "203.0.113.1", "203.0.113.2"
    started.apply([put(one), remove(one), put(two), remove(two), put(two, 60)], NOW)
    assert held(lab) == {two: 60}


def test_ban_that_is_over_is_not_put_and_ends_an_older_one(lab: Lab, started: Nftables) -> None:
    started.apply([put("203.0.113.1")], NOW)
    started.apply([put("203.0.113.1", -1), put("203.0.113.2", -1)], NOW)
    assert held(lab) == {}


def test_shortest_ban_is_a_millisecond_and_not_for_ever(lab: Lab, started: Nftables) -> None:
    assert started.apply([put("203.0.113.1", 1e-6)], NOW) == []
    assert held(lab) == {}


@pytest.mark.parametrize("bad", [{0}, {999}, {5, 500, 501, 998}, set(range(1000))])
def test_refused_elements_are_set_aside(lab: Lab, started: Nftables, bad: set[int]) -> None:
    operations = [
        put(f"203.0.{n >> 8}.{n & 255}", TOO_LONG if n in bad else 600) for n in range(1000)
    ]
    refused = started.apply(operations, NOW)
    assert [each.operation for each in refused] == [operations[n] for n in sorted(bad)]
    assert all("out of range" in each.why for each in refused)
    assert len(held(lab)) == 1000 - len(bad)


def test_full_set_refuses_the_rest(lab: Lab, wall: Nftables) -> None:
    lab.nft("add", "table", "inet", TABLE, '{ comment "f2b 1a2b3c4d"; }')
    small = "{ type ipv4_addr; flags timeout; counter; size 3; }"
    lab.nft("add", "set", "inet", TABLE, "addr-set-sshd", small)
    refused = wall.start([jail()], [], [ban(f"203.0.113.{n}") for n in range(8)], NOW)
    assert len(refused) == 5
    assert "Too many open files" in refused[0].why
    assert len(held(lab)) == 3


def test_ban_of_an_unknown_jail_is_refused(lab: Lab, started: Nftables) -> None:
    stranger, good = put("203.0.113.1", jail="gone"), put("203.0.113.2")
    assert started.apply([stranger, good], NOW) == [Refused(stranger, "the wall has no jail gone")]
    assert held(lab) == {"203.0.113.2": 600}


@pytest.mark.parametrize("command", ["flush ruleset", f"delete table inet {TABLE}"])
def test_wall_taken_down_behind_our_back(lab: Lab, started: Nftables, command: str) -> None:
    lab.nft(*command.split())
    for attempt in (put("203.0.113.1"), put("203.0.113.0/24"), remove("203.0.113.1")):
        with pytest.raises(ActionError, match="somebody changed the table") as error:
            started.apply([attempt], NOW)
        assert error.value.retry
    with pytest.raises(ActionError) as error:
        started.set_own([parse("203.0.113.9")])
    assert error.value.retry
    started.start([jail()], [], [ban("203.0.113.1")], NOW)
    assert held(lab) == {"203.0.113.1": 600}


def test_flushed_set_is_filled_again_by_start(lab: Lab, started: Nftables) -> None:
    started.apply([put("203.0.113.1"), put("203.0.113.2")], NOW)
    lab.nft("flush", "set", "inet", TABLE, "addr-set-sshd")
    lab.nft("flush", "chain", "inet", TABLE, "jail-sshd")
    started.start([jail()], [], [ban("203.0.113.1")], NOW)
    assert held(lab) == {"203.0.113.1": 600}
    assert not lab.gets_through("203.0.113.1")


def test_counters(lab: Lab, started: Nftables) -> None:
    started.apply([put("203.0.113.1"), put("203.0.113.0/25"), put("2001:db8:2::/64", None)], NOW)
    assert not lab.gets_through("203.0.113.7", timeout=0.1)
    assert not lab.gets_through("2001:db8:2::7", timeout=0.1)
    counters = started.counters("sshd")
    assert counters[parse("203.0.113.1")] == (0, 0)
    for network in ("203.0.113.0/25", "2001:db8:2::/64"):
        packets, volume = counters[parse(network)]
        assert packets >= 1
        assert volume >= 40 * packets
    assert started.counters("gone") == {}


def test_elements_tell_what_is_left(started: Nftables) -> None:
    started.apply([put("203.0.113.1", 100), put("203.0.113.0/24", None)], NOW)
    left = {str(offender): each.left for offender, each in started.elements("sshd").items()}
    assert left.pop("203.0.113.0/24") is None
    assert 95 < (left.pop("203.0.113.1") or 0) <= 100
    assert left == {}


def test_works_from_worker_threads(lab: Lab, started: Nftables) -> None:
    async def ban_some() -> None:
        for n in range(1, 9):
            await asyncio.to_thread(started.apply, [put(f"203.0.113.{n}")], NOW)

    asyncio.run(ban_some())
    assert len(held(lab)) == 8


def test_random_operations_against_a_model(started: Nftables) -> None:
    """Whatever the order and the grouping, the kernel holds what a dictionary would."""
    chance = random.Random(20260801)
    targets = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.0/24", "203.0.112.0/24"]
    model: dict[str, float] = {}
    for _ in range(60):
        operations: list[Operation] = []
        for _ in range(chance.randint(1, 12)):
            target = chance.choice(targets)
            match chance.randint(0, 3):
                case 0:
                    operations.append(remove(target))
                    model.pop(target, None)
                case 1:
                    operations.append(put(target, -5))
                    model.pop(target, None)
                case _:
                    seconds = chance.randint(100, 1000)
                    operations.append(put(target, seconds))
                    model[target] = seconds
        if chance.random() < 0.2:
            bans = [ban(target, seconds) for target, seconds in model.items()]
            started.start([jail()], [], bans, NOW)
        else:
            assert started.apply(operations, NOW) == []
        found = {str(who): each.left or 0 for who, each in started.elements("sshd").items()}
        assert found.keys() == model.keys()
        assert all(model[who] - 2 < left <= model[who] + 2 for who, left in found.items())


def test_one_batch_for_many_offenders(lab: Lab, started: Nftables) -> None:
    addresses = [f"10.0.{a}.{b}" for a, b in itertools.product(range(12), range(250))]
    operations: list[Operation] = [put(address) for address in addresses]
    operations += [Put(ban(f"2001:db8:{n:x}::/64")) for n in range(500)]
    assert started.apply(operations, NOW) == []
    assert held(lab).keys() == set(addresses)
    assert len(lab.elements("addr6-set-sshd-64")) == 500
