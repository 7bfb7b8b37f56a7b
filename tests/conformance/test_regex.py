"""`f2b regex` on fail2ban's sample logs, as text files: it says what the engine says (suite A)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.addresses import parse_host
from f2b.cli.args import parse
from f2b.cli.commands import execute
from tests.conformance.conftest import FIGURES
from tests.conformance.corpus import Corpus, Sample, tree

# By a text of the line.
OTHERWISE = {
    "from 192.030.0.6": "a number with a leading zero is no address",
    "from 192.0.2.09": "neither is this",
    "Failed publickey for git": "<F-NOFAIL> without <F-MLFID> has no effect, and fail2ban's test hides that",
}


def judged(
    corpus: Corpus, log: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Sample, str]]:
    """Every sample with what is not as expected."""
    for name in corpus.filters:
        logs: dict[str, list[Sample]] = {}
        for sample in corpus.samples(name):
            if not sample.is_native:
                logs.setdefault(sample.instance, []).append(sample)
        for samples in logs.values():
            log.write_text("".join(f"{sample.line}\n" for sample in samples), newline="")
            words = ",".join(f"{k}={json.dumps(v)}" for k, v in samples[0].parameters.items())
            argv = ["-c", str(corpus.directory), "regex", "--json", str(log), f"{name}[{words}]"]
            assert execute(parse(argv)) in {0, 1}
            *rows, totals = map(json.loads, capsys.readouterr().out.splitlines())
            assert totals["lines"] == len(rows)
            for sample, row in zip(samples, rows, strict=True):
                yield sample, differs(sample, row["matched"], row["host"])


def differs(sample: Sample, matched: bool, host: str | None) -> str:  # noqa: FBT001
    if matched != bool(sample.expected.get("match")):
        return f"matched={matched}"
    expected = sample.expected.get("host")
    if not matched or not expected:
        return ""
    meant = parse_host(expected)
    return "" if host == (str(meant) if meant else expected) else f"host={host}"


def test_samples_are_judged_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    all_ = dict(judged(Corpus(root, tmp_path / "etc"), tmp_path / "log", capsys))
    unlike = {sample: problem for sample, problem in all_.items() if problem}
    figure = f"corpus: {len(all_) - len(unlike)} of {len(all_)} judged alike by f2b regex"
    request.config.stash.setdefault(FIGURES, []).append(figure)
    excused = [sample for sample in unlike if any(text in sample.line for text in OTHERWISE)]
    assert [f"{each}: {unlike[each]}" for each in unlike if each not in excused] == []
    assert len(excused) < 15
    assert len(all_) > 1000
