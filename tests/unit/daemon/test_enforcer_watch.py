"""What others do to the wall, what the kernel refuses, and what is asked of it: the enforcer beside its work."""

import asyncio

import pytest

from f2b.addresses import parse
from f2b.config.settings import Heal
from f2b.daemon import enforcer as module
from tests.unit.daemon.wall import World, at_work, until

A, B, C = parse("192.0.2.1"), parse("192.0.2.2"), parse("2001:db8::/64")


# --- the wall is watched ---


def test_what_others_flush_is_put_up_again() -> None:
    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        world.ban(A)
        await world.settled()
        world.kernel.disturb()
        await until(lambda: world.held == {A})

    (said,) = at_work(body).said
    assert said.startswith("kernel: nft (process 7) changed the wall; ")


def test_a_ruleset_that_is_loaded_in_many_changes_is_one_repair() -> None:
    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        for _ in range(10):
            world.kernel.disturb()
            await asyncio.sleep(0.001)
        await until(lambda: "start" in world.kernel.calls)
        await world.settled()

    assert at_work(body).kernel.calls == ["start", "close"]


def test_cheap_repairs_are_made_each_time() -> None:
    pace = module._Pace()
    for number in range(50):
        assert pace.delay(100 + number / 10) == module.SETTLE
        pace.spent(100 + number / 10, 0.005)
    assert pace.embattled_until > 200


def test_dear_repairs_rest_in_proportion() -> None:
    pace = module._Pace()
    pace.spent(100.0, 1.0)
    assert pace.delay(101.0) == module.REST - 1
    pace.spent(108.0, 1000.0)
    assert pace.delay(108.0) == module.PAUSE
    assert pace.delay(300.0) == module.SETTLE


def test_few_repairs_are_no_battle() -> None:
    pace = module._Pace()
    for number in range(module.REPAIRS):
        pace.delay(100.0 + number)
    pace.delay(100 + module.REPAIRS_WITHIN)
    assert not pace.embattled_until


def test_a_ban_taken_out_by_hand_is_put_back_with_a_hint() -> None:
    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        world.ban(A)
        await world.settled()
        world.kernel.by_hand = (("sshd", A),)
        world.kernel.disturb()
        await until(lambda: world.held == {A})

    (said,) = at_work(body).said
    assert said == (
        "kernel: nft (process 7) removed 192.0.2.1 of jail sshd from the wall, "
        "and it is put back: use f2b unban 192.0.2.1 to end a ban"
    )


def test_heal_structure_leaves_out_what_was_taken_out_by_hand_and_says_so() -> None:
    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        world.ban(A)
        await world.settled()
        world.kernel.by_hand = (("sshd", A),)
        world.kernel.disturb()
        await until(lambda: bool(world.said))
        await asyncio.sleep(2 * module.SETTLE)
        assert world.held == set()
        assert world.enforcer.unenforced == {
            ("sshd", A): "nft (process 7) removed it from the wall"
        }
        world.prolong(A, 1700)
        await world.settled()
        assert world.held == {A}
        assert world.enforcer.unenforced == {}

    (said,) = at_work(body, Heal.STRUCTURE).said
    assert "and heal = structure leaves it out: use f2b unban 192.0.2.1" in said


def test_what_is_removed_and_no_ban_of_ours_is_a_change_like_any_other() -> None:
    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        world.kernel.by_hand = (("sshd", B),)
        world.kernel.disturb()
        await until(lambda: "start" in world.kernel.calls)

    (said,) = at_work(body, Heal.STRUCTURE).said
    assert "changed the wall" in said


def test_who_goes_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPAIRS", 2)
    monkeypatch.setattr(module, "SETTLE", 0.001)

    async def body(world: World) -> None:
        world.enforcer.watch(asyncio.get_running_loop())
        assert world.enforcer.embattled is None
        for number in range(2):
            world.kernel.disturb()
            await until(lambda n=number: len(world.kernel.calls) > n)  # type: ignore[misc]
        assert world.enforcer.embattled is None
        world.kernel.disturb()
        await until(lambda: world.enforcer.embattled is not None)

    world = at_work(body)
    again = "nft (process 7) changes the wall again and again; it is put right each time"
    assert world.said[-1] == f"kernel: {again}"
    assert world.enforcer.embattled == again


# --- what the kernel refuses ---


def test_what_is_refused_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.02)

    async def body(world: World) -> None:
        world.kernel.refused = {A}
        world.ban(A)
        await world.settled()
        assert world.enforcer.refused == {("sshd", A)}
        await until(lambda: world.kernel.calls.count("apply") > 2)
        world.enforcer.rebuild()
        await world.settled()
        assert world.enforcer.unenforced == {("sshd", A): "no room"}
        world.kernel.refused = set()
        await until(lambda: world.held == {A})
        await world.settled()
        assert world.enforcer.refused == set()
        assert world.enforcer.unenforced == {}

    assert at_work(body).said == ["kernel refused 192.0.2.1 of jail sshd: no room"]


def test_what_is_refused_and_lifted_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.02)

    async def body(world: World) -> None:
        world.kernel.refused = {A}
        world.ban(A)
        await world.settled()
        world.lift(A)
        await world.settled()
        assert world.enforcer.refused == set()
        calls = len(world.kernel.calls)
        await asyncio.sleep(0.05)
        assert len(world.kernel.calls) == calls

    at_work(body)


# --- counters ---


def test_what_bans_have_stopped_is_asked_of_the_wall() -> None:
    async def body(world: World) -> None:
        world.ban(A)
        await world.settled()
        assert await world.enforcer.counters("sshd", 1) == {A: (3, 180)}

    at_work(body)


def test_a_busy_wall_makes_nobody_wait_for_figures() -> None:
    async def body(world: World) -> None:
        world.kernel.open.clear()
        world.ban(A)
        await world.busy()
        assert await world.enforcer.counters("sshd", 0.01) == {}
        world.kernel.open.set()
        await world.settled()

    at_work(body)


def test_many_changes_are_carried_out_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 2)

    async def body(world: World) -> None:
        for offender in (A, B, C):
            world.ban(offender)
        await world.settled()
        assert world.held == {A, B, C}

    assert at_work(body).kernel.calls == ["apply", "apply", "close"]
