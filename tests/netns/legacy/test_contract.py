"""iptables-legacy, with sets and without, keeps the contract that f2b-actions(7) asks of others."""

from typing import cast

import pytest

from f2b.actions.base import Backend
from f2b.actions.contract import BackendContract
from f2b.actions.iptables import Iptables
from tests.netns.conftest import TABLE
from tests.netns.legacy.lab import LegacyLab, Wall

pytestmark = pytest.mark.root


class TestIptables(BackendContract):
    sets = False

    @pytest.fixture(autouse=True)
    def _somewhere(self, lab: LegacyLab) -> None:
        self.lab = lab

    def make(self) -> Backend:
        with self.lab.server.inside():
            wall = Iptables(TABLE, "prerouting", "1a2b3c4d", sets=self.sets)
        return cast("Backend", Wall(self.lab, wall))


class TestIptablesWithSets(TestIptables):
    sets = True
