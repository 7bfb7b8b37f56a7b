"""All jails together: who reads an entry, who is never counted, what a reload and an unban do."""

import pytest

from f2b.addresses import parse
from f2b.decide.engine import Engine
from f2b.decide.ignore import IgnoreList
from f2b.errors import ControlError
from f2b.model import Decision, Forgiven, Found, Lifted, Reason
from tests.unit.decide.making import (
    CUSTOM,
    LATER,
    PLAIN,
    RECIDIVE,
    banned,
    bans,
    entry,
    fail,
    failure,
    jail,
    lifted,
    located,
)

A = "192.0.2.7"


def feed(engine: Engine, address: str, *times: float, now: float = 1000) -> list[Decision]:
    return [
        decision for time in times for decision in engine.feed(entry(f"bad {address}", time), now)
    ]


def found(decisions: list[Decision]) -> list[str]:
    return [decision.jail for decision in decisions if isinstance(decision, Found)]


# --- who reads an entry ---


def test_an_entry_goes_to_every_jail_whose_journalmatch_fits() -> None:
    engine = Engine([jail(), jail(name="other"), jail(name="custom", filter=CUSTOM)])
    assert found(feed(engine, A, 1000)) == ["sshd", "other"]


def test_an_entry_that_fits_no_journalmatch_is_nobodys() -> None:
    engine = Engine([jail()])
    assert engine.feed(entry(f"bad {A}", _COMM=b"b"), 1000) == []
    assert engine.entries == 1


def test_our_own_log_lines_are_no_failures() -> None:
    assert Engine([jail()]).feed(entry(f"bad {A}", _SYSTEMD_UNIT=b"f2b.service"), 1000) == []


def test_warming_up_decides_and_counts_nothing() -> None:
    sshd = jail(maxretry=1)
    Engine([sshd]).warm(entry(f"bad {A}"))
    assert (sshd.found, len(sshd.tally), len(sshd.ledger)) == (0, 0, 0)


def test_a_filter_that_raises_stops_nobody_else_and_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sshd, other = jail(maxretry=1), jail(name="other", maxretry=1)
    monkeypatch.setattr(sshd.filter, "find", {}.__getitem__)
    engine = Engine([sshd, other])
    assert [ban.jail for ban in bans(feed(engine, A, 1000))] == ["other"]
    assert sshd.bug
    assert sshd.bug.endswith(f" at journal entry bad {A}@1000")
    assert other.bug is None


def test_a_filter_that_raises_does_not_end_warming_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sshd = jail()
    monkeypatch.setattr(sshd.filter, "find", {}.__getitem__)
    Engine([sshd]).warm(entry(f"bad {A}"))
    assert sshd.bug


# --- ignored ---


def test_an_ignored_address_is_not_counted() -> None:
    sshd = jail(maxretry=1, ignoreip=(parse("192.0.2.0/24"),))
    assert feed(Engine([sshd]), A, 1000) == []
    assert (sshd.found, sshd.passed) == (0, 1)


def test_an_address_of_this_machine_is_not_counted() -> None:
    sshd = jail(maxretry=1)
    assert feed(Engine([sshd], own=[parse(A)]), A, 1000) == []
    assert sshd.passed == 1


def test_without_ignoreself_it_is() -> None:
    assert bans(feed(Engine([jail(maxretry=1, ignoreself=False)], own=[parse(A)]), A, 1000))


def test_own_addresses_may_change() -> None:
    engine = Engine([jail(maxretry=1)])
    engine.own = IgnoreList([parse(A)])
    assert feed(engine, A, 1000) == []


def test_the_neighbour_in_the_network_of_an_ignored_address_is_counted() -> None:
    engine = Engine([jail(maxretry=1, ignoreip=(parse("2001:db8::1"),))])
    assert feed(engine, "2001:db8::1", 1000) == []
    assert [str(ban.offender) for ban in bans(feed(engine, "2001:db8::2", 1000))] == [
        "2001:db8::/64"
    ]


# --- time ---


