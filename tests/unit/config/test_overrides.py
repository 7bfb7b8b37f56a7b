"""An old jail.local names fail2ban's firewalls, and files beside it change them."""

from pathlib import Path

import pytest

from f2b.config.settings import Blocktype, WallSettings
from tests.unit.config.test_wall import ALLPORTS, MULTIPORT
from tests.unit.config.tree import problems, sshd

OLD = 'banaction = {}\naction = %(banaction)s[name=%(__name__)s, port="22", protocol="tcp", chain="INPUT"]'


@pytest.mark.parametrize(
    ("name", "wall"),
    [
        ("iptables", MULTIPORT),
        ("iptables-multiport", MULTIPORT),
        ("iptables-new", MULTIPORT),
        ("iptables-ipset", MULTIPORT),
        ("iptables-ipset-proto4", MULTIPORT),
        ("iptables-ipset-proto6", MULTIPORT),
        ("iptables-allports", ALLPORTS),
        ("iptables-ipset-proto6-allports", ALLPORTS),
        ("nftables-multiport", MULTIPORT._replace(backend="nftables")),
        ("nftables", MULTIPORT._replace(backend="nftables")),
        ("blackhole", WallSettings(backend="blackhole")),
        ("route", WallSettings(backend="blackhole", blocktype=Blocktype.HOST)),
    ],
)
def test_names_of_an_old_jail_local(tmp_path: Path, name: str, wall: WallSettings) -> None:
    assert sshd(tmp_path, OLD.format(name)).wall == wall


@pytest.mark.parametrize(
    ("spec", "blocktype"),
    [
        ("blackhole", Blocktype.DROP),
        ("blackhole[blocktype=prohibit]", Blocktype.PROHIBITED),
        ("route[blocktype=blackhole]", Blocktype.DROP),
        ("route[blocktype=unreachable]", Blocktype.HOST),
    ],
)
def test_kinds_of_routes(tmp_path: Path, spec: str, blocktype: Blocktype) -> None:
    wall = WallSettings(backend="blackhole", blocktype=blocktype)
    assert sshd(tmp_path, f"banaction = {spec}").wall == wall


def test_a_kind_of_route_that_there_is_not(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "banaction = route[blocktype=drop]")
    assert problem == (
        "error: jail.conf:3: route has no blocktype 'drop' (there are blackhole, unreachable, prohibit)"
    )


def test_parameters_without_effect_are_told_and_cost_no_jail(tmp_path: Path) -> None:
    spec = 'iptables-ipset-proto6[bantime=0, lockingopt="-w 5", blocktype?family=inet6=DROP]'
    (problem,) = problems(tmp_path, f"banaction = {spec}")
    assert problem == (
        "warning: jail.conf:3: iptables-ipset-proto6 is f2b's own firewall, which has no use for "
        "bantime, lockingopt, blocktype?family=inet6"
    )


def test_a_parameter_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "banaction = iptables-multiport[prot=tcp]")
    assert problem.startswith(
        "error: jail.conf:3: iptables-multiport has no parameter 'prot' here"
    )


def test_commands_written_over_one_of_these_are_told(tmp_path: Path) -> None:
    files = {
        "action.d/iptables-multiport.local": "[Definition]\nactionban = x <ip>\nactionunban = y\n",
        "action.d/iptables-allports.local": "[Definition]\nactionban = not asked for\n",
    }
    (problem,) = problems(tmp_path, "banaction = iptables-multiport", files)
    assert problem == (
        "warning: action.d/iptables-multiport.local:2: actionban, actionunban counts for nothing: "
        "iptables-multiport is f2b's own firewall (write it into an action file of another name, and "
        "that name into banaction)"
    )


def test_a_blocktype_written_over_one_of_these_counts(tmp_path: Path) -> None:
    files = {
        "action.d/iptables-common.local": "[Init]\nblocktype = DROP\n",
        "action.d/iptables-allports.local": "[Init]\nblocktype = REJECT --reject-with tcp-reset\n",
    }
    wall = sshd(tmp_path, "banaction = iptables-multiport", files).wall
    assert wall.blocktype is Blocktype.DROP
    wall = sshd(tmp_path, "banaction = iptables-allports", files).wall
    assert wall.blocktype is Blocktype.RESET
