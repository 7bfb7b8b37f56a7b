"""How long a ban lasts: fail2ban's figures, and where we differ from it."""

from typing import Any

import pytest

from f2b.addresses import parse
from f2b.config.formula import formula
from f2b.config.settings import Increment
from f2b.decide.bantime import LONGEST, bantime, retries
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.model import Ban
from tests.unit.decide.making import (
    RECIDIVE,
    bans,
    fail,
    failure,
    jail,
    network,
    prolonged,
    settings,
)

A = "192.0.2.7"
HOUR = 3600.0


def lengths(number: int = 5, start: float = 1000.0, **options: Any) -> list[float | None]:
    grown = settings(increment=Increment(**options))
    return [bantime(grown, parse(A), start, earlier) for earlier in range(number)]


def growing(name: str = "sshd", **options: Any) -> Jail:
    return jail(name=name, maxretry=1, increment=Increment(**options))


def offend(jail: Jail, times: int, at: float = 1000.0) -> list[Ban]:
    """Fail, wait until the ban is over, and fail again."""
    made: list[Ban] = []
    for _ in range(times):
        made += bans(fail(jail, A, at))
        at = (made[-1].until or 0) + 1
        jail.expire(at)
    return made


# --- fail2ban's figures ---


@pytest.mark.parametrize(
    ("options", "figures"),
    [
        ({}, [600, 1200, 2400, 4800, 9600]),
        ({"factor": 2}, [600, 2400, 4800, 9600, 19200]),
        ({"multipliers": (1, 5, 30)}, [600, 3000, 18_000, 18_000, 18_000]),
        ({"multipliers": (1, 5, 30), "factor": 2}, [600, 6000, 36_000, 36_000, 36_000]),
        ({"multipliers": (1, 2), "factor": 0.25}, [600, 300, 300, 300, 300]),
        ({"maxtime": HOUR}, [600, 1200, 2400, 3600, 3600]),
        ({"formula": formula("ban.Time * (ban.Count + 1)")}, [600, 1200, 1800, 2400, 3000]),
        ({"formula": formula("1")}, [600] * 5),
    ],
)
def test_the_figures_of_fail2ban(options: dict[str, Any], figures: list[float]) -> None:
    assert lengths(**options) == figures


def test_without_increment_every_ban_lasts_bantime() -> None:
    assert {bantime(settings(), parse(A), 1000, earlier) for earlier in range(9)} == {600}


def test_a_ban_for_ever_cannot_grow() -> None:
    assert bantime(settings(bantime=None, increment=Increment()), parse(A), 1000, 3) is None


def test_the_doubling_ends() -> None:
    assert lengths(1000)[-1] == 600 * 2**20


def test_what_has_no_bounds_lasts_300_years_and_what_has_no_value_bantime() -> None:
    assert lengths(1000, formula=formula("ban.Time * math.exp(ban.Count)"))[-1] == LONGEST
    assert lengths(101, formula=formula("ban.Time / (ban.Count - 100) * 700"))[-1] == 600


# --- rndtime ---


def test_rndtime_is_added_to_every_ban_also_the_first() -> None:
    for plain, mixed in zip(lengths(), lengths(rndtime=300), strict=True):
        assert plain
        assert mixed
        assert plain < mixed < plain + 300


def test_rndtime_is_the_same_for_the_same_ban_and_another_for_another() -> None:
    first = {lengths(1, start, rndtime=300)[0] for start in (1000.0, 1000.000001, 1001.0)}
    assert len(first) == 3
    assert lengths(rndtime=300) == lengths(rndtime=300)
    elsewhere = settings(name="other", increment=Increment(rndtime=300))
    assert bantime(elsewhere, parse(A), 1000.0, 0) != lengths(rndtime=300)[0]


def test_rndtime_reaches_over_its_whole_range() -> None:
    drawn = [lengths(1, 1000 + start / 7, rndtime=300)[0] or 0 for start in range(200)]
    assert min(drawn) < 620
    assert max(drawn) > 880


def test_maxtime_bounds_rndtime_and_the_first_ban_too() -> None:
    assert lengths(6, rndtime=1e6, maxtime=HOUR)[-1] == HOUR
    assert lengths(1, maxtime=60) == [60]


# --- in a jail ---


