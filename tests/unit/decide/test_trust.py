"""A second reading is refused to entries that any local user can write."""

import pytest

from f2b.config.settings import FilterSettings, Reading
from f2b.decide.trust import trusted_match
from f2b.errors import FilterError
from tests.unit.decide.making import located, settings
from tests.unit.decide.test_assemble import assembled


def filter_(reading: Reading, *journalmatch: str) -> FilterSettings:
    return FilterSettings(
        name="x", failregex=located("<HOST>"), reading=reading, journalmatch=located(*journalmatch)
    )


@pytest.mark.parametrize(
    "journalmatch",
    [
        "CONTAINER_NAME=mailserver _SYSTEMD_UNIT=docker.service",
        "CONTAINER_NAME=mailserver _UID=0",
        "_SYSTEMD_UNIT=a.service + _EXE=/usr/bin/b",
    ],
)
def test_both_takes_what_journald_vouches_for(journalmatch: str) -> None:
    assert str(trusted_match(filter_(Reading.BOTH, journalmatch)))


@pytest.mark.parametrize(
    "journalmatch",
    [
        "CONTAINER_NAME=mailserver",
        "_COMM=conmon",
        "*",
        "_SYSTEMD_UNIT=a.service + CONTAINER_NAME=b",
    ],
)
def test_both_refuses_what_anybody_can_write(journalmatch: str) -> None:
    with pytest.raises(FilterError) as error:
        trusted_match(filter_(Reading.BOTH, "_UID=0", journalmatch))
    assert str(error.value).startswith(
        "filter.d/test.conf:1: reading = both needs a journalmatch "
    )
    assert f"{journalmatch!r} (add what journald itself knows" in str(error.value)


@pytest.mark.parametrize("reading", [Reading.BUILT, Reading.MESSAGE])
def test_a_single_reading_takes_what_the_admin_says(reading: Reading) -> None:
    assert trusted_match(filter_(reading, "CONTAINER_NAME=mailserver")).forgeable


def test_a_refused_jail_runs_not_and_the_others_do() -> None:
    bad = settings(name="bad", filter=filter_(Reading.BOTH, "CONTAINER_NAME=mailserver"))
    assembly = assembled(bad, settings())
    assert [(jail.name, bool(jail.broken)) for jail in assembly.jails] == [
        ("bad", True), ("sshd", False),
    ]  # fmt: skip
    assert "_SYSTEMD_UNIT=docker.service" in assembly.errors[0].hint
