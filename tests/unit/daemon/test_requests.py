"""What the daemon answers: the decisions that a request becomes, and what its client learns of them."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from f2b import protocol
from f2b.addresses import Offender, parse
from f2b.daemon import report
from f2b.daemon.enforcer import Enforcer, Wall
from f2b.daemon.requests import Desk
from f2b.decide.engine import Engine
from f2b.errors import ConfigError, ControlError, Exit
from f2b.model import Decision
from f2b.protocol import (
    ActionRow,
    Ban,
    Banned,
    DaemonStatus,
    Ping,
    Reload,
    Request,
    SlowLaneRow,
    Status,
    Unban,
)
from tests.unit.daemon.wall import Kernel
from tests.unit.decide.making import CUSTOM, banned, fail, jail

A = "192.0.2.7"
NOW = 1000.0


class Idle:
    """No jail has a command."""

    def rows(self, _: str) -> list[ActionRow]:
        return []

    def unenforced(self) -> dict[tuple[str, Offender], str]:
        return {}

    async def settled(self, timeout: float) -> None:
        pass


class Office:
    """A desk with two jails, and a kernel that takes what is decided."""

    def __init__(self) -> None:
        self.sshd, self.custom = jail(), jail(name="custom", filter=CUSTOM, bantime=None)
        self.engine = Engine([self.sshd, self.custom], own=[parse("198.51.100.1")])
        self.kernel = Kernel()
        self.progress: dict[str, float] = {}
        self.carried_out: list[Decision] = []
        self.reloads: list[str] | Exception = []

    def ask(self, request: Request) -> Any:
        return asyncio.run(self._ask(request))

    async def _ask(self, request: Request) -> Any:
        enforcer = Enforcer(
            self.kernel,
            lambda: Wall([], [], []),
            lambda key: self.engine.jail(key[0]).ledger.get(key[1]),
            lambda: NOW,
            lambda _: None,
        )
        task = asyncio.create_task(enforcer.run())

        async def carry_out(decisions: Sequence[Decision]) -> None:
            self.carried_out += decisions
            enforcer.submit(decisions)

        desk = Desk(
            self.engine, enforcer, carry_out=carry_out, reload=self._reload, status=self._status,
            progress=self.progress, clock=lambda: NOW, slow=self._slow, actions=Idle(),
        )  # fmt: skip
        try:
            answer = await desk.handle(request)
            return protocol.decode_answer(b"".join(protocol.encode_result(answer)))
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _reload(self) -> list[str]:
        if isinstance(self.reloads, Exception):
            raise self.reloads
        return self.reloads

    def _slow(self, _: str) -> SlowLaneRow:
        return SlowLaneRow(quarantined=[], waiting=0, not_judged=0)

    def _status(self) -> DaemonStatus:
        return report.daemon_status(
            self.engine, now=NOW, since=900, journal="system", position=None, sieve="", backend="kernel", reduced=[],
            degraded=["store: full"], counters={"clipped": 0}, progress=self.progress,
            unenforced={("sshd", parse(A)): "no room", ("custom", parse(A)): "lifted by now"},
        )  # fmt: skip

    def refusal(self, request: Request) -> str:
        with pytest.raises(ControlError) as error:
            self.ask(request)
        assert error.value.exit is Exit.USAGE
        return str(error.value)


@pytest.fixture
def office() -> Office:
    return Office()


def ban(*addresses: str, **more: Any) -> Ban:
    return Ban(addresses, **{"force": True, **more})


def test_ping(office: Office) -> None:
    answer = office.ask(Ping())
    assert (answer["pong"], answer["pid"]) == (True, os.getpid())


# --- ban ---


def test_a_ban_is_in_force_when_it_is_answered(office: Office) -> None:
    answer = office.ask(ban(A, "2001:db8::1"))
    assert answer == {
        "jail": "custom", "banned": [A, "2001:db8::1"], "already": [], "unenforced": {},
    }  # fmt: skip
    assert office.kernel.held == {
        ("custom", parse(A)): None,
        ("custom", parse("2001:db8::1")): None,
    }


def test_a_ban_lasts_as_long_as_is_typed(office: Office) -> None:
    office.ask(ban(A, bantime="1d12h"))
    (made,) = office.custom.ledger
    assert (made.start, made.until, made.source) == (NOW, NOW + 129_600, "hand")


def test_a_negative_time_is_for_ever(office: Office) -> None:
    office.ask(ban(A, jail="sshd", bantime="-1"))
    assert [made.until for made in office.sshd.ledger] == [None]


def test_a_ban_lasts_as_long_as_the_jails_else(office: Office) -> None:
    office.ask(ban(A, jail="sshd"))
    assert [made.until for made in office.sshd.ledger] == [NOW + 600]


def test_who_is_banned_already_is_said_so(office: Office) -> None:
    office.ask(ban(A))
    answer = office.ask(ban(A, "192.0.2.8"))
    assert (answer["banned"], answer["already"]) == (["192.0.2.8"], [A])


def test_a_ban_that_the_kernel_refuses_is_said_so(office: Office) -> None:
    office.kernel.refused = {parse(A)}
    assert office.ask(ban(A))["unenforced"] == {A: "no room"}


@pytest.mark.parametrize("text", ["999.1.1.1", "example.com", "4", ""])
def test_what_is_no_address_bans_nobody(office: Office, text: str) -> None:
    assert office.refusal(ban(A, text)).startswith(f"{text!r} is not an address (write 192.0.2.7,")
    assert banned(office.custom) == set()


def test_a_bad_duration_bans_nobody(office: Office) -> None:
    assert "'soon' is no duration" in office.refusal(ban(A, bantime="soon"))
    assert banned(office.custom) == set()


def test_a_ban_of_no_time_is_refused(office: Office) -> None:
    assert office.refusal(ban(A, bantime="0")).startswith("a ban of no time bans nobody")


def test_an_unknown_jail(office: Office) -> None:
    text = office.refusal(ban(A, jail="ssh"))
    assert text == "no jail named 'ssh' (running: sshd, custom)"


def test_one_protected_address_stops_the_whole_command(office: Office) -> None:
    text = office.refusal(ban(A, "198.51.100.1", force=False))
    assert text == "198.51.100.1 is an address of this machine (--force bans it anyway)"
    assert banned(office.custom) == set()


@pytest.mark.parametrize("address", ["203.0.113.9", "203.0.113.0/24", "203.0.112.0/20"])
def test_the_callers_own_login_is_protected(office: Office, address: str) -> None:
    text = office.refusal(ban(address, force=False, peer="203.0.113.9"))
    assert text.endswith("where you are logged in from (--force bans it anyway)")


@pytest.mark.parametrize("peer", ["fe80::1%eth0", "UNKNOWN", "", None])
def test_a_login_that_is_no_plain_address_hinders_nobody(office: Office, peer: str | None) -> None:
    assert office.ask(ban(A, force=False, peer=peer))["banned"] == [A]


def test_a_login_over_a_link_is_protected_without_its_zone(office: Office) -> None:
    text = office.refusal(ban("fe80::1", force=False, peer="fe80::1%eth0"))
    assert text.startswith("fe80::1 covers fe80::1, where you are logged in from")


def test_force_bans_it_anyway(office: Office) -> None:
    office.ask(ban("203.0.113.9", "198.51.100.1", peer="203.0.113.9"))
    assert banned(office.custom) == {"203.0.113.9", "198.51.100.1"}


# --- unban ---


def test_an_unban_is_done_when_it_is_answered(office: Office) -> None:
    office.ask(ban(A))
    answer = office.ask(Unban((A,)))
    assert answer == {
        "unbanned": [{"jail": "custom", "offender": A}], "not_banned": [], "still_banned": [],
    }  # fmt: skip
    assert office.kernel.held == {}


def test_unban_of_who_is_not_banned(office: Office) -> None:
    assert office.ask(Unban((A,)))["not_banned"] == [A]


def test_unban_in_one_jail_says_where_it_is_still_banned(office: Office) -> None:
    office.ask(ban(A))
    office.ask(ban(A, jail="sshd"))
    answer = office.ask(Unban((A,), jail="sshd"))
    assert answer["still_banned"] == [{"address": A, "jail": "custom", "offender": A}]


def test_unban_within_a_banned_network_says_so(office: Office) -> None:
    office.ask(ban("192.0.2.0/24"))
    answer = office.ask(Unban((A,)))
    assert answer["not_banned"] == [A]
    assert answer["still_banned"][0]["offender"] == "192.0.2.0/24"


def test_unban_of_a_network(office: Office) -> None:
    office.ask(ban(A, "192.0.2.8", "203.0.113.9"))
    answer = office.ask(Unban(("192.0.2.0/24",)))
    assert [row["offender"] for row in answer["unbanned"]] == [A, "192.0.2.8"]
    assert banned(office.custom) == {"203.0.113.9"}


def test_unban_of_several_names_those_who_were_not_banned(office: Office) -> None:
    office.ask(ban(A, "198.51.100.7", "2001:db8::/48"))
    answer = office.ask(Unban((A, "192.0.2.9", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::")))
    assert len([*answer["unbanned"]]) == 2
    assert answer["not_banned"] == ["192.0.2.9", "203.0.113.0/24", "2001:db8::"]
    assert [row["offender"] for row in answer["still_banned"]] == ["2001:db8::/48"]


def test_unban_everything(office: Office) -> None:
    office.ask(ban(A))
    office.ask(ban(A, jail="sshd"))
    assert len([*office.ask(Unban(everything=True))["unbanned"]]) == 2
    assert office.kernel.held == {}


def test_unban_of_what_is_no_address_lifts_nothing(office: Office) -> None:
    office.ask(ban(A))
    office.refusal(Unban((A, "x")))
    assert banned(office.custom) == {A}


# --- questions ---


def test_the_bans_of_every_jail(office: Office) -> None:
    office.ask(ban(A, "2001:db8::1", bantime="60"))
    answer = office.ask(Banned())
    assert answer["sshd"] == []
    assert answer["custom"][0] == {
        "offender": A, "start": NOW, "until": NOW + 60, "offence": 1, "failures": 0,
        "source": "hand", "enforced": True,
    }  # fmt: skip


def test_bans_are_sorted_by_offender(office: Office) -> None:
    office.ask(ban("2001:db8::1", "192.0.2.10", "192.0.2.9"))
    offenders = [row["offender"] for row in office.ask(Banned())["custom"]]
    assert offenders == ["192.0.2.9", "192.0.2.10", "2001:db8::1"]


def test_a_jail_in_full(office: Office) -> None:
    fail(office.sshd, A, 990, 991)
    answer = office.ask(Status("sshd"))
    assert (answer["name"], answer["found"], answer["failing"], answer["bans"]) == (
        "sshd", 2, 1, [],
    )  # fmt: skip
    assert (answer["maxretry"], answer["journalmatch"]) == (3, ["_COMM=a"])


def test_a_jail_that_catches_up_says_how_far(office: Office) -> None:
    office.progress["sshd"] = 0.63
    assert office.ask(Status("sshd"))["catching_up"] == 0.63
    assert office.ask(Status("custom"))["catching_up"] is None


def test_a_ban_that_is_not_enforced_says_why(office: Office) -> None:
    office.ask(ban(A))
    (row,) = report.ban_rows(office.custom.ledger, {("custom", parse(A)): "no room"}, {})
    assert (row["enforced"], row["why"]) == (False, "no room")


def test_the_daemon_in_figures(office: Office) -> None:
    fail(office.sshd, A, 990, 991, 992)
    office.sshd.broken = "bad regex"
    answer = office.ask(Status())
    assert (answer["degraded"], answer["since"]) == (["store: full"], 900)
    assert answer["jails"][0] == {
        "name": "sshd", "failing": 0, "found": 3, "ignored": 0, "banned": 1, "banned_total": 1,
        "unenforced": 1, "catching_up": None, "broken": "bad regex",
    }  # fmt: skip
    assert answer["jails"][1]["unenforced"] == 0


def test_a_reload_answers_its_warnings(office: Office) -> None:
    office.reloads = ["dbfile takes effect at the next start"]
    assert office.ask(Reload()) == {"warnings": ["dbfile takes effect at the next start"]}


def test_a_reload_that_fails_raises_what_is_wrong(office: Office) -> None:
    office.reloads = ConfigError("bad bantime")
    with pytest.raises(ConfigError):
        office.ask(Reload())


def test_questions_decide_nothing(office: Office) -> None:
    for request in (Ping(), Status(), Status("sshd"), Banned()):
        office.ask(request)
    assert (office.carried_out, {*office.kernel.calls} - {"counters"}) == ([], set())