def test_the_bans_of_an_offender_grow_from_their_first_second() -> None:
    made = offend(growing(), 4)
    assert [ban.offence for ban in made] == [1, 2, 3, 4]
    assert [(ban.until or 0) - ban.start for ban in made] == [600, 1200, 2400, 4800]


def test_a_failure_during_a_ban_gives_it_its_own_length_again() -> None:
    sshd = growing()
    second = offend(sshd, 1) + bans(fail(sshd, A, 2000))
    assert second[-1].until == 3200
    assert [ban.until for ban in prolonged(fail(sshd, A, 2100, 2200))] == [3300, 3400]


def test_a_ban_by_hand_counts_as_an_offence_and_lasts_what_was_typed() -> None:
    sshd = growing()
    sshd.ban_by_hand(network(A), 1000, 60)
    assert {ban.until for ban in sshd.ledger} == {1060}
    sshd.expire(1100)
    (ban,) = bans(fail(sshd, A, 1100))
    assert (ban.until, ban.offence) == (1100 + 1200, 2)


def test_a_reload_lets_the_offences_go_on() -> None:
    before, after = jail(maxretry=1), growing()
    offend(before, 2)
    after.adopt(before, [], 9000, same_filter=True)
    (ban,) = bans(fail(after, A, 9000))
    assert ban.until == 9000 + 2400


# --- known offenders ---


def test_a_failure_of_a_known_offender_weighs_2_3_5_9() -> None:
    grown = settings(maxretry=10, increment=Increment())
    assert [retries(grown, earlier) for earlier in range(6)] == [10, 5, 4, 2, 2, 1]
    assert retries(grown, 10**6) == 1
    assert retries(settings(maxretry=10), 5) == 10


def test_a_known_offender_is_banned_sooner() -> None:
    sshd = jail(maxretry=5, increment=Increment())
    needed = []
    at = 1000.0
    for _ in range(4):
        failures = 0
        made: list[Ban] = []
        while not made:
            made = bans(fail(sshd, A, at))
            at += 1
            failures += 1
        needed.append(failures)
        at = (made[-1].until or 0) + 1
        sshd.expire(at)
    assert needed == [5, 3, 2, 1]


# --- overalljails ---


def everywhere(**options: Any) -> tuple[Engine, Jail, Jail]:
    one, other = growing("one", overalljails=True, **options), growing("other", overalljails=True)
    return Engine([one, other]), one, other


def count(engine: Engine, jail: Jail, at: float, address: str = A) -> list[Ban]:
    return bans(engine.count(jail, failure(address, at), at))


def test_offences_in_other_jails_count_once_each() -> None:
    engine, one, other = everywhere()
    made, at = [], 1000.0
    for number in range(5):
        made += count(engine, (one, other)[number % 2], at)
        at = (made[-1].until or 0) + 1
        engine.tick(at)
    assert [(ban.until or 0) - ban.start for ban in made] == [600, 1200, 2400, 4800, 9600]
    assert [(ban.jail, ban.offence) for ban in made][-2:] == [("other", 2), ("one", 3)]


def test_offences_in_other_jails_count_for_nobody_else_and_not_unless_asked() -> None:
    engine, one, other = everywhere()
    alone = growing("alone")
    engine.swap([one, other, alone], 1000)
    count(engine, one, 1000)
    assert [ban.until for ban in count(engine, other, 1000, "192.0.2.8")] == [1600]
    assert [ban.until for ban in count(engine, alone, 1000)] == [1600]


def test_offences_of_a_neighbour_in_the_same_network_are_the_networks() -> None:
    engine, one, other = everywhere()
    count(engine, one, 1000, "2001:db8::1")
    assert [ban.until for ban in count(engine, other, 1000, "2001:db8::2")] == [2200]


def test_a_ban_for_being_banned_is_no_offence_elsewhere() -> None:
    engine, one, other = everywhere()
    recidive = jail(name="recidive", filter=RECIDIVE, maxretry=1)
    engine.swap([one, other, recidive], 1000)
    assert [ban.jail for ban in count(engine, one, 1000)] == ["one", "recidive"]
    assert count(engine, other, 1000)[0].until == 2200


def test_a_prolonged_ban_counts_itself_once() -> None:
    engine, one, other = everywhere()
    count(engine, one, 1000)
    count(engine, other, 1000)
    assert [ban.until for ban in prolonged(engine.count(other, failure(A, 1100), 1100))] == [2300]
