"""The tally against a model that remembers everything and looks at all of it each time."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from f2b.addresses import Offender, parse
from f2b.decide.tally import SLACK, Tally
from tests.unit.decide.making import strike

OFFENDERS = [parse(f"192.0.2.{number}") for number in range(4)]
FINDTIME = 60.0


class Naive:
    def __init__(self, maxretry: int) -> None:
        self.maxretry = maxretry
        self.times: dict[Offender, list[float]] = defaultdict(list)

    def add(self, offender: Offender, time: float) -> tuple[float, ...]:
        self.times[offender].append(time)
        last = sorted(self.times[offender])[-self.maxretry :]
        full = len(last) == self.maxretry and last[-1] - last[0] <= FINDTIME
        return tuple(last) if full else ()

    def forget(self, offender: Offender) -> None:
        self.times.pop(offender, None)


# Steps back never add up to more than the slack, within which order does not matter.
failures = st.lists(
    st.tuples(
        st.sampled_from(OFFENDERS),
        st.sampled_from([0.0, 1.0, 20.0, 30.0, 61.0, 500.0]),
        st.sampled_from([0.0, 0.0, -0.5, -30.0, -60.0, -SLACK]),
    ),
    max_size=60,
)


@given(failures, st.integers(1, 5), st.booleans())
def test_full_when_the_model_is(
    failures: list[tuple[Offender, float, float]],
    maxretry: int,
    consume: bool,  # noqa: FBT001
) -> None:
    tally, model = Tally(maxretry, FINDTIME, 1000), Naive(maxretry)
    clock = 10_000.0
    for offender, step, late in failures:
        clock += step
        full = strike(tally, offender, clock + late)
        assert full == model.add(offender, clock + late)
        if full and consume:
            tally.forget(offender)
            model.forget(offender)


@given(failures, st.integers(1, 5))
def test_the_order_of_a_slack_does_not_matter(
    failures: list[tuple[Offender, float, float]], maxretry: int
) -> None:
    """Whatever is remembered after the last failure is what a sorted log would leave."""
    times = [(offender, 1000.0 + 4 * number) for number, (offender, *_) in enumerate(failures)]
    forwards, backwards = Tally(maxretry, FINDTIME, 1000), Tally(maxretry, FINDTIME, 1000)
    for offender, time in times:
        strike(forwards, offender, time)
    for offender, time in reversed(times):
        strike(backwards, offender, time)
    assert dict(forwards) == dict(backwards)


@given(failures, st.integers(1, 5), st.integers(1, 3))
def test_the_ceiling_always_holds(
    failures: list[tuple[Offender, float, float]], maxretry: int, ceiling: int
) -> None:
    tally = Tally(maxretry, FINDTIME, ceiling)
    for offender, step, _ in failures:
        strike(tally, offender, 1000 + step)
        assert len(tally) <= ceiling
