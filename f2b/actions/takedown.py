"""Takes down what f2b put up: without a daemon, or when another firewall took its place."""

import contextlib
from collections.abc import Callable

from f2b.actions.base import Backend
from f2b.actions.blackhole import Blackhole, flush_routes
from f2b.actions.nftables import Nftables
from f2b.actions.standing import flush_wall
from f2b.actions.xtables import in_use
from f2b.config.settings import DaemonSettings
from f2b.errors import ActionError, F2bError


def sweep(kept: Backend, settings: DaemonSettings, instance: str) -> None:
    """Take down what this f2b put up when it had another backend. What cannot be seen stays."""
    with contextlib.suppress(F2bError):
        if not isinstance(kept, Nftables):
            _lift(Nftables(settings.table, settings.hook, instance))
    with contextlib.suppress(F2bError):
        if not kept.name.startswith("iptables-legacy"):
            flush_rules(settings.table, instance)
    with contextlib.suppress(F2bError):
        if not isinstance(kept, Blackhole):
            flush_routes()


def flush(table: str) -> list[str]:
    """Take every wall of f2b down without a daemon; names what was there.

    Each of them, whatever becomes of the others. What cannot be used here holds nothing of ours, if another does.
    """
    walls: dict[str, Callable[[], bool]] = {
        f"table inet {table}": lambda: flush_wall(table),
        "the chains of iptables-legacy": lambda: flush_rules(table),
        "the routes": flush_routes,
    }
    found: list[str] = []
    errors: list[F2bError] = []
    for what, take_down in walls.items():
        try:
            if take_down():
                found.append(what)
        except F2bError as error:
            errors.append(error)
    for failed in errors:
        if not found or not isinstance(failed, ActionError) or failed.retry:
            raise failed
    return found


def _lift(backend: Backend) -> None:
    try:
        backend.lift()
    finally:
        backend.close()


def flush_rules(table: str, instance: str = "") -> bool:
    """Take the chains of that f2b down, or of any. False if there are none."""
    if not in_use():
        return False
    from f2b.actions.iptables import flush_chains  # noqa: PLC0415 - a MB that few hosts have a use for

    return flush_chains(table, instance)
