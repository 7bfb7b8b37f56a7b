"""The dates of fail2ban's sample lines mean to us what they mean to it: suite "time"."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from f2b.detect.dates import find
from f2b.detect.stamps import parse
from tests.conformance.conftest import FIGURES
from tests.conformance.corpus import Corpus, Sample, tree
from tests.conformance.judge import NOW

ZONE = ZoneInfo("Europe/Zurich")
# By file and line: what is read otherwise, on purpose.
OTHERWISE = {
    "squirrelmail:3": "its filter's datepattern says that the month comes first, and we have no datepattern",
}
FEWEST = 900


def times(corpus: Corpus) -> Iterator[tuple[Sample, float | None]]:
    """What is read in each line that tells its time; a line without a date has that of the one before."""
    for name in corpus.filters:
        last: dict[str, float | None] = {}
        for sample in corpus.samples(name):
            span = find(sample.line)
            time = parse(sample.line[slice(*span)], NOW, ZONE) if span else None
            last[sample.instance] = last.get(sample.instance) if time is None else time
            told = sample.expected.get("match") and sample.expected.get("time")
            if told and not sample.is_native:
                yield sample, last[sample.instance]


def meant(text: str) -> float:
    seconds, _, fraction = text.partition(".")
    stamp = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=ZONE).timestamp()
    return stamp + float(f"0.{fraction or 0}")


def test_times_are_read_as_fail2ban_reads_them(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    all_ = {sample: time for sample, time in times(Corpus(root, tmp_path)) if time is not None}
    # fail2ban drops the fraction of a second.
    unlike = {
        sample: time
        for sample, time in all_.items()
        if not 0 <= time - meant(sample.expected["time"]) < 1
    }
    figure = f"corpus: {len(all_) - len(unlike)} of {len(all_)} times read alike"
    request.config.stash.setdefault(FIGURES, []).append(figure)
    assert {sample.place for sample in unlike} == set(OTHERWISE)
    assert len(all_) >= FEWEST
