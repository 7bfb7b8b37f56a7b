"""What these tests are made of: jails, failures and entries, short to write."""

from collections.abc import Iterable
from typing import Any

from f2b.addresses import Offender, parse
from f2b.config.settings import Feed, FilterSettings, JailSettings, Located
from f2b.decide.jail import Jail
from f2b.decide.tally import Tally, Times
from f2b.errors import Origin
from f2b.model import Ban, Banned, Decision, Entry, Failure, Lifted, Prolonged

HERE = Origin("filter.d/test.conf", 1)
LATER = 1e9
"""A clock that no failure is ahead of."""


def located(*texts: str) -> tuple[Located, ...]:
    return tuple(Located(text, HERE) for text in texts)


PLAIN = FilterSettings(
    name="plain", failregex=located(r"bad <HOST>$"), journalmatch=located("_COMM=a")
)
CUSTOM = FilterSettings(name="custom", feed=Feed.NONE)
RECIDIVE = FilterSettings(name="recidive", feed=Feed.BANS)


def settings(**changes: Any) -> JailSettings:
    """Three failures within a minute: ten minutes."""
    usual: dict[str, Any] = {
        "name": "sshd", "filter": PLAIN, "maxretry": 3, "findtime": 60, "bantime": 600,
    }  # fmt: skip
    return JailSettings(**{**usual, **changes})


def jail(**changes: Any) -> Jail:
    return Jail(settings(**changes))


def failure(address: str, time: float, session: str | None = None) -> Failure:
    return Failure(parse(address), time, f"{address}@{time}", session)


def entry(message: str, time: float = 1000.0, **fields: bytes) -> Entry:
    named: dict[str, bytes | list[bytes]] = {"MESSAGE": message.encode(), "_COMM": b"a", **fields}
    return Entry(f"{message}@{time}", time, named)


def fail(jail: Jail, address: str, *times: float, now: float | None = None) -> list[Decision]:
    """Let an address fail; everything that was decided."""
    return [
        decision
        for time in times
        for decision in jail.count(failure(address, time), time if now is None else now)
    ]


def strike(counted: Tally, offender: Offender, time: float) -> Times:
    """Count a failure as a jail does: the tally takes note of its time first."""
    counted.seen(time, LATER)
    return counted.add(offender, time)


def bans(decisions: Iterable[Decision]) -> list[Ban]:
    return [decision.ban for decision in decisions if isinstance(decision, Banned)]


def prolonged(decisions: Iterable[Decision]) -> list[Ban]:
    return [decision.ban for decision in decisions if isinstance(decision, Prolonged)]


def lifted(decisions: Iterable[Decision]) -> list[Ban]:
    return [decision.ban for decision in decisions if isinstance(decision, Lifted)]


def banned(jail: Jail) -> set[str]:
    return {str(ban.offender) for ban in jail.ledger}


def network(text: str) -> Offender:
    return parse(text)
