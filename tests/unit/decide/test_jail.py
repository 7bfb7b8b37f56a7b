"""The life around a ban: what comes before, during and after it."""

import pytest

from f2b.decide.jail import EXPIRED_AT_ONCE
from f2b.decide.tally import SLACK
from f2b.errors import FilterError
from f2b.model import Ban, Found, Lifted, Reason
from tests.unit.decide.making import (
    CUSTOM,
    PLAIN,
    bans,
    fail,
    failure,
    jail,
    lifted,
    located,
    network,
    prolonged,
)

A = "192.0.2.7"


def counts(decisions: list[object]) -> list[bool]:
    return [decision.counts for decision in decisions if isinstance(decision, Found)]


def test_maxretry_failures_bring_a_ban() -> None:
    assert [str(ban.offender) for ban in bans(fail(jail(), A, 100, 110, 120))] == [A]


def test_one_fewer_brings_none() -> None:
    assert bans(fail(jail(), A, 100, 110)) == []


def test_a_ban_starts_at_its_last_failure_not_now() -> None:
    (ban,) = bans(fail(jail(), A, 100, 110, 120, now=300))
    assert (ban.start, ban.until) == (120, 720)


def test_a_ban_starts_at_the_newest_failure_when_the_last_came_late() -> None:
    (ban,) = bans(fail(jail(), A, 120, 100, 110, now=130))
    assert ban.start == 120


def test_a_ban_knows_its_failures_and_its_session() -> None:
    sshd = jail(maxretry=1)
    (ban,) = bans(sshd.count(failure(A, 100, "host sshd[5]"), 100))
    assert (ban.failures, ban.session, ban.offence) == (1, "host sshd[5]", 1)


def test_a_ban_for_ever_has_no_end() -> None:
    (ban,) = bans(fail(jail(bantime=None), A, 100, 110, 120))
    assert ban.until is None


def test_a_ban_whose_end_is_past_is_an_offence_but_not_enforced() -> None:
    sshd = jail()
    *_, decision = fail(sshd, A, 100, 110, 120, now=720)
    assert getattr(decision, "enforce", None) is False
    assert [ban.offence for ban in lifted(sshd.expire(720))] == [1]


def test_a_ban_that_lasts_a_moment_longer_is_enforced() -> None:
    *_, decision = fail(jail(), A, 100, 110, 120, now=719.9)
    assert getattr(decision, "enforce", None) is True


def test_a_ban_consumes_the_failures_that_caused_it() -> None:
    sshd = jail(bantime=1)
    fail(sshd, A, 100, 100, 100)
    sshd.expire(110)
    assert bans(fail(sshd, A, 110, 111)) == []


def test_failures_of_a_banned_offender_are_found_but_do_not_count() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert counts([*fail(sshd, A, 130, 140)]) == [False, False]
    assert sshd.found == 5


def test_failures_of_a_banned_offender_prolong_its_ban() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert [ban.until for ban in prolonged(fail(sshd, A, 130, 140))] == [730, 740]


def test_failures_of_a_banned_offender_bring_no_new_ban() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert bans(fail(sshd, A, *range(121, 700))) == []


def test_an_older_failure_of_a_banned_offender_prolongs_nothing() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert prolonged(fail(sshd, A, 115)) == []


def test_failures_during_a_ban_do_not_count_after_it() -> None:
    sshd = jail(bantime=10)
    fail(sshd, A, 100, 100, 100)
    fail(sshd, A, 105, 106)
    sshd.expire(120)
    assert bans(fail(sshd, A, 120, 121)) == []


def test_the_second_ban_is_the_second_offence() -> None:
    sshd = jail(bantime=10)
    fail(sshd, A, 100, 100, 100)
    sshd.expire(110)
    (ban,) = bans(fail(sshd, A, 200, 201, 202))
    assert ban.offence == 2


def test_a_failure_within_the_ban_that_is_read_after_its_end_revives_it() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    sshd.expire(720)
    assert [ban.until for ban in prolonged(fail(sshd, A, 719, now=721))] == [1319]
    assert sshd.ledger.get(network(A))


@pytest.mark.parametrize("ended", [Reason.EXPIRED, Reason.UNBAN])
def test_a_ban_of_a_clock_that_was_ahead_makes_nobody_immune(ended: Reason) -> None:
    sshd = jail(maxretry=1)
    fail(sshd, A, 5e9)
    if ended is Reason.EXPIRED:
        sshd.expire(5e9 + 601)
    else:
        sshd.lift(network(A), 5e9 + 1, ended)
    assert len(bans(fail(sshd, A, 1000))) == 1


