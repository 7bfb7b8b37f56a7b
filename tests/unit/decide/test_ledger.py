"""Who is banned until when, and how often before."""

from f2b.addresses import Offender, parse
from f2b.decide.ledger import TRAIL, Ledger
from f2b.model import Ban, Lifted, Reason

A = parse("192.0.2.7")
B = parse("192.0.2.8")
REACH = 360
MANY = 1000


def ban(
    offender: Offender = A,
    start: float = 1000,
    until: float | None = 1600,
    session: str | None = None,
) -> Ban:
    return Ban("sshd", offender, start, until, session=session)


def ledger(*bans: Ban) -> Ledger:
    made = Ledger("sshd", REACH, 1000)
    for each in bans:
        made.ban(each)
    return made


def test_a_ban_is_in_force_until_it_expires() -> None:
    held = ledger(ban())
    assert held.expire(1599.9, MANY) == []
    assert [each.ban.offender for each in held.expire(1600, MANY)] == [A]
    assert held.get(A) is None


def test_the_first_ban_is_the_first_offence() -> None:
    assert ledger().ban(ban()).offence == 1


def test_each_ban_of_an_offender_counts_up() -> None:
    held = ledger(ban(), ban(B))
    held.expire(2000, MANY)
    assert held.ban(ban(start=3000, until=3600)).offence == 2


def test_a_ban_for_ever_never_expires() -> None:
    held = ledger(ban(until=None))
    assert held.expire(1e12, MANY) == []
    assert held.get(A)


def test_bans_expire_in_the_order_of_their_ends() -> None:
    held = ledger(ban(A, until=1700), ban(B, until=1650))
    assert [each.ban.offender for each in held.expire(2000, MANY)] == [B, A]


def test_no_more_expire_at_once_than_asked_for() -> None:
    held = ledger(*(ban(parse(f"192.0.2.{number}")) for number in range(5)))
    assert [len(held.expire(2000, 2)) for _ in range(4)] == [2, 2, 1, 0]


def test_an_end_says_why_and_when() -> None:
    held = ledger(ban(), ban(B, until=1650))
    assert held.expire(1601, MANY) == [Lifted(ban(), Reason.EXPIRED, 1601)]
    assert held.lift(B, Reason.UNBAN, 1602) == Lifted(ban(B, until=1650), Reason.UNBAN, 1602)


def test_a_prolonged_ban_expires_at_its_new_end() -> None:
    held = ledger(ban())
    held.prolong(A, 1700)
    assert held.expire(1650, MANY) == []
    assert [each.ban.until for each in held.expire(1700, MANY)] == [1700]


def test_a_ban_is_never_shortened() -> None:
    assert ledger(ban()).prolong(A, 1500) is None


def test_an_equal_end_prolongs_nothing() -> None:
    assert ledger(ban()).prolong(A, 1600) is None


def test_a_ban_for_ever_is_not_prolonged() -> None:
    assert ledger(ban(until=None)).prolong(A, 1e12) is None


def test_a_ban_can_become_one_for_ever() -> None:
    held = ledger(ban())
    held.prolong(A, None)
    assert held.expire(1e12, MANY) == []


def test_an_expired_ban_that_is_prolonged_is_in_force_again() -> None:
    held = ledger(ban())
    held.expire(1600, MANY)
    held.prolong(A, 1700)
    assert held.get(A)
    assert [each.ban.until for each in held.expire(1700, MANY)] == [1700]


def test_a_ban_lifted_early_is_not_prolonged() -> None:
    held = ledger(ban())
    held.lift(A, Reason.UNBAN, 1100)
    assert held.prolong(A, 9999) is None


def test_lifting_twice_lifts_once() -> None:
    held = ledger(ban())
    assert held.lift(A, Reason.UNBAN, 1100)
    assert held.lift(A, Reason.UNBAN, 1100) is None


def test_nobody_to_lift() -> None:
    assert ledger().lift(A, Reason.UNBAN, 1100) is None


def test_a_lifted_ban_does_not_expire_later() -> None:
    held = ledger(ban())
    held.lift(A, Reason.UNBAN, 1100)
    assert held.expire(1600, MANY) == []


def test_failures_until_the_end_belong_to_the_ban() -> None:
    held = ledger(ban())
    assert held.holds(A, 1600, None)
    assert held.holds(A, 1600.001, None) is None


def test_failures_before_the_ban_that_come_late_belong_to_it() -> None:
    assert ledger(ban()).holds(A, 990, None)


def test_failures_of_long_before_the_ban_do_not() -> None:
    held = ledger(ban())
    assert held.holds(A, 1000 - REACH, None)
    assert held.holds(A, 1000 - REACH - 0.001, None) is None


def test_how_far_a_ban_reaches_back_follows_a_reload() -> None:
    held = ledger(ban())
    held.resize(10, 1000)
    assert held.holds(A, 989, None) is None


def test_a_failure_in_an_expired_ban_still_belongs_to_it() -> None:
    held = ledger(ban())
    held.expire(2000, MANY)
    assert held.holds(A, 1599, None)


def test_failures_after_an_early_end_are_new() -> None:
    held = ledger(ban())
    held.lift(A, Reason.UNBAN, 1100)
    assert held.holds(A, 1100, None)
    assert held.holds(A, 1100.001, None) is None


