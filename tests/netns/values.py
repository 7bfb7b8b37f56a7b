"""Bans and jails in a few words."""

from f2b.actions.base import JailWall, Put, Remove
from f2b.addresses import parse
from f2b.config.settings import Blocktype, WallSettings
from f2b.model import Ban

NOW = 1_700_000_000.0


def ban(
    address: str, seconds: float | None = 600, *, jail: str = "sshd", start: float = NOW
) -> Ban:
    until = None if seconds is None else NOW + seconds
    return Ban(jail, parse(address), start, until)


def put(address: str, seconds: float | None = 600, *, jail: str = "sshd") -> Put:
    return Put(ban(address, seconds, jail=jail))


def remove(address: str, *, jail: str = "sshd") -> Remove:
    return Remove(jail, parse(address))


def jail(
    name: str = "sshd",
    *ports: int | tuple[int, int],
    protocols: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
    blocktype: Blocktype = Blocktype.DROP,
) -> JailWall:
    ranges = tuple((port, port) if isinstance(port, int) else port for port in ports)
    settings = WallSettings(ports=ranges, protocols=protocols, blocktype=blocktype)
    return JailWall(name, settings, tuple(map(parse, ignored)))