def test_a_failure_of_a_clock_that_was_ahead_hides_no_others() -> None:
    sshd = jail()
    fail(sshd, A, 5e9)
    assert bans(fail(sshd, "192.0.2.9", 1000, 1001, 1002, now=1002))


def test_a_failure_longer_before_the_ban_than_the_window_is_counted() -> None:
    sshd = jail(maxretry=1)
    fail(sshd, A, 1000)
    assert counts([*fail(sshd, A, 1000 - 60 - SLACK - 1, now=1000)]) == [True]
    assert len(sshd.ledger) == 1


def test_no_more_bans_end_in_one_turn_than_the_loop_can_bear() -> None:
    custom = jail(filter=CUSTOM)
    for number in range(EXPIRED_AT_ONCE + 1):
        custom.ban_by_hand(network(f"10.0.{number // 256}.{number % 256}"), 1000, 60)
    assert [len(custom.expire(2000)) for _ in range(3)] == [EXPIRED_AT_ONCE, 1, 0]


def test_lines_of_the_same_session_never_start_a_new_count() -> None:
    sshd = jail(maxretry=1, bantime=1)
    sshd.count(failure(A, 100, "s1"), 100)
    sshd.expire(101)
    assert counts([*sshd.count(failure(A, 105, "s1"), 105)]) == [False]


def test_lines_of_another_session_start_a_new_count() -> None:
    sshd = jail(maxretry=1, bantime=1)
    sshd.count(failure(A, 100, "s1"), 100)
    sshd.expire(101)
    assert counts([*sshd.count(failure(A, 104, "s2"), 104)]) == [True]


def test_lines_of_the_same_session_do_not_undo_an_unban() -> None:
    sshd = jail(maxretry=1)
    sshd.count(failure(A, 100, "s1"), 100)
    sshd.lift(network(A), 101, Reason.UNBAN)
    assert sshd.count(failure(A, 102, "s1"), 102) == [
        Found("sshd", network(A), failure(A, 102, "s1"), counts=False)
    ]


def test_after_an_unban_failures_count_anew() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    sshd.lift(network(A), 130, Reason.UNBAN)
    assert bans(fail(sshd, A, 131, 132)) == []
    assert [ban.offence for ban in bans(fail(sshd, A, 133))] == [1]


def test_a_failure_from_before_the_unban_that_comes_late_does_not_count() -> None:
    sshd = jail(maxretry=1)
    fail(sshd, A, 100)
    sshd.lift(network(A), 130, Reason.UNBAN)
    assert counts([*fail(sshd, A, 129, now=131)]) == [False]


def test_ipv6_is_counted_and_banned_by_its_network() -> None:
    sshd = jail()
    fail(sshd, "2001:db8::1", 100)
    fail(sshd, "2001:db8::2", 110)
    (ban,) = bans(fail(sshd, "2001:db8::ffff:1", 120))
    assert str(ban.offender) == "2001:db8::/64"


def test_neighbouring_networks_are_counted_apart() -> None:
    sshd = jail()
    fail(sshd, "2001:db8::1", 100, 110)
    assert bans(fail(sshd, "2001:db8:0:1::1", 120)) == []


@pytest.mark.parametrize(("prefix", "banned"), [(32, "198.51.100.7"), (24, "198.51.100.0/24")])
def test_ipv4_is_banned_by_the_jails_prefix(prefix: int, banned: str) -> None:
    (ban,) = bans(fail(jail(maxretry=1, ipv4prefix=prefix), "198.51.100.7", 100))
    assert str(ban.offender) == banned


def test_a_hand_made_ban_is_exactly_what_was_typed() -> None:
    sshd = jail(ipv4prefix=24, ipv6prefix=64)
    typed = ("198.51.100.7", "2001:db8::1", "203.0.113.0/25")
    made = [ban for text in typed for ban in bans(sshd.ban_by_hand(network(text), 100, 60))]
    assert [str(ban.offender) for ban in made] == list(typed)


def test_a_hand_made_ban_lasts_from_now() -> None:
    (ban,) = bans(jail().ban_by_hand(network(A), 100, 60))
    assert (ban.start, ban.until, ban.source, ban.failures) == (100, 160, "hand", 0)


def test_banning_by_hand_who_is_banned_longer_decides_nothing() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert sshd.ban_by_hand(network(A), 130, 60) == []


def test_banning_by_hand_prolongs() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    assert [ban.until for ban in prolonged(sshd.ban_by_hand(network(A), 130, None))] == [None]


