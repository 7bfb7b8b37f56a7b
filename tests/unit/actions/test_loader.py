from importlib.metadata import EntryPoint

import pytest

from f2b import plugins
from f2b.actions import loader
from f2b.actions.null import Null
from f2b.addresses import parse
from f2b.config.settings import DaemonSettings
from f2b.errors import ConfigError


class Mine(Null):
    name = "mine"


def make(settings: DaemonSettings, instance: str, *, takeover: bool) -> Mine:
    assert (settings.table, instance, takeover) == ("f2b-table", "1a2b", True)
    return Mine()


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:make", plugins.BACKENDS)
    monkeypatch.setattr(plugins, "_others", lambda group: [point] * (group == plugins.BACKENDS))


def test_null_takes_everything() -> None:
    backend = loader.backend("null", DaemonSettings(), instance="1a2b").backend
    assert backend.name == "null"
    assert backend.start([], [parse("192.0.2.1")], [], 0.0) == []
    assert backend.apply([], 0.0) == []
    backend.set_own([])
    backend.lift()
    backend.close()


def test_nftables_needs_no_privilege_to_be_made() -> None:
    backend = loader.backend("nftables", DaemonSettings(), instance="1a2b").backend
    assert backend.name == "nftables"
    backend.close()


def test_backend_of_another_package() -> None:
    made = loader.backend("mine", DaemonSettings(), instance="1a2b", takeover=True)
    assert made.backend.name == "mine"


def test_unknown_backend_names_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"'pf'.*auto, blackhole, iptables-legacy, nftables, null, mine"
    ):
        loader.backend("pf", DaemonSettings(), instance="1a2b")
