"""A connection that logs several lines: one login attempt is one failure."""

import pytest

from f2b.config.settings import FilterSettings, Located
from f2b.detect.filter import Filter
from f2b.detect.session import LIFETIME, USER, USERS, Sessions
from f2b.model import Failure
from tests.unit.decide.making import HERE, entry, located

DAEMON = FilterSettings(
    name="daemon",
    prefregex=Located(r"^<F-MLFID>a\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$", HERE),
    failregex=located(
        r"^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
        r"^bad <F-USER>\S+</F-USER>$",
        r"^bad <F-USER>\S+</F-USER> <HOST>$",
        r"^<F-MLFGAINED>good</F-MLFGAINED> <F-USER>\S+</F-USER>$",
        r"^<F-NOFAIL>(?:end|idle)</F-NOFAIL>$",
        r"^<F-MLFFORGET><F-NOFAIL>bye</F-NOFAIL></F-MLFFORGET>$",
    ),
    journalmatch=located("_COMM=a"),
)


class Log:
    """A log that is fed line by line; `run` gives the failures."""

    def __init__(self, maxsessions: int = 100) -> None:
        self.filter = Filter(
            FilterSettings(
                name="daemon",
                prefregex=DAEMON.prefregex,
                failregex=DAEMON.failregex,
                maxsessions=maxsessions,
            )
        )
        self.time = 1000.0

    def line(self, message: str, *, pid: int = 7, boot: bytes = b"one") -> Failure | None:
        found = self.filter.find(entry(message, self.time, _PID=b"%d" % pid, _BOOT_ID=boot))
        return found if isinstance(found, Failure) else None

    def run(self, *messages: str) -> list[str | None]:
        failures = [self.line(message) for message in messages]
        return [str(failure.address) if failure else None for failure in failures]


A = "192.0.2.7"


def test_a_helper_line_brings_the_address_of_later_failures() -> None:
    assert Log().run(f"from {A}", "bad root") == [None, A]


def test_every_failure_of_a_session_is_one() -> None:
    assert Log().run(f"from {A}", "bad root", "bad root") == [None, A, A]


def test_a_failure_before_its_address_waits_for_it() -> None:
    assert Log().run("bad root", f"from {A}") == [None, A]


def test_however_many_wait_they_are_one_failure() -> None:
    assert Log().run("bad root", "bad root", "bad root", f"from {A}") == [None, None, None, A]


def test_once_reported_the_next_helper_line_is_none() -> None:
    assert Log().run("bad root", f"from {A}", f"from {A}") == [None, A, None]


def test_a_waiting_failure_survives_helper_lines_without_address() -> None:
    assert Log().run("bad root", "end", f"from {A}") == [None, None, A]


def test_a_success_is_no_failure() -> None:
    assert Log().run(f"from {A}", "good root") == [None, None]


def test_a_success_clears_what_waited() -> None:
    assert Log().run("bad root", "good root", f"from {A}") == [None, None, None]


def test_a_success_of_the_same_user_after_a_failure_is_none() -> None:
    assert Log().run(f"from {A}", "bad root", "good root") == [None, A, None]


def test_a_success_of_a_second_user_is_a_failure() -> None:
    assert Log().run(f"from {A}", "bad root", "good guest") == [None, A, A]


def test_after_two_users_helper_lines_are_failures() -> None:
    assert Log().run(f"from {A}", "bad root", "bad guest", "end") == [None, A, A, A]


def test_a_forgotten_session_begins_anew() -> None:
    assert Log().run(f"from {A}", "bye", "bad root") == [None, None, None]


def test_the_forgetting_line_still_knows_its_session() -> None:
    assert Log().run("bad root", f"from {A}", "bad guest", "bye") == [None, A, A, A]


def test_a_forgotten_session_forgets_its_users() -> None:
    log = Log()
    log.run(f"from {A}", "bad root", "bye")
    assert log.run(f"from {A}", "good guest") == [None, None]


def test_a_failure_carries_session_and_user() -> None:
    log = Log()
    log.line("bad root")
    failure = log.line(f"from {A}")
    assert failure
    assert (failure.session, failure.user) == ("one a[7]: a[7]", "root")


def test_sessions_of_other_processes_are_others() -> None:
    log = Log()
    log.line(f"from {A}", pid=7)
    assert log.line("bad root", pid=8) is None


def test_a_process_id_of_another_boot_is_another_session() -> None:
    log = Log()
    log.line(f"from {A}", boot=b"one")
    assert log.line("bad root", boot=b"two") is None


def test_a_session_is_forgotten_after_its_lifetime() -> None:
    log = Log()
    log.line(f"from {A}")
    log.time += LIFETIME + 1
    assert log.line("bad root") is None