def test_banning_by_hand_consumes_failures() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110)
    sshd.ban_by_hand(network(A), 111, 1)
    sshd.expire(112)
    assert bans(fail(sshd, A, 113)) == []


def test_lifting_says_why_and_when() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110, 120)
    (decision,) = sshd.lift(network(A), 130, Reason.JAIL_GONE)
    assert isinstance(decision, Lifted)
    assert (decision.reason, decision.at) == (Reason.JAIL_GONE, 130)


def test_a_reload_keeps_bans_failures_and_figures() -> None:
    old, new = jail(), jail(bantime=1200)
    fail(old, A, 100, 110, 120)
    fail(old, "192.0.2.8", 115, 116)
    new.adopt(old, [], 120, same_filter=True)
    assert new.ledger.get(network(A))
    assert [ban.until for ban in bans(fail(new, "192.0.2.8", 121))] == [1321]
    assert (new.found, new.banned) == (6, 2)


def test_a_reload_keeps_the_open_sessions_of_an_equal_filter_alone() -> None:
    old, same, other = jail(), jail(), jail()
    same.adopt(old, [], 120, same_filter=True)
    other.adopt(old, [], 120, same_filter=False)
    assert same.filter is old.filter
    assert other.filter is not old.filter


def test_a_reload_with_a_smaller_maxretry_bans_at_the_next_failure() -> None:
    old, new = jail(maxretry=5), jail(maxretry=3)
    fail(old, A, 100, 101, 102, 103)
    new.adopt(old, [], 120, same_filter=True)
    assert bans(fail(new, A, 104))


def test_a_reload_with_a_longer_findtime_counts_what_is_stored() -> None:
    old, new = jail(maxretry=2, findtime=10), jail(maxretry=3, findtime=100_000)
    fail(old, A, 1)
    fail(old, "192.0.2.8", 1000)
    fail(old, A, 1001)
    stored = [(network(A), 1), (network("192.0.2.8"), 1000), (network(A), 1001)]
    new.adopt(old, stored, 1001, same_filter=True)
    assert dict(new.tally) == {network(A): (1, 1001), network("192.0.2.8"): (1000,)}


def test_a_reload_counts_nothing_of_who_is_banned_meanwhile() -> None:
    old, new = jail(maxretry=1), jail(findtime=100_000)
    fail(old, A, 1000)
    new.adopt(old, [(network(A), 1000)], 1001, same_filter=True)
    assert len(new.tally) == 0


def test_a_jail_that_two_reloads_found_new_counts_once() -> None:
    first, second = jail(), jail()
    for made in (first, second):
        made.restore([(network(A), 100), (network(A), 110)], [], 110, 120)
    second.adopt(first, [], 120, same_filter=True)
    assert dict(second.tally) == {network(A): (100, 110)}


def test_equal_times_of_an_offender_survive_a_reload() -> None:
    old, new = jail(), jail()
    fail(old, A, 100, 100)
    new.adopt(old, [(network(A), 100)], 120, same_filter=True)
    assert dict(new.tally) == {network(A): (100, 100)}


def test_restored_failures_are_stale_by_the_newest_of_all() -> None:
    """Also by one that was consumed by its ban: else a restart counts what the live run did not."""
    sshd = jail()
    sshd.restore([(network(A), 600), (network(A), 601)], [], 1001, 2000)
    assert bans(fail(sshd, A, 602, now=2000)) == []


def test_a_newest_failure_ahead_of_the_clock_makes_no_restored_one_stale() -> None:
    sshd = jail()
    sshd.restore([(network(A), 600), (network(A), 601)], [], 5e9, 700)
    assert bans(fail(sshd, A, 602, now=700))


def test_restored_bans_are_among_all_that_were() -> None:
    sshd = jail()
    sshd.restore([], [Ban("sshd", network(A), 100, 900)], 100, 120)
    assert sshd.banned == 1


def test_restored_failures_count_on() -> None:
    sshd = jail()
    sshd.restore([(network(A), 100), (network(A), 110)], [], 110, 120)
    assert bans(fail(sshd, A, 120))


def test_restoring_bans_nobody_by_itself() -> None:
    sshd = jail()
    sshd.restore([(network(A), time) for time in (100, 110, 120)], [], 120, 120)
    assert len(sshd.ledger) == 0


def test_a_manual_jail_reads_nothing() -> None:
    assert jail(filter=CUSTOM).match is None


def test_a_bad_regex_breaks_the_jail_with_its_place() -> None:
    with pytest.raises(FilterError, match=r"^filter.d/test.conf:1: "):
        jail(filter=PLAIN.__class__(name="x", failregex=located("(<HOST>")))
