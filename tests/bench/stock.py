"""The jails of fail2ban's package: which there are, what to read for each, and a jail.local that enables some."""

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from f2b.config.effective import effective_jails
from f2b.config.files import Files
from tests.support.processes import CHECKOUT

PACKAGE = CHECKOUT / ".cache/fail2ban"
STOCK = PACKAGE / "etc/fail2ban"
THREE = ("sshd", "postfix", "dovecot")
UNUSABLE = ("recidive", "pass2allow-ftp")
"""One reads bans and no journal, the other lets in whom it finds."""

Others = Mapping[str, str]
"""Names of jails, each with the settings that it needs."""


def jail_local(others: Others | None = None, banaction: str = "null") -> str:
    """The three jails that find something, and others."""
    lines = [
        "[DEFAULT]",
        f"banaction = {banaction}",
        f"banaction_allports = {banaction}",
        "usedns = no",
        "findtime = 1w",
        "bantime = 1h",
        "maxretry = 5",
    ]
    jails = {**dict.fromkeys(THREE, ""), "postfix": "mode = extra", **(others or {})}
    for name, settings in jails.items():
        lines += [f"[{name}]", "enabled = true", settings]
    return "\n".join([*lines, ""])


def others(count: int, *, twice: bool = True) -> Others:
    """So many: those that have a journalmatch, those that are given one, and then some a second time."""
    stock = _stock()
    known = dict.fromkeys((name for name, match in stock.items() if match), "")
    given = {name: _given(name) for name, match in stock.items() if not match}
    again = {f"{name}-2": f"filter = {name}\n{_given(f'{name}-2')}" for name in given}
    jails = {**known, **given, **(again if twice else {})}
    return dict([*jails.items()][:count])


def units(names: Iterable[str]) -> list[str]:
    """What logs for these jails, without those that log for the three."""
    found: list[str] = []
    for name in names:
        match = re.match(r"\w+=(\S+?)(?:\.service)?(?: |$)", _stock().get(name, ""))
        unit = match[1] if match else name
        if unit not in ("postfix", *found):
            found.append(unit)
    return found


def _given(name: str) -> str:
    return f"journalmatch = _SYSTEMD_UNIT={name}.service"


@cache
def _stock() -> Mapping[str, str]:
    """All jails but the three, with the journalmatch of each, if it has one."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(shutil.copytree(STOCK, Path(folder, "etc")))
        (config / "jail.local").write_text("[DEFAULT]\nenabled = true\n")
        jails = effective_jails(Files(config))
    return {
        jail.name: " ".join(line.text for line in jail.values.get("journalmatch", ()))
        for jail in jails
        if jail.name not in (*THREE, *UNUSABLE)
    }
