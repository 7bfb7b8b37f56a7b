"""Who could want an entry, told from its message and, where that is not enough, from a field or two."""

import random

import pytest

from f2b.config.settings import Reading
from f2b.detect.net import Watched
from f2b.detect.sieve import MOST_REMEMBERED, NOBODY, Sieve
from f2b.journal.sift import Field
from f2b.model import Marks
from tests.support.sieving import ENGINES, engine, fields, jail, sieve

BAD = r"refused login of <F-USER>\S+</F-USER> from <HOST>$"
LINE = b"refused login of root from 192.0.2.7"
ANY = r"^\S+ \S+ <F-ID>\S+</F-ID>"
"""A regex that nothing can be said of."""

nothing = fields()


@pytest.fixture(params=ENGINES, autouse=True)
def current(request: pytest.FixtureRequest) -> str | None:
    return engine(request.param)


@pytest.fixture
def made(current: str | None) -> "Maker":
    return Maker(current)


class Maker:
    def __init__(self, current: str | None) -> None:
        self._engine = current

    def __call__(self, *jails: Watched, small: bool = True) -> Sieve:
        return sieve(jails, self._engine, small=small)

    def marks(self, jail: Watched, message: bytes, field: Field = nothing) -> Marks:
        return self(jail).candidates(message, field)


def test_a_line_that_matches_is_named_with_its_places(made: Maker) -> None:
    jails = made(jail("another thing of <HOST>$", BAD, "third thing of <HOST>$"))
    assert jails.candidates(LINE, nothing) == {"test": (1,)}


def test_places_are_in_ascending_order(made: Maker) -> None:
    assert made.marks(jail(BAD, f"x?{BAD}", f"y?{BAD}"), LINE) == {"test": (0, 1, 2)}


def test_a_line_of_nobody_s_is_nobody_s(made: Maker) -> None:
    assert made.marks(jail(BAD), b"granted login to root from 192.0.2.7") is NOBODY
    assert made.marks(jail(BAD), b"") is NOBODY
    assert made().candidates(LINE, nothing) is NOBODY


def test_jails_with_the_same_regex_are_both_named(made: Maker) -> None:
    jails = made(jail(BAD, name="a"), jail(BAD, name="b"))
    assert jails.candidates(LINE, nothing) == {"a": (0,), "b": (0,)}


def test_no_field_is_fetched_where_all_is_told_by_messages(made: Maker) -> None:
    fetched: list[str] = []

    def field(name: str) -> bytes:
        fetched.append(name)
        raise KeyError(name)

    made(jail(BAD)).named_plainly(LINE, field)
    assert fetched == []


def test_a_message_that_will_be_cut_is_everybody_s(made: Maker) -> None:
    jails = made(jail(BAD, name="a", maxlength=2000), jail(BAD, name="b", maxlength=4096))
    assert jails.candidates(b"x" * 2000, nothing) == {}
    assert jails.candidates(b"x" * 2001, nothing) == {"a": None, "b": None}


@pytest.mark.parametrize(
    "message",
    [
        b"refused login of r\xff\xfet from 192.0.2.7",
        "refused login of r\u00f6t from 192.0.2.7".encode(),
        b"refused login of ro\nt from 192.0.2.7",
        b"refused login of ro\0t from 192.0.2.7",
        b"two\nlines: refused login of root from 192.0.2.7",
    ],
)
def test_what_is_no_ascii_or_no_line_is_read_as_the_filter_reads_it(
    made: Maker, message: bytes
) -> None:
    assert made.marks(jail(BAD), message) == {"test": (0,)}


def test_case_is_ignored_as_python_ignores_it(made: Maker) -> None:
    regex = f"(?i){BAD.replace('login', 'risk').replace('of', 'gone of')}"
    for word in ("RISK", "ri\u017fk", "R\u0130S\u212a", "r\u0131sk"):
        message = f"refused {word} gone of root from 192.0.2.7".encode()
        assert made.marks(jail(regex), message) == {"test": (0,)}


def test_what_is_remembered_has_an_end(made: Maker) -> None:
    regexes = [f"number {number} of <HOST>" for number in range(100, 140)]
    jails, dice = made(jail(*regexes)), random.Random(1)
    for _ in range(3 * MOST_REMEMBERED):
        some = dice.sample(range(40), 5)
        message = " ".join(f"number {100 + number} of 192.0.2.7 x" for number in some)
        assert jails.candidates(message.encode(), nothing) == {"test": tuple(sorted(some))}
    assert len(jails._known) <= MOST_REMEMBERED


