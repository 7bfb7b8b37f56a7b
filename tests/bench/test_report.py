"""What counts as met, and what as lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import measures, report
from tests.bench.entries import SHARE, Writer
from tests.bench.plot import svg
from tests.bench.rows import NONE, Judge, Row, Series, at_least, at_most

GAIN = Row(
    what="verdict", ours=[2.0, 1.0, 3.0], peer=[20.0, 90.0, 30.0], judge=Judge.GAIN,
    must=at_least(12), aim=at_least(20),
)  # fmt: skip
COST = Row(what="restore", ours=[3.0], floor=[4.0], judge=Judge.COST, must=at_most(1))


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RECORD", tmp_path / "bench.json")
    return report.RECORD


def lost(row: Row, record: Path, then: float) -> bool:
    rows = [{"what": row.what, "recent": [then]}]
    record.write_text(json.dumps({"quick": {"measures": {"measure": rows}}}))
    return bool(report.losses({"measure": [row]}))


def test_medians_are_compared() -> None:
    assert (GAIN.judged, GAIN.met) == (15.0, True)
    assert (COST.judged, COST.met) == (0.75, True)


def test_what_could_not_be_measured_is_neither_met_nor_missed() -> None:
    assert Row(what="sieve", must=at_least(1), note="there is none").met is None


@pytest.mark.parametrize(("row", "recorded"), [(GAIN, 20.0), (COST, 0.55)])
def test_a_third_worse_than_the_record_is_noise_and_more_is_not(
    row: Row, recorded: float, record: Path
) -> None:
    worse = 1.3 if row is GAIN else 0.8
    assert not lost(row, record, recorded)
    assert lost(row, record, recorded * worse)


def test_what_was_measured_again_counts_as_much(record: Path) -> None:
    busy = replace(COST, ours=[9.0])
    assert lost(busy, record, 0.75)
    again = report.pooled({"measure": [busy]}, {"measure": [replace(COST, ours=[3.0, 3.0])]})
    assert not lost(again["measure"][0], record, 0.75)


def test_the_quick_form_has_no_goal_but_what_must_never_be() -> None:
    never = Row(what="found by one alone", ours=[1], must=NONE)
    assert [measures.compared(row).must for row in (GAIN, never)] == [None, NONE]


def test_a_failure_that_one_alone_has_found_is_a_loss() -> None:
    unlike = Row(what="found by one alone", ours=[1], must=NONE)
    assert report.losses({"verdict": [unlike]})


def test_flat_looks_flat() -> None:
    picture = svg(Series("bans", ((0, 7.0), (100_000, 7.0))), "")
    heights = {part.split('"')[1] for part in picture.split("cy=")[1:]}
    assert len(heights) == 1


def test_one_entry_in_twenty_is_a_failure() -> None:
    signs = (
        "Failed password",
        "Invalid user",
        "SASL LOGIN",
        "reject: RCPT",
        "(auth failed",
        "tty=dovecot",
    )
    messages = [message for _, _, message in Writer("").lines(20_000)]
    failures = sum(any(sign in message for sign in signs) for message in messages)
    assert failures / len(messages) == pytest.approx(SHARE, rel=0.02)
