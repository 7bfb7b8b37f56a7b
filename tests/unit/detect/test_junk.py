"""Attackers write the log, and admins write regexes: nothing of either raises what nobody expects."""

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from f2b.config.settings import FilterSettings, Located, Reading, UseDns
from f2b.detect.failregex import TAGS, compile_failregex, compile_regex
from f2b.detect.filter import Filter
from f2b.errors import FilterError
from f2b.model import Entry
from tests.unit.decide.making import HERE, located

pieces = st.sampled_from(
    [*(f"<{tag}>" for tag in TAGS), "<F-USER>", "</F-USER>", "<F-ID/>", "<F-MLFID>", "</F-MLFID>",
     "<F-", "(?P<", "(?i)", "(a(?i)", "<SKIPLINES>", "<F-ALT_", "(?P=user)", "\\",
     "(", ")", "[", "]", "{9}", "*", "+?", "^", "$", "|"]
)  # fmt: skip
regexes = st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=12).map("".join)

fields = st.dictionaries(
    st.sampled_from(
        [
            "MESSAGE",
            "SYSLOG_IDENTIFIER",
            "SYSLOG_PID",
            "_PID",
            "_COMM",
            "_HOSTNAME",
            "_BOOT_ID",
            "CONTAINER_ID",
            "_SOURCE_MONOTONIC_TIMESTAMP",
            "__MONOTONIC_TIMESTAMP",
        ]
    ),
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.binary(max_size=20), max_size=3),
        st.sampled_from(
            [
                b"kernel",
                b"a",
                b"bad 192.0.2.7/33",
                b"bad 999.1.1.1",
                b"\xff",
                b"0x",
                b"2026-01-01 00:00:00 bad 192.0.2.7",
            ]
        ),
    ),
)

LOOSE = FilterSettings(
    name="loose",
    prefregex=Located(r"^<F-MLFID>[^:]*</F-MLFID>:? ?<F-CONTENT>.*</F-CONTENT>$", HERE),
    usedns=UseDns.YES,
    failregex=located(
        "<SUBNET>", "<F-NOFAIL>a</F-NOFAIL>", r"<F-USER>\w+</F-USER>", "<F-MLFFORGET>$"
        "</F-MLFFORGET>", "<F-ID/>"
    ),
    ignoreregex=located("ignore"),
    maxsessions=3,
)  # fmt: skip
STRICT = FilterSettings(name="strict", failregex=located("^[^:]*(?:<SUBNET>|<F-ID/>)$"))
LINES = FilterSettings(
    name="lines",
    failregex=located("bad$<SKIPLINES><SUBNET>|<F-TUPLE_ID>a</F-TUPLE_ID>"),
    maxlines=4,
)


def by_reading(settings: FilterSettings) -> dict[Reading, Filter]:
    return {reading: Filter(settings._replace(reading=reading)) for reading in Reading}


ALL = [filter_ for each in (LOOSE, STRICT, LINES) for filter_ in by_reading(each).values()]
STATELESS = by_reading(STRICT)


@given(regexes)
@example("(?i" + "(" * 5000)
@example("a{4294967296}")
@example("(?P<user>x)<F-USER>x</F-USER>")
@example("<F-1>x</F-1>")
def test_a_regex_compiles_or_is_a_filter_error(text: str) -> None:
    with contextlib.suppress(FilterError):
        compile_regex(located(text)[0])
    with contextlib.suppress(FilterError):
        compile_failregex(located(text)[0])


@given(fields, st.floats(allow_nan=False))
@example({"SYSLOG_IDENTIFIER": b"kernel"}, 0.0)
@example({"SYSLOG_IDENTIFIER": b"kernel", "__MONOTONIC_TIMESTAMP": "\u00b2".encode()}, 0.0)
@example({"SYSLOG_IDENTIFIER": b"kernel", "__MONOTONIC_TIMESTAMP": b"9" * 400}, 0.0)
@example({"SYSLOG_PID": b"0x" + b"f" * 20_000, "_COMM": b"a"}, 0.0)
@example({"MESSAGE": "\u0661.\u0661.\u0661.\u0661/\u0663".encode()}, 0.0)
def test_no_entry_makes_a_filter_raise(junk: dict[str, bytes | list[bytes]], time: float) -> None:
    for filter_ in ALL:
        failure = filter_.find(Entry("c", time, junk))
        assert failure is None or failure.cursor == "c"


@given(fields)
def test_both_readings_are_the_one_or_else_the_other(junk: dict[str, bytes | list[bytes]]) -> None:
    entry = Entry("c", 1.0, junk)
    hits = {reading: filter_.hit(entry) for reading, filter_ in STATELESS.items()}
    assert hits[Reading.BOTH] == (hits[Reading.BUILT] or hits[Reading.MESSAGE])
