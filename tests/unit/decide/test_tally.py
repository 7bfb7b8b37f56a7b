"""Failures per offender: a true sliding window over the entries' own times."""

from f2b.addresses import parse
from f2b.decide.tally import SLACK, Tally
from tests.unit.decide.making import LATER, strike

A = parse("192.0.2.7")
B = parse("192.0.2.8")


def tally(*, maxretry: int = 3, findtime: float = 60, ceiling: int = 1000) -> Tally:
    return Tally(maxretry, findtime, ceiling)


def add(counted: Tally, *times: float) -> list[bool]:
    return [bool(strike(counted, A, time)) for time in times]


def test_the_last_of_maxretry_failures_is_full() -> None:
    assert add(tally(), 100, 110, 120) == [False, False, True]


def test_a_full_window_names_its_failures() -> None:
    counted = tally()
    add(counted, 100, 110)
    assert strike(counted, A, 120) == (100, 110, 120)


def test_maxretry_one_is_full_at_once() -> None:
    assert add(tally(maxretry=1), 100) == [True]


def test_failures_exactly_findtime_apart_count_together() -> None:
    assert add(tally(), 100, 130, 160) == [False, False, True]


def test_failures_more_than_findtime_apart_do_not() -> None:
    assert add(tally(), 100, 130, 160.001) == [False, False, False]


def test_the_window_slides() -> None:
    assert add(tally(), 0, 50, 100, 105) == [False, False, False, True]


def test_never_full_while_slow_enough() -> None:
    assert not any(add(tally(), *range(0, 10_000, 31)))


def test_times_out_of_order_count_as_if_in_order() -> None:
    assert add(tally(), 120, 100, 110) == [False, False, True]


def test_a_late_failure_does_not_hide_the_newest() -> None:
    assert add(tally(), 100, 200, 20, 210, 220) == [False, False, False, False, True]


def test_a_window_ends_with_its_newest_failure_whatever_came_last() -> None:
    counted = tally()
    add(counted, 120, 100)
    assert strike(counted, A, 110)[-1] == 120


def test_a_failure_within_the_slack_counts_with_those_before_it() -> None:
    counted = tally()
    add(counted, 100, 101)
    strike(counted, B, 102 + SLACK)
    assert strike(counted, A, 102)


def test_a_failure_later_than_the_slack_is_forgotten() -> None:
    counted = tally()
    strike(counted, B, 10_000)
    assert add(counted, 9_000, 9_001, 9_002) == [False, False, False]


def test_equal_times_all_count() -> None:
    assert add(tally(), 100, 100, 100) == [False, False, True]


def test_offenders_are_counted_apart() -> None:
    counted = tally()
    add(counted, 100, 101)
    assert not strike(counted, B, 102)


def test_no_more_than_maxretry_times_are_kept() -> None:
    counted = tally()
    add(counted, *range(0, 4000, 40))
    assert {len(times) for _, times in counted} == {3}


def test_forget_gives_back_what_counted() -> None:
    counted = tally()
    add(counted, 100, 110)
    assert counted.forget(A) == (100, 110)
    assert len(counted) == 0


def test_a_forgotten_offender_starts_anew() -> None:
    counted = tally()
    add(counted, 100, 110)
    counted.forget(A)
    assert add(counted, 120, 121, 122) == [False, False, True]


def test_forgetting_a_stranger_gives_nothing() -> None:
    assert tally().forget(A) == ()


def test_those_who_failed_within_findtime_are_counted() -> None:
    counted = tally()
    strike(counted, A, 100)
    strike(counted, B, 150)
    assert [counted.count(now) for now in (150, 165, 300)] == [2, 1, 0]


def test_stale_offenders_are_dropped_by_others_failures() -> None:
    counted = tally()
    for number in range(100):
        strike(counted, parse(f"198.51.100.{number}"), 100)
    for time in range(60):
        strike(counted, A, 10_000 + time * 100)
    assert [offender for offender, _ in counted] == [A]


def test_failures_of_anybody_make_others_stale() -> None:
    """Also those that never reach the tally: of an offender that is banned already."""
    counted = tally()
    add(counted, 100, 101)
    counted.seen(10_000, LATER)
    assert add(counted, 102) == [False]
    assert len(counted) == 0


def test_a_clock_that_was_ahead_once_makes_nothing_stale() -> None:
    counted = tally()
    counted.seen(5e9, 5e9)
    for time in (1000.0, 1001.0):
        counted.seen(time, 1002)
        counted.add(A, time)
    assert counted.add(A, 1002)
