"""What jails need of the unit, and what is said when it does not give it."""

from pathlib import Path

import pytest

from f2b.config.needs import Given, Kind, Need, given_by_unit, lacking, needs
from f2b.config.settings import (
    ActionCommands,
    ActionSettings,
    FilterSettings,
    JailSettings,
    UseDns,
    WallSettings,
)
from tests.support.processes import CHECKOUT

FOLDER = Path("/opt/f2b/share/f2b.service.d")
NOTHING = Given(network=False, names=False, mail=False, legacy=False, root=False)
PLAIN = {
    "User": "f2b", "RestrictAddressFamilies": "AF_NETLINK AF_UNIX", "IPAddressDeny": "0.0.0.0/0 ::/0",
    "IPAddressAllow": "", "AmbientCapabilities": "cap_net_admin", "SupplementaryGroups": "systemd-journal",
    "NoNewPrivileges": "yes",
}  # fmt: skip


def of_command(command: str) -> set[Kind]:
    action = ActionSettings(jail="sshd", name="x", inet4=ActionCommands(ban=command))
    jail = JailSettings(name="sshd", filter=FilterSettings(name="sshd"), actions=(action,))
    return {need.kind for need in needs([jail])}


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("curl -s https://example.org -d <ip>", {Kind.NETWORK}),
        ("echo <ip> | /usr/bin/nc host 25", {Kind.NETWORK}),
        ("timeout 5 wget x", {Kind.NETWORK}),
        ("sh -c 'whois <ip>'", {Kind.NETWORK}),
        ("A=1 B=2 curl x", {Kind.NETWORK}),
        ("printf x | /usr/sbin/sendmail -i root", {Kind.MAIL}),
        ("x=$(dig +short <ip>); mail -s \"$x\" root", {Kind.NETWORK, Kind.MAIL}),
        ("if true; then sudo ufw deny from <ip>\nfi", {Kind.ROOT}),
        ("ufw insert 1 deny from <ip>", {Kind.ROOT}),
        ("logger mail from <ip> at host curl", set()),
        ("echo 'no mail' >> /var/lib/f2b/x", set()),
        ("", set()),
    ],
)  # fmt: skip
def test_what_a_command_needs(command: str, kinds: set[Kind]) -> None:
    assert of_command(command) == kinds


def test_what_a_jail_needs() -> None:
    jail = JailSettings(
        name="web",
        filter=FilterSettings(name="web", usedns=UseDns.YES),
        wall=WallSettings(backend="iptables-legacy"),
        ignoreelsewhere=(Path("/etc/friends"), "home.example.org"),
        ignorecommand=("/usr/bin/dig", "<ip>"),
        actions=(
            ActionSettings(jail="web", name="hook", plugin="webhook"),
            ActionSettings(jail="web", name="mine", plugin="x", parameters=(("to", "http://a"),)),
            ActionSettings(jail="web", name="other", plugin="x"),
            ActionSettings(jail="web", name="root", plugin="root"),
            ActionSettings(jail="web", name="mail", plugin="mail"),
            ActionSettings(jail="web", name="who", plugin="mail", parameters=(("whois", "yes"),)),
        ),
    )
    assert needs([jail]) == [
        Need(Kind.LEGACY, "banaction = iptables-legacy"),
        Need(Kind.NETWORK, "usedns of jail web", name=True),
        Need(Kind.NETWORK, "ignoreip = home.example.org of jail web", name=True),
        Need(Kind.NETWORK, "ignorecommand of jail web"),
        Need(Kind.NETWORK, "action hook of jail web"),
        Need(Kind.NETWORK, "action mine of jail web"),
        Need(Kind.ROOT, "action root of jail web"),
        Need(Kind.MAIL, "action mail of jail web"),
        Need(Kind.MAIL, "action who of jail web"),
        Need(Kind.NETWORK, "action who of jail web"),
    ]


def test_what_is_there_is_not_lacking() -> None:
    wanted = [Need(kind, "x") for kind in Kind] + [Need(Kind.NETWORK, "names", name=True)]
    assert lacking(wanted, Given(), FOLDER) == []
    assert [each.dropin for each in lacking(wanted, NOTHING, FOLDER)] == [*Kind]
    (only,) = lacking(wanted, Given(network=False), FOLDER)
    assert only.needed_by == ("x",)
    assert only.text == "f2b.service lacks the drop-in network for x"
    assert only.command == (
        "install -D -m 644 -t /etc/systemd/system/f2b.service.d /opt/f2b/share/f2b.service.d/network.conf"
        " && systemctl daemon-reload && systemctl restart f2b"
    )
    (root,) = lacking([Need(Kind.ROOT, "x")], NOTHING, FOLDER)
    assert root.text == "f2b.service lacks f2b-root.socket for x"


@pytest.mark.parametrize(
    ("changes", "gives"),
    [
        ({}, NOTHING),
        ({"RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX"}, NOTHING),
        (
            {
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
                "IPAddressDeny": "",
            },
            NOTHING._replace(network=True, names=True),
        ),
        (
            {"RestrictAddressFamilies": "", "IPAddressAllow": "0.0.0.0/0 ::/0"},
            NOTHING._replace(network=True, names=True),
        ),
        ({"RestrictAddressFamilies": "~AF_INET AF_PACKET", "IPAddressDeny": ""}, NOTHING),
        ({"SupplementaryGroups": "postdrop systemd-journal"}, NOTHING._replace(mail=True)),
        ({"NoNewPrivileges": "no"}, NOTHING._replace(mail=True)),
        (
            {
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
                "AmbientCapabilities": "cap_net_admin cap_net_raw",
            },
            NOTHING._replace(legacy=True),
        ),
        ({"User": ""}, NOTHING._replace(mail=True, legacy=True, root=True)),
    ],
)
def test_what_a_unit_gives(changes: dict[str, str], gives: Given) -> None:
    assert given_by_unit({**PLAIN, **changes}, NOTHING) == gives


def test_what_the_machine_gives_counts_too() -> None:
    host = Given(network=False, names=True, mail=True, legacy=False, root=True)
    assert given_by_unit(PLAIN, host) == host


def test_every_drop_in_is_shipped() -> None:
    shipped = {path.stem for path in (CHECKOUT / "etc/systemd/f2b.service.d").iterdir()}
    assert shipped == {kind.value for kind in Kind if "." not in kind.value}
    assert (CHECKOUT / "etc/systemd" / Kind.ROOT.value).exists()