# --- readings --------------------------------------------------------------------------------------


def test_the_date_in_a_message_is_cut_where_the_filter_cuts_it(made: Maker) -> None:
    message = b"refused Jan  5 10:20:30 login of root from 192.0.2.7"
    regex = BAD.replace("refused ", "refused Jan .*")
    assert made.marks(jail(regex, reading=Reading.MESSAGE), message) == {}
    assert made.marks(jail(regex), message) == {"test": (0,)}


def test_both_readings_are_put_together(made: Maker) -> None:
    jails = made(
        jail(
            r"host a: x <HOST>",
            f"^{BAD}",
            r"\]: refused login of \S+ from <HOST>",
            reading=Reading.BOTH,
        )
    )
    assert set(jails.candidates(LINE, nothing)["test"] or ()) >= {1, 2}


def test_the_first_words_of_a_message_that_is_the_line_count(made: Maker) -> None:
    jails = made(jail("^refused <HOST>", reading=Reading.MESSAGE))
    assert jails.candidates(b"refused 192.0.2.7", nothing) == {"test": (0,)}
    assert jails.candidates(b"accepted 192.0.2.7", nothing) == {}


# --- who wants entries whatever they say -----------------------------------------------------------


def test_a_regex_of_which_nothing_can_be_said_is_asked_about_the_jail_s_entries(
    made: Maker,
) -> None:
    jails = made(jail(BAD, ANY, match="_SYSTEMD_UNIT=a.service + _SYSTEMD_UNIT=b.service"))
    assert jails.candidates(b"x", fields(_SYSTEMD_UNIT=b"b.service")) == {"test": (1,)}
    assert jails.candidates(LINE, fields(_SYSTEMD_UNIT=b"a.service")) == {"test": (0, 1)}
    assert jails.candidates(b"x", fields(_SYSTEMD_UNIT=b"c.service")) == {}
    assert jails.candidates(b"x", nothing) == {}


def test_who_remembers_lines_is_asked_about_all_of_his(made: Maker) -> None:
    jails = made(jail(BAD, maxlines=3), jail(BAD, name="other"))
    assert jails.candidates(b"x", fields(_SYSTEMD_UNIT=b"test.service")) == {"test": None}
    assert jails.candidates(LINE, nothing) == {"other": (0,)}


def test_who_reads_everything_and_remembers_it_is_asked_about_everything(made: Maker) -> None:
    assert made.marks(jail(BAD, maxlines=3, match="*"), b"x") == {"test": None}


# --- heads -----------------------------------------------------------------------------------------

OTHERS = (
    "SYSLOG_IDENTIFIER=test",
    "*",
    "CONTAINER_NAME=test",
    "_UID=0",
    "_TRANSPORT=kernel",
)
OF_PROCESSES = (
    "_SYSTEMD_UNIT=docker.service",
    "_COMM=test",
    "_COMM=test _UID=0",
    "SYSLOG_IDENTIFIER=test _UID=0",
)

own = {
    "SYSLOG_IDENTIFIER": b"test", "_COMM": b"test", "CONTAINER_NAME": b"test", "_UID": b"0", "_TRANSPORT": b"kernel",
    "_SYSTEMD_UNIT": b"docker.service", "_PID": b"7",
}  # fmt: skip


def entry(**changes: bytes) -> Field:
    return {**own, **changes}.__getitem__


@pytest.mark.parametrize("match", [*OTHERS, *OF_PROCESSES])
def test_a_name_with_blanks_may_hold_anything(made: Maker, match: str) -> None:
    jails = made(jail(BAD, match=match))
    assert jails.candidates(b"x", entry()) == {}
    assert jails.candidates(LINE, entry()) == {"test": (0,)}
    for ident in (b"refused login of", b"te\tst", "t\xe9st".encode()):
        assert jails.candidates(b"x", entry(SYSLOG_IDENTIFIER=ident)) == {"test": None}
        assert jails.candidates(b"x", entry(SYSLOG_IDENTIFIER=b"", _COMM=ident)) == {"test": None}
        assert jails.named_plainly(b"x", entry(_COMM=ident)) == {}


def test_a_host_with_capital_letters_may_hold_anything_where_others_have_none(made: Maker) -> None:
    jails = made(jail(BAD))
    for host in (b"Refused", "h\xe9".encode(), b"two words"):
        assert jails.candidates(b"x", entry(_HOSTNAME=host)) == {"test": None}
    assert jails.candidates(b"x", entry(_HOSTNAME=b"web-1.example.org")) == {}
    assert made(jail(BAD), small=False).candidates(b"x", entry(_HOSTNAME=b"Refused")) == {}


