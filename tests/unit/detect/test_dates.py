"""The date within a line: what is cut out, and that no line is slow to look at. Suite A has fail2ban's own lines."""

import re
import time

import pytest

from f2b.detect import dates
from f2b.detect.dates import cut, find
from f2b.detect.examination import examples
from f2b.detect.line import CAP
from f2b.detect.shape import shape


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("2026-01-01T00:00:00.123456+00:00 mail postfix/smtpd[1]: x", " mail postfix/smtpd[1]: x"),
        ("Jan  1 00:00:00 mail dovecot: x", " mail dovecot: x"),
        ("2026/01/01 00:00:00 [error] 1#0: x", " [error] 1#0: x"),
        ("[Thu Jan 01 00:00:00.123456 2026] [error] x", "[] [error] x"),
        ("Jan  1 00:00:00 1234.example.org x", " 1234.example.org x"),
        ('192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /', '192.0.2.1 - - [] "GET /'),
        ("1767225600.123 192.0.2.1 TCP_DENIED", " 192.0.2.1 TCP_DENIED"),
        ("@4000000052ab1a2b0c3d4e5f x", " x"),
        ("260101 00:00:00 [Warning] x", " [Warning] x"),
        ("20260101T000000 x", " x"),
        ("20260101000000 x", " x"),
        ("45260101000000: a message's number", "45260101000000: a message's number"),
        ("at 2026-01-01 00:00:00 and 2026-01-02 00:00:00", "at  and 2026-01-02 00:00:00"),
        ("no date, 12:00:00, 2026-01-01", "no date, 12:00:00, 2026-01-01"),
        (
            "12:00:00 " + "x " * 999 + "UTC Thu Jan        1 2026 12:00:00 y",
            "12:00:00 " + "x " * 999 + " y",
        ),
        ("x2026-01-01 00:00:00", "x2026-01-01 00:00:00"),
        ("", ""),
    ],
)
def test_the_date_nearest_to_the_start_goes(line: str, left: str) -> None:
    assert cut(line) == left
    span = find(line)
    assert (line if span is None else line[: span[0]] + line[span[1] :]) == left


@pytest.mark.parametrize(
    "piece",
    [
        "1 ", "1", " ", "111111 ", "Jan ", "Sun Jan 11 ", "ABC Sun Jan 11 ", "2026-01-01 ", "2026-01-01 00:00:0",
        "[01/Jan/2026:00:00:00      ", "<1>1 ", "<", "@0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "111111", "2026-01-01 00:00:00,1x", "Jan"])
def test_no_line_is_slow(start: str, piece: str) -> None:
    line = (start + piece * CAP)[:CAP]
    before = time.perf_counter()
    for _ in range(10):
        find(line)
    assert (time.perf_counter() - before) / 10 < 0.02  # 0.5 ms at most where nothing else runs


def test_every_shape_of_a_date_has_the_sign_of_one() -> None:
    found = set()
    for text in (
        *(each for group in dates._SHAPES.values() for each in group),
        *dates._AT_THE_START,
    ):
        for example in examples(shape(re.compile(text)), 32):
            assert dates._SIGN.search(example.decode("latin-1")), text
            if dates.find(example.decode("latin-1")):
                found.add(text)
                assert dates.possible(example), text
    assert len(found) > len(dates._AT_THE_START)
