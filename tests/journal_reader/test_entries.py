"""What an entry says: its fields as bytes, and its time."""

import pytest

from tests.journal_reader.conftest import Attach
from tests.journal_reader.reading import START, drain, texts
from tests.support.export import Journal


def test_entries_come_in_order_and_in_batches(feed: Journal, attach: Attach) -> None:
    for number in range(7):
        feed.add(START + number, MESSAGE=f"m{number}")
    feed.close()
    reader = attach()
    sizes = []
    while batch := reader.read(3):
        sizes.append(len(batch))
    assert sizes == [3, 3, 1]
    assert texts(drain(attach())) == [f"m{number}" for number in range(7)]


def test_fields_are_bytes_whatever_was_written(feed: Journal, attach: Attach) -> None:
    feed.add(START, MESSAGE=b"a\x00\xff\nb", PRIORITY=6)
    feed.close()
    (entry,) = drain(attach())
    assert entry.fields["MESSAGE"] == b"a\x00\xff\nb"
    assert entry.fields["PRIORITY"] == b"6"


def test_repeated_field_is_a_list(feed: Journal, attach: Attach) -> None:
    feed._pending.append(
        f"__REALTIME_TIMESTAMP={START * 1e6:.0f}\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID={feed.boot}\n"
        "MESSAGE=one\nMESSAGE=two\nMESSAGE=three\n\n".encode()
    )
    feed.added += 1
    feed.close()
    (entry,) = drain(attach())
    assert sorted(entry.fields["MESSAGE"]) == [b"one", b"three", b"two"]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("1700000000123456", 1_700_000_000.123456),
        ("", START),
        ("soon", START),
        ("-5", START),
        ("9" * 400, START),
    ],
)
def test_senders_time_counts_if_it_is_one(
    feed: Journal, attach: Attach, stamp: str, time: float
) -> None:
    feed.add(START, MESSAGE="m", _SOURCE_REALTIME_TIMESTAMP=stamp)
    feed.close()
    (entry,) = drain(attach())
    assert entry.time == time


def test_kernel_entry_has_its_monotonic_time(feed: Journal, attach: Attach) -> None:
    feed.add(START, MESSAGE="DROP", _TRANSPORT="kernel")
    feed.add(START, MESSAGE="other")
    feed.close()
    kernel, other = drain(attach())
    assert kernel.fields["__MONOTONIC_TIMESTAMP"] == b"1000"
    assert "__MONOTONIC_TIMESTAMP" not in other.fields


def test_only_what_fits_is_read(feed: Journal, attach: Attach) -> None:
    for number in range(6):
        feed.add(START + number, MESSAGE=f"m{number}", _SYSTEMD_UNIT=f"u{number % 3}", _UID=number)
    feed.close()
    reader = attach(match="_SYSTEMD_UNIT=u0 _UID=3 + _SYSTEMD_UNIT=u1 _SYSTEMD_UNIT=u2 _UID=1")
    assert texts(drain(reader)) == ["m1", "m3"]


def test_match_on_bytes_that_are_not_utf8(feed: Journal, attach: Attach) -> None:
    feed.add(START, MESSAGE="m", NAME=b"\xff\xfe")
    feed.close()
    assert texts(drain(attach(match="NAME=\udcff\udcfe"))) == ["m"]