def test_an_entry_from_the_future_is_clipped_to_now_and_counted() -> None:
    engine = Engine([jail(maxretry=1)])
    (ban,) = bans(feed(engine, A, 5000, now=1000))
    assert (ban.start, engine.clipped) == (1000, 1)


def test_an_entry_up_to_a_second_ahead_keeps_its_time() -> None:
    engine = Engine([jail(maxretry=1)])
    (ban,) = bans(feed(engine, A, 1001, now=1000))
    assert (ban.start, engine.clipped) == (1001, 0)


def test_a_clock_behind_the_newest_failure_known_clips_nothing_before_it() -> None:
    engine = Engine([jail(maxretry=1)], newest=5000)
    (ban,) = bans(feed(engine, A, 4000, now=1000))
    assert (ban.start, engine.clipped) == (4000, 0)


def test_a_clock_that_goes_back_lifts_nothing() -> None:
    engine = Engine([jail(maxretry=1)])
    feed(engine, A, 1000)
    assert engine.tick(0) == []


def test_a_clock_behind_the_newest_failure_known_lifts_nothing() -> None:
    engine = Engine([jail(name="custom", filter=CUSTOM)], newest=5000)
    engine.ban("custom", parse(A), 1000, 600)
    assert engine.tick(2000) == []
    assert len(lifted(engine.tick(5000))) == 1


def test_a_clock_that_goes_back_behind_a_failure_lifts_nothing() -> None:
    engine = Engine([jail(), jail(name="custom", filter=CUSTOM)])
    engine.ban("custom", parse("192.0.2.8"), 1000, 600)
    feed(engine, A, 2000, now=2000)
    assert engine.tick(1700) == []
    assert len(lifted(engine.tick(2000))) == 1


def test_the_tick_lifts_what_is_over_in_every_jail() -> None:
    engine = Engine([jail(maxretry=1), jail(name="other", maxretry=1)])
    feed(engine, A, 1000)
    assert engine.tick(1599) == []
    assert [ban.jail for ban in lifted(engine.tick(1600))] == ["sshd", "other"]


# --- recidive ---


def twice_banned() -> tuple[Engine, list[Decision]]:
    engine = Engine(
        [jail(maxretry=1, bantime=1), jail(name="recidive", filter=RECIDIVE, maxretry=2)]
    )
    decisions = feed(engine, A, 1000, now=1000)
    decisions += engine.tick(1001)
    return engine, decisions + feed(engine, A, 1010, now=1010)


def test_bans_are_the_failures_of_recidive() -> None:
    assert [ban.jail for ban in bans(twice_banned()[1])] == ["sshd", "sshd", "recidive"]


def test_its_ban_starts_with_the_ban_that_tipped_it() -> None:
    *_, last = bans(twice_banned()[1])
    assert (last.start, last.failures) == (1010, 2)


def test_its_failures_have_cursors_of_their_own() -> None:
    _, decisions = twice_banned()
    cursors = [d.failure.cursor for d in decisions if isinstance(d, Found)]
    assert len(set(cursors)) == len(cursors)


def test_its_own_bans_are_no_failures_of_another_recidive() -> None:
    first = jail(name="recidive", filter=RECIDIVE, maxretry=1)
    second = jail(name="again", filter=RECIDIVE, maxretry=2)
    feed(Engine([jail(maxretry=1), first, second]), A, 1000)
    assert (first.found, second.found) == (1, 1)


def test_hand_made_bans_are_no_failures() -> None:
    recidive = jail(name="recidive", filter=RECIDIVE, maxretry=1)
    engine = Engine([jail(name="custom", filter=CUSTOM), recidive])
    engine.ban("custom", parse(A), 1000, 60)
    assert recidive.found == 0


def test_prolonging_is_no_failure_of_recidive() -> None:
    recidive = jail(name="recidive", filter=RECIDIVE)
    feed(Engine([jail(maxretry=1), recidive]), A, 1000, 1001, 1002, now=1002)
    assert recidive.found == 1


def test_recidive_has_its_own_ignore_list() -> None:
    recidive = jail(name="recidive", filter=RECIDIVE, maxretry=1, ignoreip=(parse(A),))
    feed(Engine([jail(maxretry=1), recidive]), A, 1000)
    assert (banned(recidive), recidive.passed) == (set(), 1)


