"""nftables, in both forms, keeps the contract that f2b-actions(7) asks of others."""

from collections.abc import Collection

import pytest

from f2b.actions.base import Backend
from f2b.actions.contract import BackendContract
from f2b.actions.plain import PlainNftables
from f2b.addresses import Offender
from tests.netns.conftest import TABLE, Lab

pytestmark = pytest.mark.root


class TestNftables(BackendContract):
    @pytest.fixture(autouse=True)
    def _somewhere(self, lab: Lab) -> None:
        self.lab = lab

    def make(self) -> Backend:
        return self.lab.wall()


class TestPlainNftables(TestNftables):
    def make(self) -> Backend:
        with self.lab.server.inside():
            return PlainNftables(TABLE, "prerouting", "1a2b3c4d")

    def holds(self, backend: Backend, jail: str) -> Collection[Offender] | None:
        """Of networks that overlap the kernel has the widest, which keeps the others out too."""
        assert isinstance(backend, PlainNftables)
        held = backend.elements(jail).keys()
        bans = [
            ban for place, those in backend._bans.items() if place.jail == jail for ban in those
        ]
        assert held <= set(bans)
        return [ban for ban in bans if any(each.covers(ban) for each in held)]
