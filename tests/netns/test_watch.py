"""What the backend hears of others, and of itself."""

import re
from collections.abc import Sequence

import pytest

from f2b.actions.base import Disturbance
from f2b.actions.netlink import Message
from f2b.actions.nftables import Nftables
from f2b.addresses import parse
from tests.netns.conftest import TABLE, Lab
from tests.netns.values import NOW, ban, jail, put, remove

pytestmark = pytest.mark.root


@pytest.fixture
def started(wall: Nftables) -> Nftables:
    wall.start([jail()], [], [put("203.0.113.1").ban], NOW)
    return wall


def test_own_changes_are_no_news(started: Nftables) -> None:
    started.apply([put("203.0.113.2"), put("2001:db8:1::/64"), remove("203.0.113.1")], NOW)
    started.start([jail("dovecot")], [], [], NOW)
    assert not started.disturbed()


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        ("delete element inet f2b-table addr-set-sshd { 203.0.113.1 }", "203.0.113.1"),
        ("delete element inet f2b-table addr6-set-sshd-64 { 2001:db8:1:: }", "2001:db8:1::/64"),
        ("flush set inet f2b-table addr-set-sshd", None),
        ("flush chain inet f2b-table jail-sshd", None),
        ("add element inet f2b-table addr-set-sshd { 203.0.113.9 timeout 1h }", None),
    ],
)
def test_who_changed_what(lab: Lab, started: Nftables, change: str, removed: str | None) -> None:
    started.apply([put("203.0.113.2"), put("2001:db8:1::/64")], NOW)
    lab.server.run(["nft", "-f", "-"], stdin=change)
    disturbance = started.disturbed()
    assert disturbance is not None
    assert re.fullmatch(r"nft \(process \d+\)", disturbance.who)
    assert disturbance.removed == ((("sshd", parse(removed)),) if removed else ())


def test_other_tables_are_no_news(lab: Lab, started: Nftables) -> None:
    lab.nft("add", "table", "inet", f"{TABLE}-of-others")
    lab.nft("add", "set", "inet", f"{TABLE}-of-others", "s", "{ type ipv4_addr; }")
    assert not started.disturbed()


@pytest.mark.parametrize(
    "command",
    [
        ("flush", "ruleset"),
        ("delete", "table", "inet", TABLE),
        ("flush", "chain", "inet", TABLE, "jail-sshd"),
        ("flush", "set", "inet", TABLE, "addr-set-sshd"),
        ("delete", "element", "inet", TABLE, "addr-set-sshd", "{ 203.0.113.1 }"),
        ("add", "element", "inet", TABLE, "addr-set-sshd", "{ 203.0.113.9 timeout 1h }"),
        ("insert", "rule", "inet", TABLE, "f2b-chain", "accept"),
    ],
    ids=" ".join,
)
def test_every_change_by_others_is_heard_once_and_mended(
    lab: Lab, started: Nftables, command: tuple[str, ...]
) -> None:
    lab.nft(*command)
    assert started.disturbed()
    assert not started.disturbed()
    started.start([jail()], [], [put("203.0.113.1").ban], NOW)
    assert set(lab.elements("addr-set-sshd")) == {"203.0.113.1"}
    assert (
        "accept\n"
        not in lab.nft("list", "chain", "inet", TABLE, "f2b-chain").split("policy accept;")[1]
    )
    assert not lab.gets_through("203.0.113.1")


def test_a_long_restore_is_not_heard_but_what_others_do_meanwhile_is_found(
    lab: Lab, started: Nftables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is heard of our own elements, which would fill the socket."""
    bans = [ban(f"10.0.{n >> 8}.{n & 255}") for n in range(3000)]
    commit = started._commit
    turns: list[str] = []

    def disturbed(messages: Sequence[Message]) -> None:
        commit(messages)
        turns.append(lab.nft("flush", "set", "inet", TABLE, "addr-set-sshd") if not turns else "")

    monkeypatch.setattr(started, "_commit", disturbed)
    started.start([jail()], [], bans, NOW)
    assert len(turns) > 4, "it looks again"
    assert len(lab.elements("addr-set-sshd")) == 3000
    assert not started.disturbed()
    lab.nft("flush", "set", "inet", TABLE, "addr-set-sshd")
    assert any(started.disturbed() for _ in range(10)), "heard again"


def test_overflow_of_the_socket_is_a_reason_to_look(lab: Lab, started: Nftables) -> None:
    for _ in range(40):
        elements = ", ".join(f"203.0.{n // 250}.{n % 250}" for n in range(5000))
        lab.nft("add", "table", "inet", "others")
        lab.nft("add", "set", "inet", "others", "s", "{ type ipv4_addr; }")
        lab.nft("add", "element", "inet", "others", "s", f"{{ {elements} }}")
        lab.nft("delete", "table", "inet", "others")
    heard = [started.disturbed() for _ in range(2000)]
    assert Disturbance() in heard
    assert heard[-1] is None