def test_an_ipv6_ban_is_one_failure_of_its_network() -> None:
    recidive = jail(name="recidive", filter=RECIDIVE, maxretry=1)
    feed(Engine([jail(maxretry=1), recidive]), "2001:db8::1", 1000)
    assert banned(recidive) == {"2001:db8::/64"}


# --- by hand ---


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1", "an address of this machine"),
        ("198.51.100.9", "in ignoreip of jail sshd"),
        ("198.51.100.0/28", "in ignoreip of jail sshd"),
    ],
)
def test_a_hand_made_ban_of_the_protected_is_refused(address: str, why: str) -> None:
    engine = Engine([jail(ignoreip=(parse("198.51.100.0/24"),))], own=[parse("192.0.2.1")])
    with pytest.raises(ControlError, match=f"{why} .--force bans it anyway.$"):
        engine.allow("sshd", parse(address))


def test_others_may_be_banned_by_hand() -> None:
    engine = Engine([jail()], own=[parse("192.0.2.1")])
    engine.allow("sshd", parse(A))
    assert [ban.source for ban in bans(engine.ban("sshd", parse(A), 1000, None))] == ["hand"]


def test_an_unknown_jail_is_named_with_those_that_run() -> None:
    with pytest.raises(ControlError, match=r"no jail named 'ssh' \(running: sshd, other\)"):
        Engine([jail(), jail(name="other")]).jail("ssh")


# --- unban ---


def test_unban_lifts_in_every_jail() -> None:
    engine = Engine([jail(maxretry=1), jail(name="other", maxretry=1)])
    feed(engine, A, 1000)
    assert [ban.jail for ban in lifted(engine.unban(parse(A), 1001))] == ["sshd", "other"]


def test_unban_in_one_jail_leaves_the_others() -> None:
    sshd, other = jail(maxretry=1), jail(name="other", maxretry=1)
    feed(engine := Engine([sshd, other]), A, 1000)
    engine.unban(parse(A), 1001, "sshd")
    assert (banned(sshd), banned(other)) == (set(), {A})


def test_unban_clears_the_failures_of_an_offender() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110)
    assert Engine([sshd]).unban(parse(A), 115) == [Forgiven("sshd", parse(A))]
    assert bans(fail(sshd, A, 120, 121)) == []


def test_unban_of_an_ipv6_address_lifts_the_ban_of_its_network() -> None:
    engine = Engine([jail(maxretry=1)])
    feed(engine, "2001:db8::1", 1000)
    (ban,) = lifted(engine.unban(parse("2001:db8::2"), 1001))
    assert str(ban.offender) == "2001:db8::/64"


def test_unban_of_a_network_lifts_everything_inside() -> None:
    sshd = jail(maxretry=1)
    engine = Engine([sshd])
    for address in ("192.0.2.7", "192.0.2.8", "192.0.3.7"):
        feed(engine, address, 1000)
    engine.unban(parse("192.0.2.0/24"), 1001)
    assert banned(sshd) == {"192.0.3.7"}


def test_unban_of_a_network_clears_the_failures_inside() -> None:
    sshd = jail()
    fail(sshd, A, 100, 110)
    fail(sshd, "192.0.3.7", 100, 110)
    decisions = Engine([sshd]).unban(parse("192.0.2.0/24"), 115)
    assert decisions == [Forgiven("sshd", parse(A))]
    assert bans(fail(sshd, A, 120)) == []
    assert bans(fail(sshd, "192.0.3.7", 120))


def test_unban_of_an_address_leaves_a_wider_hand_made_ban() -> None:
    custom = jail(name="custom", filter=CUSTOM)
    engine = Engine([custom])
    engine.ban("custom", parse("192.0.2.0/24"), 1000, 60)
    assert engine.unban(parse(A), 1001) == []
    assert engine.covering(parse(A)) == [("custom", parse("192.0.2.0/24"))]


