"""What the wall is told of the jails, and what is said of those that have none."""

from f2b.addresses import parse
from f2b.config.settings import WallSettings
from f2b.daemon.wall import in_force, picture, touching, watched
from f2b.decide.engine import Engine
from tests.unit.decide.making import jail

A = parse("192.0.2.7")
NULL = WallSettings(backend="null")


def test_a_jail_that_only_watches_has_no_part_in_the_wall() -> None:
    engine = Engine([jail(), jail(name="watcher", wall=NULL)])
    decisions = [d for name in ("sshd", "watcher") for d in engine.ban(name, A, 1000, 600)]
    wall = picture(engine, [], 1000)
    assert [each.name for each in wall.jails] == ["sshd"]
    assert [ban.jail for ban in wall.bans] == ["sshd"]
    assert touching(engine, decisions) == [
        d for d in decisions if getattr(d, "ban", None) in wall.bans
    ]
    assert in_force(engine, ("watcher", A)) is None
    assert watched(engine, "nftables") == {("watcher", A): "null keeps nobody out"}


def test_a_daemon_that_was_started_to_watch_enforces_nothing() -> None:
    """As when a jail is no longer null after a reload."""
    engine = Engine([jail(), jail(name="ufw", wall=WallSettings(backend="none"))])
    for name in ("sshd", "ufw"):
        engine.ban(name, A, 1000, 600)
    assert [*watched(engine, "null")] == [("sshd", A)]
