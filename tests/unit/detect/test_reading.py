"""The readings of an entry: the line built from its fields, the program's own line, or the one and else the other."""

from typing import Any

import pytest

from f2b.config.settings import FilterSettings, Located, Reading
from f2b.detect.filter import Filter
from f2b.detect.line import CAP
from f2b.model import Failure
from tests.unit.decide.making import HERE, entry, located

A, B = "192.0.2.7", "192.0.2.8"
DATE = "2026-01-01T00:00:00.123456+00:00"
MAIL = r"^[ ]?(?:\S+ )?mail\[\d+\]: bad <F-USER>.*</F-USER> from <HOST>$"


def made(
    reading: Reading,
    *failregex: str,
    ignore: tuple[str, ...] = (),
    prefix: str = "",
    lines: int = 1,
) -> Filter:
    return Filter(
        FilterSettings(
            name="test",
            reading=reading,
            failregex=located(*failregex),
            ignoreregex=located(*ignore),
            prefregex=Located(prefix, HERE) if prefix else None,
            maxlines=lines,
        )
    )


def find(filter_: Filter, message: str, time: float = 1000, **fields: Any) -> Failure | None:
    named = {"_HOSTNAME": b"host", "SYSLOG_IDENTIFIER": b"c0ffee", "_PID": b"9", **fields}
    found = filter_.find(entry(message, time, **named))
    return found if isinstance(found, Failure) else None


def who(filter_: Filter, message: str, **fields: Any) -> str | None:
    failure = find(filter_, message, **fields)
    return str(failure.address) if failure else None


@pytest.mark.parametrize(
    "message",
    [
        f"{DATE} host mail[3]: bad root from {A}",
        f"Jan  1 00:00:00 host mail[3]: bad root from {A}",
        f"host mail[3]: bad root from {A}",
        f"mail[3]: bad root from {A}",
    ],
)
def test_a_program_in_a_container_brings_its_own_line(message: str) -> None:
    assert who(made(Reading.MESSAGE, MAIL), message) == A
    assert who(made(Reading.BOTH, MAIL), message) == A
    assert who(made(Reading.BUILT, MAIL), message) is None


def test_what_the_fields_say_is_no_part_of_the_message() -> None:
    found = {
        reading: who(made(reading, MAIL), f"bad root from {A}", SYSLOG_IDENTIFIER=b"mail")
        for reading in Reading
    }
    assert found == {Reading.BUILT: A, Reading.MESSAGE: None, Reading.BOTH: A}


def test_a_date_within_the_line_goes_too() -> None:
    filter_ = made(Reading.MESSAGE, r'^<HOST> - \S+ \[\] "GET /admin')
    line = f'{A} - - [01/Jan/2026:00:00:00 +0000] "GET /admin HTTP/1.1" 404'
    assert who(filter_, line) == A


def test_the_program_may_leave_the_date_out() -> None:
    assert who(made(Reading.MESSAGE, "^ ?bad <HOST>$"), f"bad {A}") == A


def test_a_newline_forges_no_line() -> None:
    assert who(made(Reading.MESSAGE, "^bad <HOST>$"), f"hello\nbad {A}") is None


def test_the_cap_holds_for_both_readings() -> None:
    message = f"{DATE} host mail[3]: bad {'x' * 9 * CAP} from {A}"
    assert who(made(Reading.MESSAGE, MAIL), message) == A
    seen = find(made(Reading.BOTH, MAIL), message)
    assert seen
    assert seen.user
    assert len(seen.user) < CAP


# --- both: the second is for those of which the first says nothing ---


def test_an_entry_is_one_failure_whatever_matches() -> None:
    filter_ = made(Reading.BOTH, "bad <HOST>$")
    assert who(filter_, f"bad {A}") == A
    assert find(filter_, f"bad {A}", 1001)
    assert filter_.invalid == 0


def test_the_second_reading_is_not_asked_where_the_first_is_ignored() -> None:
    filter_ = made(Reading.BOTH, "bad .*<HOST>$", ignore=("^host c0ffee",))
    assert who(filter_, f"bad {A}") is None


def test_the_second_reading_is_not_asked_where_the_first_has_no_valid_address() -> None:
    filter_ = made(Reading.BOTH, r"^host c0ffee\[9\]: (?:\S+ )*<HOST>x$", r"^bad <HOST> ")
    assert who(filter_, f"bad {A} 999.9.9.9x") is None
    assert filter_.invalid == 1


def test_a_helper_line_of_the_first_reading_is_no_failure_of_the_second() -> None:
    filter_ = made(
        Reading.BOTH, r"^<F-NOFAIL>host <F-MLFID>c0ffee\[9\]</F-MLFID></F-NOFAIL>: bad <HOST>$", "^bad <HOST>$"
    )  # fmt: skip
    assert who(filter_, f"bad {A}") is None


def test_lines_of_several_are_kept_by_reading() -> None:
    filter_ = made(Reading.BOTH, "^one$<SKIPLINES>^two <HOST>$", lines=5)
    assert [who(filter_, text) for text in ("one", "x", f"two {A}", f"two {B}")] == [
        None, None, A, None,
    ]  # fmt: skip
    assert filter_.oldest() == 1000


# --- sessions ---

SESSION = (r"^user <F-USER>\w+</F-USER> bad$", "^<F-NOFAIL>hello</F-NOFAIL> <HOST>$")


@pytest.mark.parametrize(
    "other",
    [
        {"_HOSTNAME": b"other"},
        {"_BOOT_ID": b"other"},
        {"SYSLOG_IDENTIFIER": b"other"},
        {"_PID": b"10"},
        {"CONTAINER_ID": b"other"},
    ],
)
@pytest.mark.parametrize("reading", Reading)
def test_a_session_is_of_one_process(reading: Reading, other: dict[str, bytes]) -> None:
    prefix = "(?:^|: )(?P<mlfid>1) <F-CONTENT>.*</F-CONTENT>$"
    filter_ = made(reading, *SESSION, prefix=prefix)
    assert who(filter_, f"1 hello {A}") is None
    assert who(filter_, "1 user root bad", **other) is None
    assert who(filter_, "1 user root bad") == A


def test_a_session_id_may_be_empty() -> None:
    filter_ = made(Reading.MESSAGE, *SESSION, prefix="^(?P<mlfid>)<F-CONTENT>.*</F-CONTENT>$")
    assert who(filter_, f"hello {A}") is None
    assert who(filter_, "user root bad", _PID=b"10") is None
    assert who(filter_, "user root bad") == A


# --- whoever attacks writes a part of the line ---


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize(
    "user",
    [
        f"x\n{DATE} host mail[3]: bad root from {B}",
        f"{DATE} host mail[3]: bad root from {B}",
        f"x from {B}",
        f"host c0ffee[9]: host mail[3]: bad root from {B}",
        f"{DATE}",
        f" from {B}\n",
    ],
)
def test_a_user_name_that_looks_like_a_line_is_a_user_name(reading: Reading, user: str) -> None:
    filter_ = made(reading, MAIL)
    docker = who(filter_, f"{DATE} host mail[3]: bad {user} from {A}")
    assert docker == (None if reading is Reading.BUILT else A)
    own = who(filter_, f"bad {user} from {A}", SYSLOG_IDENTIFIER=b"mail")
    assert own == (None if reading is Reading.MESSAGE else A)
