"""The file beside the database: trusted only where nobody else can have written it, and never needed."""

import asyncio
import os
from pathlib import Path

import pytest

from f2b.child import ENVIRONMENT
from f2b.config.settings import FilterSettings
from f2b.daemon import sieves
from f2b.daemon.sieves import LARGEST, NAME, Sieves
from f2b.decide.jail import Jail
from f2b.detect.sieve import Sieve
from f2b.detect.words import WORDS
from tests.support.sieving import fields
from tests.unit.decide.making import CUSTOM, located
from tests.unit.decide.making import jail as made

LINE = b"we refused login of 192.0.2.7"


def jail(name: str = "sshd", regex: str = "we refused login of <HOST>") -> Jail:
    match = located("_SYSTEMD_UNIT=test.service")
    settings = FilterSettings(name=name, failregex=located(regex), journalmatch=match)
    return made(name=name, filter=settings)


OTHER = jail("other", "another thing of <HOST>")


class Office:
    """Sieves, and what they handed out."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        self.sieve: Sieve | None = None
        self.hosts: list[bytes] = []
        self.sieves = Sieves(folder / "db", self._use, self.told.append, lambda: self.hosts)

    def _use(self, sieve: Sieve | None) -> None:
        self.sieve = sieve

    def renew(self, *jails: Jail) -> bool:
        """Whether there was one at once; returns when there is one, or none can be made."""

        async def until_made() -> bool:
            self.sieves.renew(jails or (jail(),))
            at_once = self.sieve is not None
            if self.sieves._making:
                await self.sieves._making
            return at_once

        return asyncio.run(until_made())

    @property
    def works(self) -> bool:
        return self.sieve is not None and bool(self.sieve.candidates(LINE, fields()))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_what_was_made_is_stored(office: Office, tmp_path: Path) -> None:
    assert not office.renew()
    assert office.works
    assert office.sieves.engine
    assert Office(tmp_path).renew()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_stored_one_works(office: Office, tmp_path: Path) -> None:
    office.renew()
    again = Office(tmp_path)
    again.renew()
    assert again.works
    assert again.sieve is not None
    assert not again.sieve.candidates(b"good", fields())


def test_other_jails_have_another_sieve(office: Office) -> None:
    office.renew()
    assert not office.renew(jail(), OTHER)


def test_hosts_with_capital_letters_have_another_as_well(office: Office) -> None:
    office.renew()
    office.hosts = [b"web-1", b"MAIL"]
    assert not office.renew()
    assert office.sieve is not None
    assert "_HOSTNAME" not in office.sieve.names


def test_there_is_none_while_another_is_made(office: Office) -> None:
    office.renew()

    async def begin() -> None:
        office.sieves.renew([OTHER])
        assert office.sieve is None
        assert office.sieves.engine == ""
        office.sieves.stop()
        await asyncio.sleep(0.05)

    asyncio.run(begin())
    assert office.sieve is None


def test_a_file_that_others_may_write_is_not_read(office: Office, tmp_path: Path) -> None:
    for mode in (0o620, 0o602):
        office.renew()
        (tmp_path / NAME).chmod(mode)
        assert not office.renew()


def test_a_link_is_not_followed(office: Office, tmp_path: Path) -> None:
    office.renew()
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    (tmp_path / NAME).symlink_to("elsewhere")
    assert not office.renew()


@pytest.mark.root
def test_a_file_of_somebody_else_is_not_read(office: Office, tmp_path: Path) -> None:
    office.renew()
    os.chown(tmp_path / NAME, 12345, 12345)
    assert not office.renew()


def test_a_damaged_file_is_made_anew(office: Office, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"x")
    assert not office.renew()
    assert office.works
    assert office.renew()


def test_a_file_without_end_is_not_read(office: Office, tmp_path: Path) -> None:
    (tmp_path / NAME).touch(mode=0o600)
    os.truncate(tmp_path / NAME, LARGEST + 1)
    assert not office.renew()


def test_a_pipe_holds_nobody_up(office: Office, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME, 0o600)
    assert not office.renew()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    nowhere = Office(tmp_path / "nowhere")
    assert not nowhere.renew()
    assert nowhere.works
    assert nowhere.told == []
    assert not nowhere.renew()


def test_without_a_process_every_entry_is_asked_about(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sieves, "LOOM", "f2b.nowhere")
    office.renew()
    assert office.sieve is None
    assert len(office.told) == 1
    assert "every entry is asked about" in office.told[0]


def test_without_hyperscan_it_goes_by_words(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loom = tmp_path / "loom"
    loom.mkdir()
    (loom / "f2b_by_words.py").write_text(
        "from f2b.detect import automaton, loom\nautomaton.version = lambda: None\nloom.main()\n"
    )
    monkeypatch.setattr(sieves, "LOOM", "f2b_by_words")
    path = f"{ENVIRONMENT['PYTHONPATH']}:{loom}"
    monkeypatch.setattr(sieves, "ENVIRONMENT", {"PYTHONPATH": path})
    office.renew()
    assert office.works
    assert office.sieves.engine == WORDS


def test_jails_that_read_nothing_have_none(office: Office) -> None:
    assert not office.renew(made(filter=CUSTOM))
    assert office.sieve is None
