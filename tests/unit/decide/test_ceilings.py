"""What an attacker can grow has an end, and a counter."""

import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.addresses import Family, Offender, parse
from f2b.decide.tally import Tally
from f2b.model import Failure, Lifted, Reason
from tests.unit.decide.making import banned, bans, fail, jail, lifted, prolonged, strike

BYTES_PER_OFFENDER = 600


def stranger(number: int, family: Family = Family.INET6) -> Offender:
    if family is Family.INET:
        return Offender(family, (0x0A000000 + number).to_bytes(4), 32)
    return Offender(family, (0x20010DB8 << 32 | number).to_bytes(8) + bytes(8), 64)


def test_the_least_recent_offender_goes_first() -> None:
    counted = Tally(5, 60, 2)
    for number in range(3):
        strike(counted, stranger(number), 100 + number)
    assert [offender for offender, _ in counted] == [stranger(1), stranger(2)]
    assert counted.evicted == 1


def test_a_flood_of_strangers_does_not_push_out_who_came_back() -> None:
    sshd = jail(maxoffenders=10)
    fail(sshd, "192.0.2.7", 100, 101)
    for number in range(1000):
        strike(sshd.tally, stranger(number), 102)
    assert bans(fail(sshd, "192.0.2.7", 103))
    assert sshd.tally.evicted == 991


@pytest.mark.parametrize("maxretry", [4, 5, 6])
def test_one_that_is_one_failure_short_outlasts_those_that_are_not(maxretry: int) -> None:
    sshd = jail(maxretry=maxretry, maxoffenders=10)
    fail(sshd, "192.0.2.7", *[100.0] * (maxretry - 1))
    for number in range(100):
        strike(sshd.tally, stranger(number), 101)
        strike(sshd.tally, stranger(number), 101)
    assert bans(fail(sshd, "192.0.2.7", 102))


def test_one_whose_failures_are_too_far_apart_is_not_one_short() -> None:
    sshd = jail(maxretry=3, maxoffenders=4)
    fail(sshd, "192.0.2.7", 0, 100, 101)
    for number in range(3):
        fail(sshd, f"198.51.100.{number}", 20, 102)
    fail(sshd, "203.0.113.1", 103)
    fail(sshd, "203.0.113.2", 104)
    assert bans(fail(sshd, "192.0.2.7", 113))


@pytest.mark.parametrize("maxretry", [2, 3])
def test_where_all_are_one_short_the_least_recent_goes(maxretry: int) -> None:
    counted = Tally(maxretry, 60, 8)
    for number in range(9):
        for _ in range(maxretry - 1):
            strike(counted, stranger(number), 100 + number)
    assert [offender for offender, _ in counted] == [stranger(number) for number in range(1, 9)]


def test_with_two_tries_the_larger_kind_lets_its_least_recent_go() -> None:
    counted = Tally(2, 60, 2)
    strike(counted, stranger(1), 0)
    strike(counted, stranger(1), 100)  # too late for a ban: it has failed again, and is one short
    strike(counted, stranger(2), 110)
    strike(counted, stranger(3), 111)
    assert {offender for offender, _ in counted} == {stranger(1), stranger(3)}


def test_newcomers_find_a_place_however_many_came_back() -> None:
    sshd = jail(maxretry=5, findtime=600, maxoffenders=100)
    for number in range(100):
        strike(sshd.tally, stranger(number), 100)
        strike(sshd.tally, stranger(number), 101)
    assert bans(fail(sshd, "192.0.2.7", *range(102, 107)))


def test_a_quarter_of_the_places_is_for_newcomers() -> None:
    counted = Tally(5, 600, 100)
    for number in range(100):
        strike(counted, stranger(number), 100)
        strike(counted, stranger(number), 101)
    for number in range(100, 200):
        strike(counted, stranger(number), 102)
    assert sum(len(times) == 1 for _, times in counted) == 25


def test_the_ceiling_of_offenders_holds() -> None:
    counted = Tally(5, 60, 50)
    for number in range(2000):
        strike(counted, stranger(number % 170), 100 + number / 100)
        assert len(counted) <= 50


