"""What fail2ban's names for firewalls become."""

from pathlib import Path

import pytest

from f2b.config import table
from f2b.config.settings import Blocktype, WallSettings
from f2b.errors import ConfigError
from tests.unit.config.tree import problems, sshd

OURS = WallSettings()
MULTIPORT = WallSettings(ports=((22, 22),), protocols=("tcp",), blocktype=Blocktype.REJECT)
ALLPORTS = WallSettings(protocols=("tcp",), blocktype=Blocktype.REJECT)


def nftables(wall: WallSettings) -> WallSettings:
    return wall._replace(backend="nftables")


@pytest.mark.parametrize(
    ("options", "wall"),
    [
        ("", OURS),
        ("banaction = auto", OURS),
        ("banaction = iptables-legacy", OURS._replace(backend="iptables-legacy")),
        (
            "banaction = iptables-legacy[type=multiport]",
            MULTIPORT._replace(backend="iptables-legacy"),
        ),
        ("banaction = nftables", nftables(OURS)),
        ("banaction = nftables-multiport", nftables(MULTIPORT)),
        ("banaction = nftables-allports", nftables(ALLPORTS)),
        ("banaction = iptables-multiport", MULTIPORT),
        ("banaction = iptables-allports", ALLPORTS),
        ("banaction = nftables[type=multiport]", nftables(MULTIPORT)),
        ("banaction = nftables[type=allports]", nftables(ALLPORTS)),
        ("banaction = %(banaction_allports)s", OURS),
        (
            'banaction = nftables[port="80,443", protocol="tcp,udp"]',
            nftables(
                WallSettings(
                    ports=((80, 80), (443, 443)),
                    protocols=("tcp", "udp"),
                    blocktype=Blocktype.REJECT,
                )
            ),
        ),
        (
            "banaction = nftables[blocktype=reject]",
            nftables(WallSettings(blocktype=Blocktype.REJECT)),
        ),
        ("blocktype = reject", WallSettings(blocktype=Blocktype.REJECT)),
        (
            "banaction = nftables-allports[blocktype=DROP]",
            nftables(WallSettings(protocols=("tcp",), blocktype=Blocktype.DROP)),
        ),
        (
            "banaction = iptables-allports[blocktype=REJECT --reject-with icmp-port-unreachable]",
            ALLPORTS,
        ),
        (
            "banaction = nftables-allports\nprotocol = all",
            nftables(WallSettings(blocktype=Blocktype.REJECT)),
        ),
        (
            "banaction = nftables-multiport\nport = 0:65535\nprotocol = udp",
            nftables(WallSettings(protocols=("udp",), blocktype=Blocktype.REJECT)),
        ),
        ("action = %(action_)s", OURS),
        ("action = nftables-multiport", nftables(MULTIPORT)),
        ('action = %(banaction)s[port="%(port)s", chain="<known/chain>"]', MULTIPORT),
        ("banaction = iptables[type=oneport]", MULTIPORT),
        ("banaction = iptables-multiport-log", MULTIPORT),
        (
            "action = nftables-multiport[protocol=tcp]\n  nftables-multiport[port=53,protocol=udp]",
            nftables(
                WallSettings(
                    ports=((22, 22), (53, 53)),
                    protocols=("tcp", "udp"),
                    blocktype=Blocktype.REJECT,
                )
            ),
        ),
        (
            "action = nftables-multiport\n  nftables-allports[protocol=all]",
            nftables(WallSettings(blocktype=Blocktype.REJECT)),
        ),
    ],
)
def test_wall(tmp_path: Path, options: str, wall: WallSettings) -> None:
    assert sshd(tmp_path, options, {"jail.d/port.conf": "[DEFAULT]\nport = ssh\n"}).wall == wall


@pytest.mark.parametrize(
    ("options", "blocktype"),
    [
        ("banaction = nftables-allports", Blocktype.DROP),
        ("banaction = nftables", Blocktype.DROP),
        ("banaction = nftables-allports[blocktype=reject]", Blocktype.REJECT),
    ],
)
def test_a_blocktype_for_all_nftables_actions_counts(
    tmp_path: Path, options: str, blocktype: Blocktype
) -> None:
    files = {"action.d/nftables-common.local": "[Init]\nblocktype = drop\n"}
    assert sshd(tmp_path, options, files).wall.blocktype is blocktype


@pytest.mark.parametrize(
    ("text", "blocktype"),
    [
        ("reject", Blocktype.REJECT),
        ("REJECT --reject-with icmp-port-unreachable", Blocktype.REJECT),
        ("REJECT --reject-with tcp-reset", Blocktype.RESET),
        ("reject with tcp reset", Blocktype.RESET),
        ("tcp-reset", Blocktype.RESET),
        ("reject with icmp type host-unreachable", Blocktype.HOST),
        ("REJECT --reject-with icmp6-addr-unreachable", Blocktype.HOST),
        ("reject with icmpx admin-prohibited", Blocktype.PROHIBITED),
        ("REJECT --reject-with icmp6-adm-prohibited", Blocktype.PROHIBITED),
        ("reject with icmpv6 no-route", Blocktype.NO_ROUTE),
        ("REJECT --reject-with icmp-net-unreachable", Blocktype.NO_ROUTE),
        ("host-unreachable", Blocktype.HOST),
        ("DROP", Blocktype.DROP),
    ],
)
def test_reasons_in_every_spelling(tmp_path: Path, text: str, blocktype: Blocktype) -> None:
    assert sshd(tmp_path, f"blocktype = {text}", {}).wall.blocktype is blocktype


@pytest.mark.parametrize("text", ["refuse", "reject with love", "drop-it now", "port-unreachable"])
def test_no_reason_at_all(text: str) -> None:
    with pytest.raises(ConfigError, match="drop or reject"):
        table.blocktype(text)


def test_a_wrong_blocktype_for_all_actions_names_its_file(tmp_path: Path) -> None:
    files = {"action.d/nftables-common.local": "[Init]\nblocktype = dorp\n"}
    assert problems(tmp_path, "", files) == [
        "error: action.d/nftables-common.local:2: blocktype needs drop or reject, got 'dorp'"
    ]


def test_the_first_firewall_of_an_action_list_counts(tmp_path: Path) -> None:
    options = "action = sendmail[dest=x]\n  nftables-allports\n  nftables-multiport\n"
    assert problems(tmp_path, options) == [
        "error: jail.conf:3: there is no action 'sendmail': action.d/sendmail.conf does not exist"
    ]
