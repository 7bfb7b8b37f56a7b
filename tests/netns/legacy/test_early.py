"""Kernels without iptables' table raw, or mangle: the rows of f2b-actions(7)."""

import pytest

from tests.netns.legacy.lab import LegacyLab
from tests.netns.values import NOW, ban, jail

pytestmark = pytest.mark.root

NAT = "*nat\n-A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports 8443\nCOMMIT\n"


@pytest.mark.parametrize(
    ("early", "hooks", "lost"),
    [
        (("missing", "mangle"), ["PREROUTING"], "no table raw: "),
        (("missing", "lacking"), ["INPUT", "FORWARD"], "no tables raw and mangle: "),
    ],
)
@pytest.mark.parametrize(
    ("banned", "free"), [("203.0.113.7", "203.0.113.8"), ("2001:db8:2::7", "2001:db8:2::8")]
)
def test_without_table_raw_another_drops(
    lab: LegacyLab,
    kind: str,
    early: tuple[str, str],
    hooks: list[str],
    lost: str,
    banned: str,
    free: str,
) -> None:
    for family in (4, 6):
        lab.restore(NAT, family)
    jails, bans = [jail("web", 443), jail()], [ban(banned, jail="web")]
    with lab.server.listen(8443), lab.legacy(sets=kind == "sets", early=early) as wall:
        wall.start(jails, [], bans, NOW)
        assert any(loss.startswith(lost) for loss in wall.losses)
        for hook in ("PREROUTING", "INPUT", "FORWARD"):
            jumps = lab.rules(hook).count("-j f2b-chain")
            assert jumps == (hook in hooks)
        assert not lab.gets_through(banned, 443)
        assert lab.gets_through(banned, 8443)
        assert lab.gets_through(free, 443)
        before = lab.ours()
        wall.start(jails, [], bans, NOW)
        assert lab.ours() == before
    # On a better kernel they move, and nothing stays behind.
    with lab.legacy(sets=kind == "sets") as wall:
        wall.start(jails, [], bans, NOW)
        assert lab.rules("PREROUTING").count("-j f2b-chain") == 1
        assert lab.rules("INPUT") == lab.rules("FORWARD") == []
        assert not lab.gets_through(banned, 443)
        assert not any(loss.startswith("no table") for loss in wall.losses)
        wall.lift()
    assert lab.ours() == []
