"""fail2ban's filters and its annotated sample logs, run through our engine.

The suites, by what an entry is made of: A the line of a file without its date; E what is written as the journal gives
it; B2 the fields that journald makes of a syslog line. With the whole line in MESSAGE: R raw logs of applications, C
syslog lines, as containers log them.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from f2b.config.settings import Reading
from tests.conformance.conftest import FIGURES
from tests.conformance.corpus import Corpus, Sample, tree
from tests.conformance.judge import Judge, Verdicts, dateless, native, rebuilt, whole


class Deviation(NamedTuple):
    """A sample that we judge otherwise on purpose: filter with options, file, what tells its line."""

    filter: str
    file: str
    text: str
    reason: str

    def means(self, sample: Sample) -> bool:
        file = sample.place.partition(":")[0]
        return str(sample) == f"{self.filter} {sample.place}" and (
            file == self.file and self.text in sample.line
        )


OCTAL = "a number with a leading zero is octal to some and decimal to others: no address for us"
PAM = "for myhlj1374 from 192.030.0.6"
IN_SYSLOG = (
    Deviation("sshd[]", "sshd", PAM, OCTAL),
    Deviation("sshd[mode=aggressive]", "sshd", PAM, OCTAL),
    Deviation("zzz-generic-example[]", "zzz-generic-example", "from 192.0.2.09", OCTAL),
    Deviation("zzz-sshd-obsolete-multiline[]", "sshd", PAM, OCTAL),
    Deviation("zzz-sshd-obsolete-multiline[mode=aggressive]", "sshd", PAM, OCTAL),
)
IN_JOURNAL = (
    Deviation("sshd[logtype=journal]", "sshd-journal", PAM, OCTAL),
    Deviation("sshd[logtype=journal,mode=aggressive]", "sshd-journal", PAM, OCTAL),
)
DEVIATIONS = {"A": IN_SYSLOG, "B2": IN_SYSLOG, "C": IN_SYSLOG, "E": IN_JOURNAL, "R": ()}
MOST_DEVIATIONS = 10

# Lines of other syslog daemons, in shapes that journald never gives to anybody.
NEVER_IN_THE_JOURNAL = {
    "an identifier before the message": r"\[ID \d+ ",
    "a virtual server's tag": r"@vserver_",
    "RFC 5424": r"^<\d+>1 ",
    "the program in brackets": r" \[test-demo\]",
    "a module behind the program": r"\(pam_unix\)(?:\[\d+\])?:? ",
    "brackets left of a date": r"^\[\d{4}-\d\d-\d\d [\d:]+\] \[",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tree()
    if root is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    return Corpus(root, tmp_path_factory.mktemp("corpus"))


def samples(corpus: Corpus, suite: str) -> Iterator[Sample]:
    prefix = {"B2": (True,), "C": (True,), "R": (False,)}.get(suite, (True, False))
    for name in corpus.filters:
        if corpus.writes_prefix(name) in prefix:
            yield from (each for each in corpus.samples(name) if each.is_native is (suite == "E"))


def run(corpus: Corpus, suite: str) -> Verdicts:
    judge = {
        "A": Judge(corpus.directory, dateless, "file", reading=Reading.BUILT),
        "E": Judge(corpus.directory, native, "journal"),
        "R": Judge(corpus.directory, whole, "journal", forced=True, reading=Reading.MESSAGE),
        "C": Judge(corpus.directory, whole, "file", reading=Reading.MESSAGE),
        "B2": Judge(corpus.directory, rebuilt, "journal", forced=True),
    }[suite]
    return judge.run(samples(corpus, suite))


def unexpected(verdicts: Verdicts, suite: str, excused: str = r"(?!)") -> list[str]:
    """The samples that are judged otherwise than fail2ban judges them, and the deviations that are none."""
    left = dict(verdicts.unlike)
    problems = []
    for deviation in DEVIATIONS[suite]:
        meant = [sample for sample in left if deviation.means(sample)]
        if not meant:
            problems.append(f"no longer a deviation: {deviation}")
        for sample in meant:
            del left[sample]
    return problems + [
        f"{sample}: {problem}: {sample.line}"
        for sample, problem in left.items()
        if not re.search(excused, sample.line)
    ]


@pytest.mark.parametrize("suite", ["A", "C", "E", "R"])
def test_samples_are_judged_as_fail2ban_judges_them(
    corpus: Corpus, suite: str, request: pytest.FixtureRequest
) -> None:
    verdicts = run(corpus, suite)
    report(request, suite, verdicts)
    assert unexpected(verdicts, suite) == []
    assert verdicts.samples > 200


def test_syslog_samples_are_found_as_journal_entries(
    corpus: Corpus, request: pytest.FixtureRequest
) -> None:
    verdicts = run(corpus, "B2")
    report(request, "B2", verdicts)
    strange = "|".join(NEVER_IN_THE_JOURNAL.values())
    assert unexpected(verdicts, "B2", excused=strange) == []


@pytest.mark.parametrize("shape", NEVER_IN_THE_JOURNAL)
def test_an_excuse_is_needed(corpus: Corpus, shape: str) -> None:
    unlike = run(corpus, "B2").unlike
    assert any(re.search(NEVER_IN_THE_JOURNAL[shape], sample.line) for sample in unlike)


def test_every_failregex_has_a_sample_that_it_takes(corpus: Corpus) -> None:
    suites = [run(corpus, "A"), run(corpus, "E")]
    regexes = {regex for verdicts in suites for regex in verdicts.regexes}
    assert regexes - {regex for verdicts in suites for regex in verdicts.used} == set()


def test_deviations_are_few() -> None:
    assert len(IN_SYSLOG + IN_JOURNAL) <= MOST_DEVIATIONS


def test_a_broken_failregex_is_noticed(corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.directory, tmp_path, dirs_exist_ok=True)
    broken = tmp_path / "filter.d/pam-generic.conf"
    text = broken.read_text()
    broken.write_text(text.replace(" rhost=<HOST>", " rhost=x<HOST>"))
    assert broken.read_text() != text
    verdicts = Judge(tmp_path, dateless, "file").run(samples(corpus, "A"))
    problems = unexpected(verdicts, "A")
    assert problems
    assert all(problem.startswith("pam-generic") for problem in problems)


def test_a_deviation_that_is_none_any_more_is_noticed(corpus: Corpus) -> None:
    verdicts = run(corpus, "E")
    verdicts.unlike.clear()
    assert len(unexpected(verdicts, "E")) == len(DEVIATIONS["E"])


def report(request: pytest.FixtureRequest, suite: str, verdicts: Verdicts) -> None:
    figures = request.config.stash.setdefault(FIGURES, [])
    figures.append(f"corpus: {verdicts} (suite {suite})")
