"""The server has iptables-legacy: every test that asks for `wall` runs with sets and without."""

import shutil
from collections.abc import Iterator

import pytest

from tests.netns.legacy.lab import LegacyLab, Wall
from tests.support.netns import Namespace
from tests.support.processes import wait_until


@pytest.fixture(scope="session")
def legacy_lab() -> Iterator[LegacyLab]:
    if not shutil.which("iptables-legacy-save") or not shutil.which("ipset"):
        pytest.skip("iptables-legacy or ipset is not here")
    with Namespace() as server, Namespace() as strangers:
        laboratory = LegacyLab(server, strangers)
        with server.listen(22), server.listen(25):
            wait_until(lambda: laboratory.gets_through("2001:db8:2::1"), "IPv6")
            yield laboratory


@pytest.fixture
def lab(legacy_lab: LegacyLab) -> Iterator[LegacyLab]:
    yield legacy_lab
    legacy_lab.clean()


@pytest.fixture(params=["plain", "sets"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def wall(lab: LegacyLab, kind: str) -> Iterator[Wall]:
    with lab.legacy(sets=kind == "sets") as made:
        yield made
