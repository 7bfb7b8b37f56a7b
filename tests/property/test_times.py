import math

from hypothesis import given
from hypothesis import strategies as st

from f2b.times import duration, duration_text


@given(st.integers(min_value=0, max_value=10_000_000_000))
def test_a_duration_in_words_reads_back(seconds: int) -> None:
    assert duration(duration_text(seconds)) == seconds


@given(st.text() | st.text(alphabet="0123456789.+-*/() smhdwyo"))
def test_any_text_is_a_finite_number_or_a_value_error(text: str) -> None:
    try:
        seconds = duration(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
