"""The file beside the database: trusted only where nobody else can have written it, and never needed."""

import asyncio
import os
from pathlib import Path

import pytest

from f2b.daemon.sieves import LARGEST, NAME, Sieves
from f2b.detect.mesh import WORDS
from f2b.detect.sieve import Sieve
from tests.support.sieving import engine, fields, jail

JAILS = (jail("was refused login of <HOST>"),)


def made(sieves: Sieves) -> Sieve:
    return asyncio.run(sieves.made(JAILS))


def works(sieve: Sieve | None) -> bool:
    return sieve is not None and bool(
        sieve.candidates(b"he was refused login of 192.0.2.7", fields())
    )


@pytest.fixture
def sieves(tmp_path: Path) -> Sieves:
    engine("hyperscan")
    return Sieves(tmp_path)


def test_what_was_made_is_stored(sieves: Sieves, tmp_path: Path) -> None:
    assert sieves.stored(JAILS) is None
    assert works(made(sieves))
    assert works(sieves.stored(JAILS))
    assert works(Sieves(tmp_path).stored(JAILS))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_other_jails_have_another_sieve(sieves: Sieves) -> None:
    made(sieves)
    assert sieves.stored((*JAILS, jail("other <HOST>", name="other"))) is None


def test_a_file_that_others_may_write_is_not_read(sieves: Sieves, tmp_path: Path) -> None:
    made(sieves)
    (tmp_path / NAME).chmod(0o620)
    assert sieves.stored(JAILS) is None
    (tmp_path / NAME).chmod(0o602)
    assert sieves.stored(JAILS) is None


def test_a_link_is_not_followed(sieves: Sieves, tmp_path: Path) -> None:
    made(sieves)
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    (tmp_path / NAME).symlink_to("elsewhere")
    assert sieves.stored(JAILS) is None


@pytest.mark.root
def test_a_file_of_somebody_else_is_not_read(sieves: Sieves, tmp_path: Path) -> None:
    made(sieves)
    os.chown(tmp_path / NAME, 12345, 12345)
    assert sieves.stored(JAILS) is None


def test_a_damaged_file_is_made_anew(sieves: Sieves, tmp_path: Path) -> None:
    made(sieves)
    (tmp_path / NAME).write_bytes(b"x")
    assert sieves.stored(JAILS) is None
    assert works(made(sieves))
    assert works(sieves.stored(JAILS))


def test_a_file_without_end_is_not_read(sieves: Sieves, tmp_path: Path) -> None:
    (tmp_path / NAME).touch(mode=0o600)
    os.truncate(tmp_path / NAME, LARGEST + 1)
    assert sieves.stored(JAILS) is None


def test_a_pipe_holds_nobody_up(sieves: Sieves, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME, 0o600)
    assert sieves.stored(JAILS) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    engine("hyperscan")
    nowhere = Sieves(tmp_path / "nowhere")
    assert works(made(nowhere))
    assert nowhere.stored(JAILS) is None


def test_without_hyperscan_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("f2b.detect.automaton.version", lambda: None)
    sieves = Sieves(tmp_path)
    sieve = made(sieves)
    assert works(sieve)
    assert sieve.engine == WORDS
    assert list(tmp_path.iterdir()) == []
    assert sieves.stored(JAILS) is None
