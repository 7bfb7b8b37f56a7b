"""fail2ban's rate estimate, with the figures that were measured with fail2ban itself."""

import pytest

from f2b.addresses import parse
from f2b.config.settings import Counting, Increment
from f2b.decide.estimate import MEMORY, Estimate
from f2b.decide.tally import SLACK
from tests.unit.decide.making import bans, fail, jail, strike

A = parse("192.0.2.7")
B = parse("192.0.2.8")


def full(*times: float, maxretry: int = 5) -> list[float]:
    """The times of the failures that bring a ban."""
    counted = Estimate(maxretry, 600, 1000)
    found = []
    for time in times:
        if strike(counted, A, time):
            found.append(time)
            counted.forget(A)
    return found


@pytest.mark.parametrize(
    ("maxretry", "times", "banned"),
    [
        (5, (0, 0, 0, 300, 601), [601]),
        (5, (0, 0, 0, 0, 601), [601]),
        (5, range(0, 601, 150), [600]),
        (5, range(0, 20_000, 199), []),
        (4, range(0, 20_000, 300), []),
        (3, range(0, 601, 300), [600]),
        (3, (100, 1000, 1000), [1000]),
        (5, (0, 0, 0, 0, 0), [0]),
        (5, (0, 0, 0, 0, 1200), []),
    ],
)
def test_the_figures_of_fail2ban(maxretry: int, times: list[float], banned: list[float]) -> None:
    assert full(*times, maxretry=maxretry) == banned


def test_failures_at_the_same_rate_forever_keep_a_bounded_number_of_times() -> None:
    counted = Estimate(5, 600, 1000)
    for time in range(0, 100_000, 199):
        strike(counted, A, time)
    ((_, times),) = counted
    assert len(times) <= MEMORY * 5


def test_the_order_of_arrival_does_not_matter() -> None:
    one, other = Estimate(9, 600, 1000), Estimate(9, 600, 1000)
    times = [0.0, 50, 300, 601, 650]
    for forwards, backwards in zip(times, reversed(times), strict=True):
        strike(one, A, forwards)
        strike(other, A, backwards)
    assert dict(one) == dict(other)


def test_what_lies_beyond_its_reach_is_forgotten() -> None:
    counted = Estimate(3, 600, 1000)
    strike(counted, A, 0)
    strike(counted, B, MEMORY * 600 + SLACK + 1)
    strike(counted, A, MEMORY * 600 + SLACK + 1)
    assert len(dict(counted)[A]) == 1


def test_the_ceiling_holds() -> None:
    counted = Estimate(3, 600, 2)
    for number in range(9):
        strike(counted, parse(f"192.0.2.{number}"), 1000)
    assert (len(counted), counted.evicted) == (2, 7)


def test_a_jail_counts_as_it_is_told() -> None:
    times = (0, 0, 0, 300, 601)
    assert bans(fail(jail(maxretry=5, findtime=600), "192.0.2.7", *times)) == []
    rate = jail(maxretry=5, findtime=600, counting=Counting.ESTIMATE)
    assert [ban.start for ban in bans(fail(rate, "192.0.2.7", *times))] == [601]


def test_known_offenders_weigh_more_here_too() -> None:
    rate = jail(maxretry=4, counting=Counting.ESTIMATE, increment=Increment())
    fail(rate, "192.0.2.7", 0, 0, 0, 0)
    rate.expire(600)
    assert len(bans(fail(rate, "192.0.2.7", 601, 602))) == 1


def test_a_reload_from_window_to_estimate_takes_what_is_stored() -> None:
    window = jail(maxretry=5, findtime=600)
    rate = jail(maxretry=5, findtime=600, counting=Counting.ESTIMATE)
    fail(window, "192.0.2.7", 0, 0, 0, 300)
    stored = [(A, time) for time in (0.0, 0.0, 0.0, 300.0)]
    rate.adopt(window, stored, 600, same_filter=True)
    assert rate.tally.reach > window.tally.reach
    assert [ban.start for ban in bans(fail(rate, "192.0.2.7", 601))] == [601]
