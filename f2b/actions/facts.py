"""What the tags of an action stand for: the ban itself, without what must be looked up."""

import json
import socket
from collections.abc import Mapping

from f2b.actions.command import family
from f2b.outbox import Row


def of_the_host(name: str = "") -> dict[str, str]:
    """What is the same for every action; `name` is the host's full one, where that is known."""
    name = name or socket.gethostname()
    return {"fq-hostname": name, "sh-hostname": name.partition(".")[0], "br": "\n", "sp": " "}


def of_the_ban(row: Row, *, restored: bool) -> dict[str, str]:
    """For one step of one ban."""
    ban = row.ban
    lasts = -1 if ban.until is None else round(ban.until - ban.start)
    found = {
        "id": row.id,
        "step": row.step.value,
        "ip": str(ban.offender),
        "fid": str(ban.offender),
        "family": family(ban.offender),
        "ip-rev": _reversed(ban.offender.packed),
        "failures": str(ban.failures),
        "time": f"{ban.start:.6f}",
        "bantime": str(lasts),
        "bancount": str(ban.offence),
        "restored": str(int(restored)),
    }
    found["raw-ticket"] = json.dumps(
        {
            "ip": found["ip"],
            "jail": ban.jail,
            "time": ban.start,
            "until": ban.until,
            "failures": ban.failures,
            "bancount": ban.offence,
            "restored": restored,
        }
    )
    return found | _captured(dict(row.groups))


def _captured(groups: Mapping[str, str]) -> dict[str, str]:
    return {f"F-{name.upper()}": text for name, text in groups.items()}


def _reversed(packed: bytes) -> str:
    """As in a PTR query, without what comes after the address."""
    labels = map(str, packed) if len(packed) == 4 else packed.hex()
    return "".join(f"{label}." for label in reversed([*labels]))


def address(values: Mapping[str, str]) -> str:
    """Of a banned network the address whose failure tipped it, or else its first."""
    return values.get("F-IP6") or values.get("F-IP4") or values["ip"].partition("/")[0]
