"""The journalmatch language, its errors, whom it trusts, and the union that the reader asks for."""

import pytest

from f2b.errors import FilterError, Origin
from f2b.journal.match import EVERYTHING, UNION_TERMS, Match, parse, parse_text, union

ORIGIN = Origin("jail.d/sshd.conf", 12)
SSHD = {
    "_SYSTEMD_UNIT": b"ssh.service",
    "_COMM": b"sshd",
    "SYSLOG_IDENTIFIER": b"sshd",
    "_UID": b"0",
}
Raw = dict[str, bytes | list[bytes]]


def groups(match: Match) -> list[dict[str, set[bytes]]]:
    return [{name: set(values) for name, values in group.terms} for group in match.groups]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", [{"A": {b"1"}}]),
        ("A=1 B=2", [{"A": {b"1"}, "B": {b"2"}}]),
        ("A=1 A=2", [{"A": {b"1", b"2"}}]),
        ("A=1 B=2 A=3", [{"A": {b"1", b"3"}, "B": {b"2"}}]),
        ("A=1 + B=2", [{"A": {b"1"}}, {"B": {b"2"}}]),
        ("A=1 + A=1", [{"A": {b"1"}}]),
        ("A=1   +\tB=2\n + C=3", [{"A": {b"1"}}, {"B": {b"2"}}, {"C": {b"3"}}]),
        ("A=", [{"A": {b""}}]),
        ("A=b=c", [{"A": {b"b=c"}}]),
        ('_EXE="/usr/my prog"', [{"_EXE": {b"/usr/my prog"}}]),
        ("'_EXE=/usr/my prog'", [{"_EXE": {b"/usr/my prog"}}]),
        (r"_EXE=/usr/my\ prog", [{"_EXE": {b"/usr/my prog"}}]),
        ("MESSAGE=grün", [{"MESSAGE": {"grün".encode()}}]),
        ("MESSAGE=a+b", [{"MESSAGE": {b"a+b"}}]),
        ("*", []),
    ],
)
def test_grammar(text: str, expected: list[dict[str, set[bytes]]]) -> None:
    assert groups(parse_text(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sshd", "needs FIELD=value, got 'sshd' (write _SYSTEMD_UNIT=ssh.service)"),
        ("nginx", "needs FIELD=value, got 'nginx' (write _SYSTEMD_UNIT=nginx.service)"),
        (
            "_SYSTEMD_UNIT",
            "needs FIELD=value, got '_SYSTEMD_UNIT' (write _SYSTEMD_UNIT=NAME.service)",
        ),
        ("a.service", "needs FIELD=value, got 'a.service' (write _SYSTEMD_UNIT=a.service)"),
        ("A=1 *", "needs FIELD=value, got '*' (a * stands alone on its line)"),
        ("_systemd_unit=x", "'_systemd_unit' is no journal field (write _SYSTEMD_UNIT=x)"),
        ("A-B=1", "'A-B' is no journal field (capital letters"),
        ("1A=1", "'1A' is no journal field"),
        ("=1", "'' is no journal field"),
        ("__CURSOR=1", "'__CURSOR' is no journal field"),
        ("A" * 65 + "=1", "is no journal field"),
        ("+ A=1", "has nothing beside a '+'"),
        ("A=1 +", "has nothing beside a '+'"),
        ("A=1 + + B=1", "has nothing beside a '+'"),
        ('A="1', "No closing quotation"),
        ("", "journalmatch is empty (write FIELD=value, or * to read every entry)"),
        ("  ", "journalmatch is empty"),
    ],
)
def test_errors_name_the_place_and_the_way_out(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse([("A=1", None), (text, ORIGIN)])
    assert str(caught.value).startswith("jail.d/sshd.conf:12: journalmatch")
    assert message in str(caught.value)


def test_lines_are_alternatives() -> None:
    match = parse([("A=1 B=2", ORIGIN), ("C=3 + A=1 B=2", ORIGIN)])
    assert groups(match) == [{"A": {b"1"}, "B": {b"2"}}, {"C": {b"3"}}]


def test_everything_on_one_line_is_everything() -> None:
    assert parse([("A=1", ORIGIN), ("*", ORIGIN)]) == EVERYTHING
    assert EVERYTHING.fits({})


def test_no_line_at_all_is_an_error() -> None:
    with pytest.raises(FilterError, match="empty"):
        parse([])


@pytest.mark.parametrize(
    ("text", "fields", "fits"),
    [
        ("_SYSTEMD_UNIT=ssh.service", SSHD, True),
        ("_SYSTEMD_UNIT=ssh.service _COMM=sshd", SSHD, True),
        ("_SYSTEMD_UNIT=ssh.service _COMM=cron", SSHD, False),
        ("_SYSTEMD_UNIT=cron.service + _COMM=sshd", SSHD, True),
        ("_SYSTEMD_UNIT=cron.service", SSHD, False),
        ("_PID=1", SSHD, False),
        ("A=2", {"A": [b"1", b"2"]}, True),
        ("A=3", {"A": [b"1", b"2"]}, False),
        ("A=1 A=3 B=1", {"A": [b"2", b"3"], "B": b"1"}, True),
    ],
)
def test_fits(text: str, fields: Raw, fits: bool) -> None:  # noqa: FBT001
    assert parse_text(text).fits(fields) is fits


RACE = "SYSLOG_IDENTIFIER=sshd _UID=0"


@pytest.mark.parametrize(
    ("text", "fields", "fits"),
    [
        (RACE, {"SYSLOG_IDENTIFIER": b"sshd", "_UID": b"0", "_PID": b"7"}, True),
        (RACE, {"SYSLOG_IDENTIFIER": b"sshd", "_UID": b"1000"}, False),
        (RACE, SSHD, False),  # by its unit, or not at all
        (RACE, {**SSHD, "_SYSTEMD_UNIT": b"rsyslog.service", "_COMM": b"rsyslogd"}, False),
        (RACE, {"SYSLOG_IDENTIFIER": b"sshd", "_UID": b"0", "_COMM": b"logger"}, False),
        (f"_SYSTEMD_UNIT=ssh.service + {RACE}", SSHD, True),
        (f"{RACE} _COMM=sshd", SSHD, True),
        (f"{RACE} _SYSTEMD_SLICE=system.slice", {**SSHD, "_SYSTEMD_SLICE": b"system.slice"}, True),
        ("SYSLOG_IDENTIFIER=sshd", SSHD, True),  # as written
        ("SYSLOG_IDENTIFIER=sshd _UID=0 _UID=1000", SSHD, True),
    ],
)
def test_identifier_and_root_count_only_when_nothing_else_is_known(
    text: str,
    fields: Raw,
    fits: bool,  # noqa: FBT001
) -> None:
    assert parse_text(text).fits(fields) is fits


@pytest.mark.parametrize(
    ("text", "forgeable"),
    [
        ("_SYSTEMD_UNIT=ssh.service", False),
        (RACE, False),
        ("_EXE=/usr/sbin/sshd", False),
        ("_TRANSPORT=kernel", False),
        ("_TRANSPORT=kernel _TRANSPORT=audit", False),
        ("_TRANSPORT=kernel _TRANSPORT=syslog", True),
        ("_TRANSPORT=syslog", True),
        ("SYSLOG_IDENTIFIER=sshd", True),
        ("_COMM=sshd", True),
        ("_SYSTEMD_UNIT=ssh.service + SYSLOG_IDENTIFIER=sshd", True),
        ("*", True),
    ],
)
def test_forgeable(text: str, forgeable: bool) -> None:  # noqa: FBT001
    assert parse_text(text).forgeable is forgeable


def test_union_has_every_group_once() -> None:
    matches = [parse_text("A=1 + B=2"), parse_text("B=2 + C=3 A=1"), parse_text("A=1")]
    found = union(matches)
    assert found is not None
    assert groups(Match(found)) == [{"A": {b"1"}}, {"B": {b"2"}}, {"A": {b"1"}, "C": {b"3"}}]


def test_union_gives_up_on_everything_and_on_too_many_terms() -> None:
    assert union([parse_text("A=1"), EVERYTHING]) is None
    many = [parse_text(f"A={number}") for number in range(UNION_TERMS + 1)]
    assert union(many) is None
    assert union(many[1:]) is not None


def test_text_is_what_was_parsed() -> None:
    assert str(EVERYTHING) == "*"
    assert str(parse_text("B=2 A='x y' A=1 + C=3")) == "A=1 'A=x y' B=2 + C=3"