def test_an_entry_without_any_name_may_be_anybody_s(made: Maker) -> None:
    assert made(jail(BAD)).candidates(b"x", {"_PID": b"7"}.__getitem__) == {"test": None}


@pytest.mark.parametrize("match", OTHERS)
def test_the_kernel_and_who_has_no_pid_have_another_head(made: Maker, match: str) -> None:
    jails = made(jail(BAD, match=match))
    if "IDENTIFIER" not in match:
        assert jails.candidates(b"x", entry(SYSLOG_IDENTIFIER=b"kernel")) == {"test": None}
    assert jails.candidates(b"x", entry(_PID=b"")) == {"test": None}
    assert jails.candidates(b"x", entry(_PID=b"", SYSLOG_PID=b"7")) == {}
    assert jails.candidates(b"x", entry(SYSLOG_PID=b"7] refused login")) == {}


def test_whose_unit_is_looked_at_has_a_usual_head(made: Maker) -> None:
    asked = []

    def field(name: str) -> bytes:
        asked.append(name)
        return own[name]

    lines = jail(BAD, name="lines", match="_SYSTEMD_UNIT=other.service", maxlines=3)
    jails = made(jail(BAD, match="SYSLOG_IDENTIFIER=test"), lines)
    assert jails.named_plainly(b"x", field) == {}
    assert asked == ["_SYSTEMD_UNIT"]
    without = {
        name: value for name, value in own.items() if "PID" not in name and "UNIT" not in name
    }
    assert jails.named_plainly(b"x", without.__getitem__) == {"test": None}


def test_where_the_journal_knows_no_such_value_no_field_is_looked_at(made: Maker) -> None:
    jails = made(
        jail(BAD, name="here", match="_SYSTEMD_UNIT=here.service", maxlines=3),
        jail(BAD, name="gone", match="_COMM=gone", maxlines=3),
    )
    assert {"_SYSTEMD_UNIT", "_COMM", "SYSLOG_IDENTIFIER"} <= {*jails.index}
    within = jails.within({"_SYSTEMD_UNIT": {b"here.service"}, "_COMM": {b"other"}})
    here = {"_SYSTEMD_UNIT": b"here.service"}.__getitem__
    assert within.named_plainly(b"x", here) == {"here": None}
    gone = {"_SYSTEMD_UNIT": b"x.service", "_COMM": b"gone"}.__getitem__
    assert within.named_plainly(b"x", gone) == {}
    assert jails.named_plainly(b"x", gone) == {"gone": None}


def test_another_head_is_no_matter_for_another_jail(made: Maker) -> None:
    jails = made(jail(BAD, match="CONTAINER_NAME=test"))
    assert jails.candidates(b"x", entry(CONTAINER_NAME=b"other", _PID=b"")) == {}


@pytest.mark.parametrize("match", OF_PROCESSES)
def test_of_processes_journald_knows_the_pid(made: Maker, match: str) -> None:
    assert made.marks(jail(BAD, match=match), b"x", entry(_PID=b"")) == {}


def test_a_message_that_is_the_line_has_no_head(made: Maker) -> None:
    assert made.marks(jail(BAD, match="*", reading=Reading.MESSAGE), b"x") == {}


def test_beside_who_wants_all_of_a_unit_others_lose_their_dates(made: Maker) -> None:
    """The unit of the entry says that it goes nowhere, and only without its date it is somebody's."""
    regex = "user::wrong<HOST>$"
    dated = jail(regex, match="SYSLOG_IDENTIFIER=test", reading=Reading.MESSAGE)
    jails = made(jail(ANY, name="all", match="_SYSTEMD_UNIT=all.service"), dated)
    there = fields(_SYSTEMD_UNIT=b"test.service")
    message = b"user:Jan  5 10:20:30:wrong192.0.2.7"
    assert jails.candidates(message, there) == {"test": (0,)}


def test_beside_who_wants_all_of_a_unit_others_want_everything(made: Maker) -> None:
    jails = made(
        jail(ANY, name="all", match="_SYSTEMD_UNIT=all.service"),
        jail(BAD, name="lines", match="*", maxlines=2),
    )
    assert jails.candidates(b"anything", fields(_SYSTEMD_UNIT=b"a.service")) == {"lines": None}
