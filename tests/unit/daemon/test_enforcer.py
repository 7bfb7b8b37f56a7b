"""The wall follows the ledger, whatever happens in between."""

import asyncio

import pytest

from f2b.addresses import parse
from f2b.daemon import enforcer as module
from f2b.errors import ActionError, ForeignWallError, NotPermittedError
from f2b.model import Ban, Banned, Forgiven
from tests.unit.daemon.wall import World, at_work, until

A, B, C = parse("192.0.2.1"), parse("192.0.2.2"), parse("2001:db8::/64")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", (0.02,))


def test_a_ban_reaches_the_kernel() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        assert world.kernel.held == {("sshd", A): 1600}
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_until_the_kernel_answers_a_ban_is_not_enforced() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        await world.busy()
        assert world.enforcer.unenforced == {("sshd", A): "not yet acknowledged by the kernel"}
        world.kernel.open.set()
        await world.settled()
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_what_was_lifted_is_removed() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        world.ban(B)
        await world.settled()
        world.lift(A)
        await world.settled()
        assert world.held == {B}

    at_work(body)


def test_a_prolonged_ban_gets_its_new_end() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        world.prolong(A, 1700)
        await world.settled()
        assert world.kernel.held == {("sshd", A): 1700}

    at_work(body)


def test_a_ban_that_is_over_is_not_sent() -> None:
    async def body(world: World) -> None:
        world.enforcer.submit([Banned(Ban("sshd", A, 100, 200), enforce=False)])
        world.enforcer.submit([Forgiven("sshd", A)])
        await world.settled()
        assert world.kernel.calls == []
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_many_decisions_are_one_call() -> None:
    async def body(world: World) -> None:
        for number in range(100):
            world.ban(parse(f"198.51.100.{number}"))
        await world.settled()
        assert (len(world.held), world.kernel.calls) == (100, ["apply"])

    at_work(body)


# --- races ---


def test_banned_and_lifted_before_it_is_sent() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        world.lift(A)
        await world.settled()
        assert world.held == set()
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_lifted_while_the_ban_is_being_sent() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        await world.busy()
        world.lift(A)
        world.kernel.open.set()
        await world.settled()
        assert world.held == set()
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_banned_again_while_the_lift_is_being_sent() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        world.kernel.calls.clear()
        world.kernel.open.clear()
        world.lift(A)
        await world.busy()
        world.ban(A, 1800)
        assert ("sshd", A) in world.enforcer.unenforced
        world.kernel.open.set()
        await world.settled()
        assert world.kernel.held == {("sshd", A): 1800}
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_banned_while_the_wall_is_built() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.enforcer.rebuild()
        await world.busy()
        world.ban(A)
        world.kernel.open.set()
        await world.settled()
        assert world.held == {A}
        assert world.kernel.calls == ["start", "apply"]

    at_work(body)


def test_lifted_while_the_wall_is_built() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        world.kernel.calls.clear()
        world.kernel.open.clear()
        world.enforcer.rebuild()
        await world.busy()
        world.lift(A)
        world.kernel.open.set()
        await world.settled()
        assert world.held == set()

    at_work(body)


# --- what goes wrong ---


def test_after_a_failure_the_wall_is_built_anew() -> None:
    async def body(world: World) -> None:
        world.kernel.failures = [ActionError("busy", retry=True)]
        world.ban(A)
        await until(lambda: world.held == {A})
        await until(lambda: world.enforcer.failing is None)
        assert world.kernel.calls == ["apply", "start"]
        assert world.enforcer.unenforced == {}

    at_work(body)


def test_a_lift_that_failed_is_made_good() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        world.kernel.failures = [ActionError("busy", retry=True)] * 3
        world.lift(A)
        await until(lambda: world.held == set())

    at_work(body)


def test_it_tries_until_it_succeeds_and_says_so_twice() -> None:
    async def body(world: World) -> None:
        world.kernel.failures = [ActionError("busy", retry=True)] * 4
        world.ban(A)
        await until(lambda: world.enforcer.failing is not None)
        assert ("sshd", A) in world.enforcer.unenforced
        await until(lambda: len(world.said) == 2)

    world = at_work(body)
    assert world.said == [
        "kernel: busy; trying again",
        "kernel: works again, every ban is enforced",
    ]
    assert world.held == {A}


def test_bans_made_while_it_fails_are_not_lost() -> None:
    async def body(world: World) -> None:
        world.kernel.failures = [ActionError("busy", retry=True)] * 2
        world.ban(A)
        await until(lambda: world.enforcer.failing is not None)
        world.ban(B)
        await until(lambda: world.held == {A, B})

    at_work(body)


def test_while_it_fails_that_is_why_a_ban_is_not_enforced() -> None:
    async def body(world: World) -> None:
        world.kernel.failures = [ActionError("busy", retry=True)]
        world.ban(A)
        await until(lambda: world.enforcer.unenforced == {("sshd", A): "busy"})

    at_work(body)