def test_the_ceiling_of_bans_lifts_the_one_that_ends_first() -> None:
    sshd = jail(maxretry=1, maxbans=2)
    fail(sshd, "192.0.2.1", 100)
    fail(sshd, "192.0.2.2", 90)
    first, second = [d for d in fail(sshd, "192.0.2.3", 110) if not hasattr(d, "failure")]
    assert isinstance(first, Lifted)
    assert (str(first.ban.offender), first.reason) == ("192.0.2.2", Reason.CEILING)
    assert bans([second])


def test_a_ban_that_was_prolonged_does_not_end_first() -> None:
    sshd = jail(maxretry=1, maxbans=2)
    fail(sshd, "192.0.2.1", 100)
    fail(sshd, "192.0.2.2", 101)
    assert prolonged(fail(sshd, "192.0.2.1", 110))
    fail(sshd, "192.0.2.3", 120)
    assert banned(sshd) == {"192.0.2.1", "192.0.2.3"}


def test_a_ban_that_is_over_already_takes_nobodys_place() -> None:
    sshd = jail(maxretry=1, bantime=10, maxbans=1)
    sshd.ban_by_hand(parse("192.0.2.1"), 1000, 600)
    assert lifted(fail(sshd, "192.0.2.2", 500, now=1000)) == []
    assert sshd.ledger.get(parse("192.0.2.1"))


def test_former_bans_have_a_ceiling_and_a_counter() -> None:
    custom = jail(maxbans=10)
    for number in range(500):
        custom.ban_by_hand(stranger(number), 1000 + number, 600)
        assert (
            len(custom.ledger._last) <= 2 * 10 + 1
        )  # and the new one, for which room is made first
    assert custom.ledger.forgotten > 470


def test_bans_for_ever_make_room_too() -> None:
    sshd = jail(maxretry=1, maxbans=2, bantime=None)
    for number in range(5):
        fail(sshd, f"192.0.2.{number}", 100 + number)
    assert len(sshd.ledger) == 2
    assert "192.0.2.4" in banned(sshd)


def test_one_lifted_for_room_can_be_banned_again() -> None:
    sshd = jail(maxretry=1, maxbans=1)
    fail(sshd, "192.0.2.1", 100)
    fail(sshd, "192.0.2.2", 110)
    assert [ban.offence for ban in bans(fail(sshd, "192.0.2.1", 120))] == [2]


def test_the_ceiling_of_bans_holds_for_hand_made_ones() -> None:
    custom = jail(maxbans=2)
    for number in range(5):
        custom.ban_by_hand(stranger(number), 100 + number, 60)
    assert len(custom.ledger) == 2


def test_an_offender_costs_little() -> None:
    counted = Tally(5, 600, 20_000)
    tracemalloc.start()
    for number in range(20_000):
        strike(counted, stranger(number), float(number % 500))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(counted) < BYTES_PER_OFFENDER


# --- the flood: 1,000,000 failures from 500,000 addresses, of which 50 repeat ---

FAILURES, ADDRESSES = 1_000_000, 500_000
CEILING = 200_000  # as shipped
REPEATERS = [parse(f"192.0.2.{number}") for number in range(50)]
STRANGERS = ADDRESSES - len(REPEATERS)


def flood() -> Iterator[Failure]:
    """All within findtime. Every second failure is a stranger's; those who repeat begin one after the other."""
    turn = (FAILURES - STRANGERS) // len(REPEATERS)
    for number in range(FAILURES):
        half, odd = divmod(number, 2)
        who = stranger(half) if odd and half < STRANGERS else REPEATERS[min(half // turn, 49)]
        yield Failure(who, 1000 + number * 0.0004, str(number))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
def test_a_flood_hides_nobody_and_stays_under_the_bound() -> None:
    sshd = jail(maxretry=5, findtime=600, bantime=3600, maxoffenders=CEILING)
    before = resident()
    offenders = {
        ban.offender for failure in flood() for ban in bans(sshd.count(failure, failure.time))
    }
    assert offenders == set(REPEATERS)
    assert sshd.found == FAILURES
    assert (len(sshd.tally), sshd.tally.evicted) == (CEILING, STRANGERS - CEILING)
    assert resident() - before < CEILING * BYTES_PER_OFFENDER + 10_000_000