def test_a_session_lives_up_to_its_lifetime() -> None:
    log = Log()
    log.line(f"from {A}")
    log.time += LIFETIME
    assert log.line("bad root")


def test_the_address_of_the_latest_line_counts() -> None:
    assert Log().run(f"from {A}", "bad root 192.0.2.8") == [None, "192.0.2.8"]
    assert Log().run(f"from {A}", "bad root 2001:db8::1") == [None, "2001:db8::1"]


def test_an_invalid_address_is_dropped_and_counted() -> None:
    log = Log()
    assert log.run("from 999.1.1.1", "bad root") == [None, None]
    assert log.filter.invalid == 1


def test_an_address_of_another_family_replaces_the_first() -> None:
    log = Log()
    log.run(f"from {A}", "bad root 2001:db8::1")
    assert log.run("bad root") == ["2001:db8::1"]


# --- how far back a restart must read ---


def test_without_a_session_there_is_no_oldest() -> None:
    assert Sessions(10).oldest() is None


def test_the_oldest_is_the_one_that_began_first_however_recently_it_spoke() -> None:
    sessions = Sessions(10)
    for time, key in ((1000, "a"), (1001, "b"), (1200, "a"), (1400, "a")):
        sessions.merge(key, {}, time)
    assert sessions.oldest() == 1000


@pytest.mark.parametrize("end", ["mlfforget", "expiry", "ceiling"])
def test_a_session_that_is_over_is_not_the_oldest(end: str) -> None:
    sessions = Sessions(2 if end == "ceiling" else 10)
    sessions.merge("a", {}, 1000)
    sessions.merge("b", {}, 1001)
    match end:
        case "mlfforget":
            sessions.merge("a", {"mlfforget": ""}, 1002)
        case "expiry":
            sessions.merge("b", {}, 1002 + LIFETIME)
        case _:
            sessions.merge("c", {}, 1002)
    assert (
        sessions.oldest() == {"mlfforget": 1001, "expiry": 1002 + LIFETIME, "ceiling": 1001}[end]
    )


def test_a_failure_tells_all_users_of_its_session() -> None:
    log = Log()
    log.run(f"from {A}", "bad root")
    failure = log.line("bad guest")
    assert failure
    assert (failure.user, failure.users) == ("guest", ("root", "guest"))


def test_what_a_line_leaves_empty_stays() -> None:
    sessions = Sessions(1)
    sessions.merge("a", {"user": "root", "ip4": A}, 1000)
    groups, _, _ = sessions.merge("a", {"user": "", "ip4": ""}, 1000)
    assert groups == {"user": "root", "ip4": A}


def test_an_id_of_before_stays_beside_an_address() -> None:
    sessions = Sessions(1)
    sessions.merge("a", {"fid": "x", "ip4": A, "cidr": "24"}, 1000)
    groups, _, _ = sessions.merge("a", {"ip6": "::1"}, 1000)
    assert groups == {"fid": "x", "ip6": "::1"}


# --- the ceiling ---


def test_users_of_a_session_are_few_and_short() -> None:
    sessions = Sessions(1)
    for number in range(100):
        sessions.merge("a", {"user": f"{number}" * 1000}, 1000)
    _, users, _ = sessions.merge("a", {}, 1000)
    assert (len(users), max(map(len, users))) == (USERS, USER)


def test_the_least_recent_session_goes_first() -> None:
    log = Log(maxsessions=2)
    for pid in (1, 2, 3):
        log.line(f"from {A}", pid=pid)
    assert [log.line("bad root", pid=pid) is not None for pid in (2, 3)] == [True, True]
    assert log.line("bad root", pid=1) is None


def test_a_session_that_speaks_again_is_recent() -> None:
    log = Log(maxsessions=2)
    for pid in (1, 2, 1, 3):
        log.line(f"from {A}", pid=pid)
    assert log.line("bad root", pid=1)


def test_those_pushed_out_are_counted() -> None:
    sessions = Sessions(3)
    for key in "abcde":
        sessions.merge(key, {}, 1000)
    assert (len(sessions), sessions.evicted) == (3, 2)


@pytest.mark.parametrize("ceiling", [1, 2, 10])
def test_the_ceiling_holds(ceiling: int) -> None:
    sessions = Sessions(ceiling)
    for number in range(1000):
        sessions.merge(str(number % 37), {"nofail": ""}, 1000 + number)
        assert len(sessions) <= ceiling


def test_expired_sessions_are_dropped_by_others_lines() -> None:
    sessions = Sessions(100)
    for number in range(50):
        sessions.merge(str(number), {}, 1000)
    for number in range(30):
        sessions.merge("new", {}, 2000 + number)
    assert (len(sessions), sessions.evicted) == (1, 0)