def test_unban_all_lifts_everything() -> None:
    engine = Engine([jail(maxretry=1), jail(name="other", maxretry=1)])
    feed(engine, A, 1000)
    feed(engine, "192.0.2.8", 1000)
    assert len(lifted(engine.unban_all(1001))) == 4
    assert engine.covering(parse(A)) == []


def test_unban_all_in_one_jail() -> None:
    engine = Engine([jail(maxretry=1), jail(name="other", maxretry=1)])
    feed(engine, A, 1000)
    assert [ban.jail for ban in lifted(engine.unban_all(1001, "other"))] == ["other"]


# --- reload ---


def test_a_reload_keeps_the_bans_of_jails_that_stay() -> None:
    old, new = jail(maxretry=1), jail(maxretry=1)
    feed(engine := Engine([old]), A, 1000)
    new.adopt(old, [], 1001, same_filter=True)
    assert engine.swap([new], 1001) == []
    assert engine.covering(parse(A)) == [("sshd", parse(A))]


def test_a_jail_that_is_gone_lifts_its_bans() -> None:
    feed(engine := Engine([jail(maxretry=1)]), A, 1000)
    (decision,) = engine.swap([jail(name="other")], 1001)
    assert isinstance(decision, Lifted)
    assert (decision.reason, decision.at) == (Reason.JAIL_GONE, 1001)


def test_a_newly_ignored_offender_is_let_in() -> None:
    old, new = jail(maxretry=1), jail(maxretry=1, ignoreip=(parse("192.0.2.0/24"),))
    engine = Engine([old])
    feed(engine, A, 1000)
    feed(engine, "198.51.100.7", 1000)
    new.adopt(old, [], 1001, same_filter=True)
    (decision,) = engine.swap([new], 1001)
    assert isinstance(decision, Lifted)
    assert (decision.reason, decision.ban.offender) == (Reason.IGNORED, parse(A))


def test_who_was_banned_by_force_though_ignored_stays_out() -> None:
    old, new = (jail(name="custom", filter=CUSTOM, ignoreip=(parse(A),)) for _ in range(2))
    engine = Engine([old])
    engine.ban("custom", parse(A), 1000, 600)
    new.adopt(old, [], 1001, same_filter=True)
    assert engine.swap([new], 1001) == []
    assert banned(new) == {A}


def test_a_ban_for_a_failure_that_two_jails_see_stands_in_both() -> None:
    sshd, other = jail(maxretry=1), jail(name="other", maxretry=1)
    engine = Engine([sshd, other])
    engine.count(sshd, failure(A, 1000), 1000)
    assert engine.covering(parse(A)) == [("sshd", parse(A))]
    engine.count(other, failure(A, 1000), 1000)
    assert engine.covering(parse(A)) == [("sshd", parse(A)), ("other", parse(A))]


# --- what a sieve said ------------------------------------------------------------------------------


def test_only_marked_jails_are_asked_and_only_their_marked_regexes() -> None:
    filter_ = PLAIN._replace(failregex=located("bad <HOST>$", "good <HOST>$"))
    engine = Engine([jail(filter=filter_), jail(name="other", filter=filter_)])
    for marks, found in (
        (None, ["sshd", "other"]),
        ({"other": None}, ["other"]),
        ({"other": (0,), "gone": None}, ["other"]),
        ({"other": (1,)}, []),
    ):
        decisions = engine.feed(entry("bad 192.0.2.7")._replace(marks=marks), LATER)
        assert [d.jail for d in decisions if isinstance(d, Found)] == found
    assert engine.overlooked == ""


def test_what_the_sieve_overlooked_counts_and_is_told() -> None:
    engine = Engine([jail()])
    assert engine.feed(entry("good 192.0.2.7")._replace(marks={}), LATER) == []
    assert engine.overlooked == ""
    assert len(engine.feed(entry("bad 192.0.2.7")._replace(marks={}), LATER)) == 1
    assert engine.overlooked == "a failure of jail sshd, journal entry bad 192.0.2.7@1000.0"


def test_entries_passed_over_are_entries() -> None:
    engine = Engine([jail()])
    engine.pass_over(41)
    engine.feed(entry("bad 192.0.2.7"), LATER)
    assert engine.entries == 42
