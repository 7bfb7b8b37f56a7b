"""What a date means; the suite "time" of tests/conformance has fail2ban's own."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.detect.dates import find
from f2b.detect.stamps import parse, shape

ZONE = ZoneInfo("Europe/Zurich")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=ZONE).timestamp()


def read(text: str, now: float = NOW) -> str | None:
    stamp = parse(text, now, ZONE)
    return None if stamp is None else datetime.fromtimestamp(stamp, ZONE).isoformat(" ")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05+01:00"),
        ("2026-01-02T03:04:05.5Z", "2026-01-02 04:04:05.500000+01:00"),
        ("2026/07/02 03:04:05 -0400", "2026-07-02 09:04:05+02:00"),
        ("<38>1 2026-01-02T03:04:05+05:30", "2026-01-01 22:34:05+01:00"),
        ("Fri Jan  2 03:04:05 2025", "2025-01-02 03:04:05+01:00"),
        ("PDT Jul  2 03:04:05 2025", "2025-07-02 12:04:05+02:00"),
        ("02/Jan/2026:03:04:05 +0000", "2026-01-02 04:04:05+01:00"),
        ("02-Jan-26 03:04:05", "2026-01-02 03:04:05+01:00"),
        ("Jan-02-26 03:04:05", "2026-01-02 03:04:05+01:00"),
        ("Jan 2, 2026 12:04:05 AM", "2026-01-02 00:04:05+01:00"),
        ("Jan 2, 2026 12:04:05 PM", "2026-01-02 12:04:05+01:00"),
        ("02/01/2026 03:04:05", "2026-01-02 03:04:05+01:00"),
        ("01/02/2026:03:04:05", "2026-01-02 03:04:05+01:00"),
        ("02-01-26 03:04:05", "2026-01-02 03:04:05+01:00"),
        ("260102  3:04:05", "2026-01-02 03:04:05+01:00"),
        ("990102 03:04:05", "1999-01-02 03:04:05+01:00"),
        ("20260102T030405", "2026-01-02 03:04:05+01:00"),
        ("1767319445.25", "2026-01-02 03:04:05.250000+01:00"),
        ("@40000000695727950ee6b280", "2026-01-02 03:04:05.250000+01:00"),
        ("Jan  2 03:04:05 ABC", "2026-01-02 03:04:05+01:00"),
        ("Feb 30 03:04:05", None),
        ("2026-13-01 00:00:00", None),
        ("2026-01-01 24:00:00", None),
        ("0000-01-01 00:00:00", None),
        ("no date", None),
    ],
)
def test_meaning(text: str, meant: str | None) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Mar  1 11:59:59", "2026-03-01 11:59:59+01:00"),
        ("Mar  2 11:59:59", "2026-03-02 11:59:59+01:00"),
        ("Mar  2 12:00:01", "2025-03-02 12:00:01+01:00"),
        ("Dec 31 00:00:00", "2025-12-31 00:00:00+01:00"),
        ("12:00:00.0", "2026-03-01 12:00:00+01:00"),
        ("12:00:01.0", "2026-02-28 12:00:01+01:00"),
    ],
)
def test_what_is_missing_is_the_latest_that_fits(text: str, meant: str) -> None:
    assert read(text) == meant


def test_leap_day_without_a_year() -> None:
    assert read("Feb 29 01:00:00", datetime(2025, 1, 1, tzinfo=ZONE).timestamp()) == (
        "2024-02-29 01:00:00+01:00"
    )


def test_without_a_zone_this_machine_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        stamps = [parse(text, NOW, None) for text in ("2026-01-02 03:04:05", "Jul  2 03:04:05")]
    finally:
        monkeypatch.undo()
        time.tzset()
    told = [datetime.fromtimestamp(stamp or 0, ZONE).isoformat(" ") for stamp in stamps]
    assert told == ["2026-01-02 03:04:05+01:00", "2025-07-02 03:04:05+02:00"]


def test_shape() -> None:
    assert (shape("Jan  2 03:04:05"), shape("no date")) == ("Mon dd hh:mm:ss", "")


@given(st.from_regex(r"[0-9:/.\-+ @<TZJanFeb]{0,40}", fullmatch=True))
def test_junk_never_raises(text: str) -> None:
    span = find(text)
    parse(text, NOW, ZONE)
    parse(text[slice(*span)] if span else text, NOW, None)
