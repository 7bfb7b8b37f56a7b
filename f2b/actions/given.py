"""What this machine, this process, or the unit as installed gives to what a configuration needs. Keeps nothing."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from f2b.config.needs import UNIT, Given, given_by_unit

DROPINS = Path(sys.prefix) / "share/f2b.service.d"
_CHECKOUT = Path(__file__).parents[2] / "etc/systemd/f2b.service.d"
_BOOTED = Path("/run/systemd/system")
_RESOLVED = Path("/run/systemd/resolve/io.systemd.Resolve")
_NSSWITCH = Path("/etc/nsswitch.conf")
_HELPER = Path("/run/f2b-root.sock")
_LOCK = Path("/run/xtables.lock")
_MAILDROP = Path("/var/spool/postfix/maildrop")
_NET_RAW = 13
_PROPERTIES = (
    "LoadState", "User", "RestrictAddressFamilies", "IPAddressDeny", "IPAddressAllow", "AmbientCapabilities",
    "SupplementaryGroups", "NoNewPrivileges",
)  # fmt: skip
_PATIENCE = 3.0
_DENIED = {errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT}


def folder() -> Path:
    """Where the drop-ins are that are shipped."""
    return DROPINS if DROPINS.is_dir() or not _CHECKOUT.is_dir() else _CHECKOUT


def of_this_process() -> Given:
    """Tried for real, as far as that leaves nothing behind."""
    host = _of_the_host()
    network = _reaches()
    if os.geteuid() == 0:
        return Given(network, network or host.names)
    lock = Path(os.environ.get("XTABLES_LOCKFILE", _LOCK))
    return Given(
        network,
        network or host.names,
        mail=host.mail or os.access(_MAILDROP, os.W_OK) or not _no_new_privileges(),
        legacy=bool(_capabilities() >> _NET_RAW & 1)
        and os.access(
            lock if lock.exists() else lock.parent, os.R_OK if lock.exists() else os.W_OK
        ),
        root=host.root,
    )


def of_the_unit() -> Given | None:
    """None where there is no systemd, or no such unit."""
    import shutil  # noqa: PLC0415 - half a MB, with its archives; the daemon does not ask the unit

    systemctl = shutil.which("systemctl")
    if systemctl is None or not _BOOTED.is_dir():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - found by us
            [systemctl, "show", UNIT, "-p", ",".join(_PROPERTIES)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    rows = (line.partition("=") for line in done.stdout.splitlines())
    shown = {name: value for name, _, value in rows}
    if shown.get("LoadState") != "loaded":
        return None
    return given_by_unit(shown, _of_the_host())


def _of_the_host() -> Given:
    return Given(
        network=False,
        names=_RESOLVED.exists() and _asks_resolved(),
        # Where there is no Postfix the drop-in helps nobody.
        mail=not _MAILDROP.parent.exists(),
        legacy=False,
        root=_HELPER.exists(),
    )


def _asks_resolved() -> bool:
    try:
        lines = _NSSWITCH.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any("resolve" in line.split() for line in lines if line.startswith("hosts:"))


def _reaches() -> bool:
    """A datagram without content, to the port of this machine where such things are thrown away."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
            probe.sendto(b"", ("127.0.0.1", 9))
    except OSError as error:
        return error.errno not in _DENIED
    return True


def _status(name: str) -> str:
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return ""
    rows = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for found, _, value in rows if found == name), "")


def _capabilities() -> int:
    return int(_status("CapEff") or "0", 16)


def _no_new_privileges() -> bool:
    return _status("NoNewPrivs") == "1"