def test_one_that_is_refused_does_not_hold_up_the_others() -> None:
    async def body(world: World) -> None:
        world.kernel.refused = {B}
        for offender in (A, B, C):
            world.ban(offender)
        await world.settled()

    world = at_work(body)
    assert world.held == {A, C}
    assert world.enforcer.unenforced == {("sshd", B): "no room"}
    assert world.said == ["kernel refused 192.0.2.2 of jail sshd: no room"]


def test_one_that_was_refused_is_enforced_when_there_is_room() -> None:
    async def body(world: World) -> None:
        world.kernel.refused = {B}
        world.ban(B)
        await world.settled()
        world.kernel.refused = set()
        world.enforcer.rebuild()
        await world.settled()

    world = at_work(body)
    assert (world.held, world.enforcer.unenforced) == ({B}, {})


def test_one_that_was_refused_and_lifted_is_forgotten() -> None:
    async def body(world: World) -> None:
        world.kernel.refused = {B}
        world.ban(B)
        await world.settled()
        world.lift(B)
        await world.settled()

    assert at_work(body).enforcer.unenforced == {}


def test_what_the_backend_may_not_do_ends_the_daemon() -> None:
    async def body() -> None:
        world = World()
        world.kernel.failures = [NotPermittedError("CAP_NET_ADMIN is missing")]
        world.ban(A)
        await world.enforcer.run()

    with pytest.raises(NotPermittedError):
        asyncio.run(asyncio.wait_for(body(), 5))


def test_a_wall_that_somebody_else_has_taken_over_is_tried_again_when_he_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BACKOFF", (0.001, 60.0))
    monkeypatch.setattr(module, "SETTLE", 0.001)

    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        world.ban(A)
        await world.settled()
        world.kernel.failures = [ForeignWallError("it is mine")] * 2
        world.enforcer.rebuild()
        await until(lambda: world.enforcer.unenforced == {("sshd", A): "it is mine"})
        assert world.enforcer.failing == "it is mine"
        world.kernel.disturb()
        await until(lambda: world.enforcer.failing is None)

    assert at_work(body).enforcer.unenforced == {}


def test_at_start_what_the_backend_raises_is_raised() -> None:
    world = World()
    world.kernel.failures = [ActionError("no nf_tables")]
    with pytest.raises(ActionError):
        asyncio.run(world.enforcer.start())


def test_at_start_restored_bans_are_put_up() -> None:
    world = World()
    world.ledger = {("sshd", A): Ban("sshd", A, 900, None)}
    world.own = [B]
    asyncio.run(world.enforcer.start())
    assert (world.kernel.held, world.kernel.own) == ({("sshd", A): None}, [B])


def test_own_addresses_reach_the_kernel() -> None:
    async def body(world: World) -> None:
        world.own = [B]
        world.enforcer.set_own([B])
        await world.settled()
        assert world.kernel.own == [B]

    at_work(body)


def test_own_addresses_are_not_lost_when_that_fails() -> None:
    async def body(world: World) -> None:
        world.kernel.failures = [ActionError("busy", retry=True)]
        world.own = [B]
        world.enforcer.set_own([B])
        await until(lambda: world.kernel.own == [B])

    at_work(body)


# --- settled ---


def test_settled_at_once_when_nothing_was_submitted() -> None:
    assert asyncio.run(World().enforcer.settled(1))


def test_not_settled_while_the_kernel_does_not_answer() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        assert not await world.enforcer.settled(0.05)
        world.kernel.open.set()
        await world.settled()

    at_work(body)


def test_lift_and_close_go_to_the_backend() -> None:
    world = World()
    asyncio.run(world.enforcer.lift(1))
    world.enforcer.close()
    assert (world.kernel.calls, world.enforcer.name) == (["lift", "close"], "kernel")


def test_the_wall_is_lifted_after_all_else() -> None:
    """What is under way at a stop must not put up again what was taken down."""

    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        await world.busy()
        lifting = asyncio.create_task(world.enforcer.lift(5))
        await asyncio.sleep(0.05)
        world.ban(B)
        world.kernel.open.set()
        await lifting
        await asyncio.sleep(0.05)
        assert world.kernel.calls == ["apply", "lift"]
        assert not world.kernel.crowded

    at_work(body)


def test_a_wall_that_is_busy_for_ever_does_not_hold_up_the_end() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        await world.busy()
        await world.enforcer.lift(0.05)
        assert world.said == ["kernel could not be taken down: it is busy"]
        world.kernel.open.set()
        await world.settled()

    at_work(body)


def test_who_asks_for_counters_and_goes_away_leaves_the_wall_busy() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        asking = asyncio.create_task(world.enforcer.counters("sshd", 1))
        await world.busy()
        asking.cancel()
        world.ban(A)
        await asyncio.sleep(0.05)
        assert world.kernel.calls == ["counters"]
        world.kernel.open.set()
        await world.settled()
        assert (world.held, world.kernel.crowded) == ({A}, False)

    at_work(body)
