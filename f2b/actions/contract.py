"""What every backend and every side action must do, as tests for their authors. The daemon does not import this.

Subclass one of the two in a file of tests, say how yours is made, and let pytest collect it (unittest does, where
unittest.TestCase is the second base). The methods are plain; they raise AssertionError.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from f2b.actions import facts
from f2b.actions.base import Backend, Disturbance, JailWall, Operation, Put, Refused, Remove
from f2b.actions.guard import METHODS, check_methods
from f2b.actions.plugin import METHODS as SIDE_METHODS
from f2b.actions.plugin import SideAction
from f2b.addresses import Offender, parse
from f2b.config.settings import WallSettings
from f2b.model import Ban
from f2b.outbox import Row, Step

HOST, HOST6 = "203.0.113.7", "2001:db8:2::7"
WIDE, NARROW, WIDE6 = "198.51.100.0/24", "198.51.100.128/25", "2001:db8:3::/64"
EVERY = (HOST, HOST6, WIDE, NARROW, WIDE6)


class BackendContract:
    """`make` makes the backend; where nothing is kept out in truth, `holds` returns None.

    It is called as the daemon calls it: never by two threads at once. What it puts up is taken down again.
    """

    def make(self) -> Backend:
        """Another one at each call, and all of them for the same firewall, as the same f2b after a restart."""
        raise NotImplementedError

    def holds(self, backend: Backend, jail: str) -> Collection[Offender] | None:
        """Whom the jail keeps out now. Ask the firewall itself, if you can; `backend` may be a new one."""
        return {offender for _, offender, _ in backend.dump([jail])}

    # --- start ----------------------------------------------------------------------------------

    def test_has_all_that_the_daemon_calls(self) -> None:
        with self._closing() as backend:
            check_methods("the backend", backend, METHODS)
            assert isinstance(backend.name, str)
            assert backend.name

    def test_starts_with_the_bans_in_force(self) -> None:
        with self._started(EVERY) as backend:
            self._assert_holds(backend, EVERY)
            assert all(isinstance(loss, str) for loss in backend.losses)

    def test_a_second_start_keeps_exactly_the_bans_it_is_told(self) -> None:
        with self._started([HOST, WIDE]) as backend:
            self._start(backend, [WIDE, HOST6])
            self._assert_holds(backend, [WIDE, HOST6])
            self._start(backend, [WIDE, HOST6])
            self._assert_holds(backend, [WIDE, HOST6])

    def test_a_jail_that_is_gone_keeps_nobody_out(self) -> None:
        with self._started([HOST]) as backend:
            _no_refusal(backend.start([_jail("other")], [], [], _now()))
            self._assert_holds(backend, [])

    def test_ports_protocols_and_ignored_networks_are_taken(self) -> None:
        walls = [
            WallSettings(ports=((22, 22), (6000, 6010)), protocols=("tcp",)),
            WallSettings(protocols=("tcp", "udp")),
        ]
        ignored = parse("192.0.2.0/24"), parse("2001:db8:9::/48")
        jails = [JailWall(f"j{at}", wall, ignored) for at, wall in enumerate(walls)]
        with self._started([]) as backend:
            _no_refusal(backend.start(jails, [parse("192.0.2.1")], [], _now()))
            backend.set_own([parse("192.0.2.1"), parse("2001:db8::1")])
            backend.set_own([])

    def test_the_wall_outlives_the_daemon(self) -> None:
        with self._started([HOST, HOST6]) as backend:
            backend.close()
            with self._closing() as again:
                rows = list(again.dump(["sshd"]))
                assert all(jail == "sshd" for jail, _, _ in rows)
                assert all(left is None or left > 0 for _, _, left in rows)
                self._start(again, [HOST6])
                self._assert_holds(again, [HOST6])

    # --- apply ----------------------------------------------------------------------------------

    def test_bans_and_lets_in_again(self) -> None:
        with self._started([]) as backend:
            self._apply(backend, [_put(each) for each in EVERY])
            self._assert_holds(backend, EVERY)
            self._apply(backend, [_remove(HOST), _remove(WIDE6)])
            self._assert_holds(backend, [HOST6, WIDE, NARROW])

    def test_networks_that_overlap_are_lifted_one_by_one(self) -> None:
        with self._started([WIDE, NARROW]) as backend:
            self._apply(backend, [_remove(WIDE)])
            self._assert_holds(backend, [NARROW])
            self._apply(backend, [_remove(NARROW), _put(WIDE)])
            self._assert_holds(backend, [WIDE])

    def test_the_last_of_several_operations_holds(self) -> None:
        with self._started([]) as backend:
            self._apply(
                backend, [_put(HOST), _remove(HOST), _put(HOST6), _remove(HOST6), _put(HOST6)]
            )
            self._assert_holds(backend, [HOST6])

    def test_a_ban_is_prolonged_shortened_and_made_eternal(self) -> None:
        with self._started([HOST]) as backend:
            for seconds in (7200, 60, None, 600):
                self._apply(backend, [_put(HOST, seconds)])
                self._assert_holds(backend, [HOST])

    def test_a_ban_that_is_over_keeps_nobody_out(self) -> None:
        with self._started([HOST]) as backend:
            self._apply(backend, [_put(HOST, -1)])
            self._assert_holds(backend, [])

    def test_repeating_changes_nothing_and_is_no_error(self) -> None:
        with self._started([HOST]) as backend:
            self._apply(backend, [_remove(HOST6), _remove(WIDE), _put(HOST), _put(HOST)])
            self._apply(backend, [_put(HOST)])
            self._apply(backend, [])
            self._assert_holds(backend, [HOST])

    def test_a_ban_of_a_jail_without_a_wall_is_refused_and_the_others_are_not(self) -> None:
        stray = Put(_ban(HOST, jail="gone"))
        with self._started([]) as backend:
            refused = backend.apply([stray, _put(HOST6)], _now())
            if self._assert_holds(backend, [HOST6]):
                assert [each.operation for each in refused] == [stray]
                assert refused[0].why

    # --- the rest -------------------------------------------------------------------------------

    def test_says_what_it_hears_without_waiting(self) -> None:
        with self._started([HOST]) as backend:
            assert isinstance(backend.fileno(), int)
            before = time.monotonic()
            assert isinstance(backend.disturbed(), Disturbance | None)
            assert time.monotonic() - before < 1

    def test_counts_for_each_ban_or_not_at_all(self) -> None:
        with self._started([HOST, WIDE6]) as backend:
            for offender, (packets, octets) in backend.counters("sshd").items():
                assert offender in {parse(HOST), parse(WIDE6)}
                assert packets >= 0
                assert octets >= 0
            assert not backend.counters("gone")

    def test_is_taken_down_whole_and_twice_is_no_error(self) -> None:
        with self._started(EVERY) as backend:
            backend.lift()
            backend.lift()
            assert not list(backend.dump(["sshd"]))
            self._start(backend, [HOST])
            self._assert_holds(backend, [HOST])

    # --- how ------------------------------------------------------------------------------------

    @contextmanager
    def _closing(self) -> Iterator[Backend]:
        backend = self.make()
        try:
            yield backend
        finally:
            backend.close()

    @contextmanager
    def _started(self, banned: Iterable[str]) -> Iterator[Backend]:
        backend = self.make()
        try:
            self._start(backend, banned)
            yield backend
        finally:
            backend.close()
            with self._closing() as last:
                last.lift()

    def _start(self, backend: Backend, banned: Iterable[str]) -> None:
        _no_refusal(backend.start([_jail()], [], map(_ban, banned), _now()))

    def _apply(self, backend: Backend, operations: list[Operation]) -> None:
        _no_refusal(backend.apply(operations, _now()))

    def _assert_holds(self, backend: Backend, expected: Iterable[str]) -> bool:
        held = self.holds(backend, "sshd")
        if held is not None:
            assert set(held) == set(map(parse, expected)), "whom the jail keeps out"
        return held is not None


class SideActionContract:
    """`make` makes the action. A receiver that it needs is yours to put up; it must take all that comes."""

    def make(self) -> SideAction:
        """Another one at each call, not started."""
        raise NotImplementedError

    def test_has_all_that_the_daemon_calls(self) -> None:
        check_methods("the action", self.make(), SIDE_METHODS)

    def test_is_told_of_the_life_of_a_ban(self) -> None:
        with self._started() as action:
            for step in ("ban", "prolong", "reban", "unban"):
                action.carry_out(step, values(step, HOST))

    def test_takes_networks_and_both_families(self) -> None:
        with self._started() as action:
            for step in ("ban", "unban"):
                for address in EVERY:
                    action.carry_out(step, values(step, address))

    def test_the_same_step_may_come_twice(self) -> None:
        with self._started() as action:
            for step in ("ban", "ban", "unban", "unban"):
                action.carry_out(step, values(step, HOST))

    def test_an_unban_may_come_without_its_ban(self) -> None:
        with self._started() as action:
            action.carry_out("unban", values("unban", HOST6))

    def test_what_attackers_write_is_text(self) -> None:
        evil = "'\"`$(reboot)\\\n\0\x1b</script>\r\n.\r\n" * 200
        with self._started() as action:
            action.carry_out("ban", values("ban", HOST) | {"matches": evil, "F-USER": evil})

    def test_lines_and_captures_may_be_missing(self) -> None:
        """As after a restart, and of a ban by hand."""
        with self._started() as action:
            action.carry_out("ban", values("ban", HOST, failures=0))

    def test_is_stopped_and_made_anew(self) -> None:
        for _ in range(2):
            with self._started():
                pass

    @contextmanager
    def _started(self) -> Iterator[SideAction]:
        action = self.make()
        action.start()
        try:
            yield action
        finally:
            action.stop()


def _now() -> float:
    return time.time()  # noqa: TID251 - a backend counts against the real clock


def values(step: str, address: str, failures: int = 5) -> dict[str, str]:
    """What `carry_out` is given."""
    now = _now()
    ban = Ban("sshd", parse(address), now - 1, now + 600, failures=failures)
    groups = (("user", "root"),) if failures else ()
    row = Row(now, "mine", Step(step), ban, groups)
    return {
        **facts.of_the_ban(row, restored=False),
        "fq-hostname": "host.example",
        "sh-hostname": "host",
        "br": "\n",
        "sp": " ",
        "name": "sshd",
        "jail.name": "sshd",
        "jail.banned": "1",
        "jail.banned_total": "1",
        "jail.found": "5",
        "jail.found_total": "5",
        "matches": "\n".join(["sshd[7]: Failed password for root"] * failures),
    }


def _jail(name: str = "sshd") -> JailWall:
    return JailWall(name, WallSettings())


def _ban(address: str, seconds: float | None = 600, jail: str = "sshd") -> Ban:
    now = _now()
    return Ban(jail, parse(address), now - 1, None if seconds is None else now + seconds)


def _put(address: str, seconds: float | None = 600) -> Put:
    return Put(_ban(address, seconds))


def _remove(address: str) -> Remove:
    return Remove("sshd", parse(address))


def _no_refusal(refused: list[Refused]) -> None:
    assert isinstance(refused, list)
    assert not refused, f"refused: {refused[0].why}"