def test_strangers_are_not_held() -> None:
    assert ledger(ban()).holds(B, 1100, None) is None


def test_later_lines_of_the_same_session_belong_to_the_ban() -> None:
    held = ledger(ban(until=1001, session="host sshd[5]"))
    assert held.holds(A, 1000 + TRAIL, "host sshd[5]")
    assert held.holds(A, 1000.001 + TRAIL, "host sshd[5]") is None
    assert held.holds(A, 1002, "host sshd[6]") is None


def test_a_ban_without_a_session_has_no_later_lines() -> None:
    assert ledger(ban(until=1001)).holds(A, 1002, None) is None


def test_the_ban_that_ends_first() -> None:
    held = ledger(ban(A, until=1700), ban(B, until=1650))
    held.prolong(B, 1800)
    soonest = held.soonest(keep=parse("192.0.2.255"))
    assert soonest
    assert soonest.offender == A


def test_the_ban_that_ends_first_among_those_for_ever_is_the_oldest() -> None:
    held = ledger(ban(until=None), ban(B, start=999, until=None))
    assert held.soonest(keep=parse("192.0.2.255")) == held.get(B)


def test_nothing_ends_first_in_an_empty_ledger() -> None:
    assert ledger().soonest(keep=parse("192.0.2.255")) is None


def test_what_was_loaded_is_in_force() -> None:
    held = ledger()
    held.load([ban()])
    assert [each.offender for each in held] == [A]
    assert [each.ban.offender for each in held.expire(1600, MANY)] == [A]


def test_an_ended_ban_is_loaded_for_its_offence() -> None:
    held = ledger()
    held.load([Lifted(ban(), Reason.EXPIRED, 1600)])
    assert len(held) == 0
    assert held.ban(ban(start=3000, until=3600)).offence == 2


def test_an_early_end_is_loaded() -> None:
    held = ledger()
    held.load([Lifted(ban(), Reason.UNBAN, 1100)])
    assert held.holds(A, 1200, None) is None


def test_an_expired_ban_that_was_loaded_holds_its_failures() -> None:
    held = ledger()
    held.load([Lifted(ban(), Reason.EXPIRED, 1650)])
    assert held.holds(A, 1600, None)
    assert held.holds(A, 1640, None) is None


def test_purged_offences_are_forgotten() -> None:
    held = ledger(ban())
    held.expire(1600, MANY)
    held.purge(1601, MANY)
    assert held.ban(ban(start=3000, until=3600)).offence == 1


def test_offences_that_ended_later_are_not_purged() -> None:
    held = ledger(ban())
    held.expire(1600, MANY)
    held.purge(1599, MANY)
    assert held.ban(ban(start=3000, until=3600)).offence == 2


def test_a_ban_for_ever_that_was_lifted_is_purged_by_its_end() -> None:
    held = ledger(ban(until=None))
    held.lift(A, Reason.IGNORED, 5000)
    held.purge(4000, MANY)
    assert held.ban(ban(start=6000)).offence == 2


def test_an_unban_forgets_the_offences() -> None:
    held = ledger(ban(), ban(start=3000, until=3600))
    held.lift(A, Reason.UNBAN, 3100)
    assert held.offences(A) == 0
    assert held.ban(ban(start=6000)).offence == 1


def test_a_ban_found_over_late_is_purged_by_when_that_was() -> None:
    """As in the store, else the two would count offences differently."""
    held = ledger(ban())
    held.expire(5000, MANY)
    held.purge(4000, MANY)
    assert held.ban(ban(start=6000)).offence == 2


def test_purging_goes_in_slices() -> None:
    held = ledger(*(ban(parse(f"192.0.2.{number}")) for number in range(5)))
    held.expire(1600, MANY)
    assert [held.purge(1601, 2) for _ in range(3)] == [True, True, False]
    assert held.ban(ban(parse("192.0.2.4"), start=3000)).offence == 1


def test_what_was_loaded_is_purged_oldest_end_first() -> None:
    held = ledger()
    held.load([Lifted(ban(A), Reason.EXPIRED, 1700), Lifted(ban(B), Reason.EXPIRED, 1600)])
    held.purge(1650, MANY)
    assert [held.ban(ban(who, start=3000)).offence for who in (A, B)] == [2, 1]


def test_who_is_banned_again_is_not_purged() -> None:
    held = ledger(ban())
    held.expire(1600, MANY)
    held.ban(ban(start=1700, until=1e13))
    held.purge(1e12, MANY)
    assert held.get(A)


def test_bans_in_force_are_not_purged() -> None:
    held = ledger(ban())
    held.purge(1e12, MANY)
    assert held.get(A)


def test_prolonging_a_hundred_thousand_times_keeps_little() -> None:
    held = ledger(ban())
    for step in range(100_000):
        held.prolong(A, 1601 + step)
    assert len(held._ends) < 200


def test_prolonging_does_not_lose_other_ends() -> None:
    held = ledger(ban(), ban(B, until=1650))
    for step in range(1000):
        held.prolong(A, 1700 + step)
    assert [each.ban.offender for each in held.expire(1650, MANY)] == [B]
