"""A net in bytes: what is not exactly what was packed is refused."""

import re

import pytest

from f2b.config.settings import Reading
from f2b.detect import automaton, mesh
from f2b.detect.automaton import Automaton
from f2b.detect.examination import overlooked
from f2b.detect.mesh import woven
from f2b.detect.net import Owner, scanned
from f2b.detect.packing import fingerprint, packed, unpacked
from f2b.detect.shape import shape
from f2b.detect.sieve import Sieve
from f2b.detect.words import WORDS
from tests.support.sieving import engine, fields, jail

BAD = "refused login of <HOST>"
JAILS = (
    jail(BAD, "^<F-ID>x?</F-ID>", name="a"),
    jail(BAD, name="b", reading=Reading.BOTH),
    jail("other <HOST> thing", prefregex="^p: <F-CONTENT>.+</F-CONTENT>$", name="c", maxlines=2),
)


@pytest.fixture
def stored() -> bytes:
    return packed(woven(JAILS, engine("hyperscan"), small=True), "key")


def test_what_is_unpacked_is_what_was_packed(stored: bytes) -> None:
    net = unpacked(stored, "key")
    assert net == woven(JAILS, net.engine, small=True)
    assert net.unfactored == {Owner("a", 1)}
    marks = Sieve.over(JAILS, net).candidates(b"refused login of 192.0.2.7", fields())
    assert marks == {"a": (0,), "b": (0,)}


def test_it_is_refused_for_other_jails(stored: bytes) -> None:
    with pytest.raises(ValueError, match="other filters"):
        unpacked(stored, "other key")


def test_it_is_refused_when_damaged_anywhere(stored: bytes) -> None:
    for place in range(0, len(stored), max(1, len(stored) // 200)):
        damaged = bytearray(stored)
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match="damaged"):
            unpacked(bytes(damaged), "key")


def test_it_is_refused_when_cut(stored: bytes) -> None:
    for length in (0, 1, 31, 32, 36, 40, len(stored) - 1):
        with pytest.raises(ValueError, match="damaged"):
            unpacked(stored[:length], "key")


def test_a_net_of_words_is_packed_as_well() -> None:
    jails = [jail("we refused login of <HOST>")]
    net = unpacked(packed(woven(jails, None, small=False), "key"), "key")
    assert net == woven(jails, None, small=False)
    marks = Sieve.over(jails, net).candidates(b"we refused login of 192.0.2.7", fields())
    assert marks == {"test": (0,)}


def test_a_fingerprint_is_of_all_that_decides() -> None:
    others = [
        JAILS[:1],
        (JAILS[1], JAILS[0]),
        (JAILS[0]._replace(name="z"), *JAILS[1:]),
        (jail(f"(?i){BAD}", "^<F-ID>x?</F-ID>", name="a"), *JAILS[1:]),
        (jail(BAD, "^<F-ID>x?</F-ID>", name="a", reading=Reading.MESSAGE), *JAILS[1:]),
        (jail(BAD, "^<F-ID>x?</F-ID>", name="a", prefregex="x"), *JAILS[1:]),
    ]
    keys = {fingerprint(jails, "machine", small=True) for jails in (JAILS, *others)}
    assert len({fingerprint(JAILS, "other machine", small=True), *keys}) == len(others) + 2
    assert fingerprint(JAILS, "machine", small=True) in keys


# --- the automaton -----------------------------------------------------------------------------------


def test_an_expression_that_is_refused_costs_no_other() -> None:
    engine("hyperscan")
    made, refused = Automaton.compiled(["one two", "(?:.{1,900}a){900}", "two three"])
    assert refused == {1}
    assert scanned(made, b"one two three") == (0, 2)


def test_without_any_expression_words_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine("hyperscan")
    monkeypatch.setattr(mesh, "expression", lambda _: "(")
    assert woven(JAILS, "hyperscan", small=True).engine == WORDS


def test_an_engine_that_overlooks_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    engine("hyperscan")
    monkeypatch.setattr(mesh, "overlooked", lambda *_: {0})
    assert woven(JAILS, "hyperscan", small=True).engine == WORDS


def test_what_overlooks_late_matches_is_found_out() -> None:
    factors = [shape(re.compile(regex)) for regex in (r"\] Ban \d+$", "^refused", "x[yz]+ login")]
    found = [re.compile(rb"\] Ban \d+$"), re.compile(b"^refused"), re.compile(b"x[yz]+ login")]

    def honest(text: bytes, before: int = 9999) -> list[int]:
        matches = enumerate(each.search(text) for each in found)
        return [number for number, match in matches if match and match.start() < before]

    def deaf(text: bytes) -> list[int]:
        return honest(text, before=64)

    assert overlooked(factors, honest) == set()
    assert overlooked(factors, deaf) == {0, 2}


def test_a_library_known_to_overlook_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hyperscan")
    monkeypatch.setattr(
        automaton, "DEAF", tuple(f"5.{minor}.{patch}" for minor in range(9) for patch in range(99))
    )
    assert automaton.version() is None
