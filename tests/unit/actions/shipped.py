"""A shipped action as a jail gets it: from etc/action.d to the plug-in."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from f2b import plugins
from f2b.actions.facts import of_the_ban
from f2b.actions.plugin import SideAction
from f2b.addresses import parse
from f2b.config.actions import read_actions
from f2b.config.files import Files
from f2b.config.settings import ActionSettings
from f2b.config.spec import parse as parse_spec
from f2b.errors import Origin
from f2b.model import Ban
from f2b.outbox import Row, Step

ETC = Path(__file__).parents[3] / "etc"
VARIABLES = {"destemail": "x@example.org", "sender": "root@<fq-hostname>", "sendername": "f2b"}


def settings(spec: str, etc: Path = ETC) -> ActionSettings:
    specs = [(parse_spec(spec), Origin("x", 1))]
    (action,), problems = read_actions(specs, Files(etc), VARIABLES, "sshd")
    assert problems == []
    return action


def made(spec: str) -> SideAction:
    action = settings(spec)
    make = plugins.load(plugins.SIDE_ACTIONS, action.plugin)
    found: SideAction = make("sshd", dict(action.parameters))
    found.start()
    return found


def row(
    address: str = "192.0.2.7", step: Step = Step.BAN, until: float | None = 1_700_000_600
) -> Row:
    ban = Ban("sshd", parse(address), 1_700_000_000, until, 2, failures=5)
    return Row(1_700_000_000, "a", step, ban)


def values(of: Row, **more: str) -> Mapping[str, str]:
    host = {"fq-hostname": "host.example.org", "sh-hostname": "host"}
    return {**host, **of_the_ban(of, restored=False), "matches": "", **more}


def addresses(number: int) -> Iterator[str]:
    return (f"198.{18 + at // 65536}.{at // 256 % 256}.{at % 256}" for at in range(number))
