import pytest

from f2b.times import duration, duration_text, lifetime


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600),
        ("1w", 604_800),
        ("1d12h", 129_600),
        ("1d 12h", 129_600),
        ("1h30", 3630),
        ("1h-30m", 1800),
        ("1.5h", 5400),
        ("5 * 60", 300),
        ("2*1h30m", 9000),
        ("(1h + 30m) * 2", 10_800),
        ("1h / 2", 1800),
        ("-1", -1),
        ("-1h", -3600),
        ("1M", 60),
        ("1mo", 2_629_800),
        ("1y6mo", 47_336_400),
        ("3 Hours", 10_800),
        ("  10m  ", 600),
    ],
)
def test_duration_is_read_as_fail2ban_reads_it(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a duration is missing"),
        ("  ", "a duration is missing"),
        ("5secs", "'5secs' is no duration: 'secs' is no unit (s, m, h, d, w, mo, y)"),
        ("10mins", "'10mins' is no duration: 'mins' is no unit (s, m, h, d, w, mo, y)"),
        ("1ms", "'1ms' is no duration: 'ms' is no unit (s, m, h, d, w, mo, y)"),
        ("1e3", "'1e3' is no duration: 'e' is no unit (s, m, h, d, w, mo, y)"),
        ("abc", "'abc' is no duration: 'abc' is not understood"),
        ("5 *", "'5 *' is no duration: its end is not understood"),
        ("(1h", "'(1h' is no duration: a ')' is missing"),
        ("1h)", "'1h)' is no duration: ')' is not understood"),
        ("__import__('os')", "\"__import__('os')\" is no duration: \"__import__('os')\""),
        ("1/0", "'1/0' divides by zero"),
        ("9" * 99, "is longer than 300 years (-1 means for ever)"),
        ("(" * 5000, "the text is too long for a duration"),
    ],
)
def test_what_is_no_duration_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is compared below
        duration(text)
    assert message in str(error.value)


def test_a_negative_lifetime_is_for_ever() -> None:
    assert lifetime("-1") is None
    assert lifetime("10m") == 600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "for ever"),
        (0, "0s"),
        (59, "59s"),
        (600, "10m"),
        (129_600, "1d 12h"),
        (604_800, "1w"),
        (0.25, "0.25s"),
        (59.99999, "1m"),
    ],
)
def test_duration_in_words(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text
