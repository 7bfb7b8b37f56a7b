"""Runs iptables-legacy's own tools, and says in words what went wrong. Owns no state.

The kernel's old interface takes a whole table at a time, packed for one machine and one kernel: the tools know how.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from f2b.addresses import Family
from f2b.errors import ActionError, NotPermittedError

LOCK = 5  # seconds that a tool waits for another that changes tables
TIMEOUT = 20.0
NET = Path("/proc/thread-self/net")
"""Of the namespace of the thread that asks; it is there where the unit hides the rest of /proc."""
_DROPIN = "; for f2b.service there is the drop-in iptables-legacy, see f2b-actions(7)"
_TABLES = ("raw", "mangle", "filter")
_PATH = os.pathsep.join(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
_PREFIX = {Family.INET: "iptables", Family.INET6: "ip6tables"}
_NAMES = {Family.INET: "ip_tables_names", Family.INET6: "ip6_tables_names"}
_TABLES_IN_USE = tuple(NET / name for name in _NAMES.values())
_INET6 = NET / "if_inet6"
_BUSY = 4  # the exit status of what may work next time


def in_use() -> bool:
    """Say whether iptables-legacy has any table here; looking must not make the kernel load it."""
    try:
        return any(names.exists() and names.read_text() for names in _TABLES_IN_USE)
    except PermissionError:
        return True  # the file is there with the module, and what it says is for root alone
    except OSError:
        return False


def families() -> list[Family]:
    """Those that the kernel speaks: with IPv6 off there is nothing to guard, and no table for it."""
    return [Family.INET, *([Family.INET6] if _INET6.exists() else [])]


class Tools:
    """`save` and `restore` of one family."""

    def __init__(self, family: Family) -> None:
        self._names = NET / _NAMES[family]
        self._save = _find(f"{_PREFIX[family]}", "save")
        self._restore = _find(f"{_PREFIX[family]}", "restore")

    def save(self, table: str = "", *, counted: bool = False) -> str:
        """What stands in that table, or in all that are in use."""
        counters = ["-c"] if counted else []
        if table:
            return _run([self._save, "-t", table, *counters])
        try:
            self._names.read_text()
        except FileNotFoundError:
            return ""  # the kernel has not even loaded what tables are made of
        except PermissionError:
            return "".join(self._if_it_is_there(table, counted=counted) for table in _TABLES)
        return _run([self._save, *counters])

    def _if_it_is_there(self, table: str, *, counted: bool) -> str:
        """Of a table whose name only root may read among those in use."""
        try:
            return self.save(table, counted=counted)
        except ActionError as error:
            if "initialize" in error.message and not error.retry:
                return ""
            raise

    def restore(self, text: str) -> None:
        """Carry the lines out, each table at once or not at all."""
        try:
            _run([self._restore, "-w", str(LOCK), "--noflush"], text)
        except ActionError as error:
            if "unable to initialize table" in error.message:
                # This tool does not say why; the other one does.
                table = error.message.rpartition("table '")[2].partition("'")[0]
                self.save(table)
            raise


def _find(program: str, what: str) -> str:
    """The path of the tool. Where there was never another, it is named without `legacy`."""
    import shutil  # noqa: PLC0415 - half a MB, and where iptables is not in use nobody gets here

    path = os.pathsep.join([os.environ.get("PATH", ""), _PATH])
    found = shutil.which(f"{program}-legacy-{what}", path=path)
    if found is None:
        plain = shutil.which(f"{program}-{what}", path=path)
        if plain is not None and "nf_tables" not in _run([plain, "--version"]):
            found = plain
    if found is None:
        raise ActionError(
            f"{program}-legacy-{what} is not installed", hint="install the package iptables"
        )
    return found


def _run(argv: Sequence[str], stdin: str = "") -> str:
    name = os.path.basename(argv[0])  # noqa: PTH119 - a name, no file
    try:
        done = subprocess.run(  # noqa: S603 - the paths are found by us, what others wrote is in stdin
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise ActionError(f"{name} did not end within {TIMEOUT:.0f} s", retry=True) from error
    except OSError as error:
        raise ActionError(f"{name} cannot be run: {error.strerror}", retry=True) from error
    if done.returncode:
        raise _translated(name, done.returncode, done.stderr, stdin)
    return done.stdout


def _translated(name: str, status: int, said: str, stdin: str) -> ActionError | NotPermittedError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = lines[0].rpartition("(legacy): ")[2] if lines else f"exit status {status}"
    if "Permission denied" in said:
        return NotPermittedError(
            f"{name} may not change the firewall: {first}",
            hint=f"it needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW{_DROPIN}",
        )
    hint = ""
    if "lock" in said:
        # The last line says who waits for whom; `f2b` itself can do nothing but wait.
        first = lines[-1]
        hint = f"XTABLES_LOCKFILE can name another file{_DROPIN}" if "open" in said else ""
    elif "Address family" in said:
        hint = f"RestrictAddressFamilies= of the unit needs AF_INET and AF_INET6{_DROPIN}"
    elif "insmod" in said:
        hint = "the kernel lacks it: modprobe ip_tables and ip6_tables on the host"
    elif refused := _refused(said, stdin):
        hint = f"refused: {refused}"
    return ActionError(f"{name}: {first}", hint=hint, retry=status == _BUSY)


def _refused(said: str, stdin: str) -> str:
    """The line that the tool complains of."""
    for word in said.replace(":", " ").split("line")[1:]:
        number = word.split()[:1]
        if number and number[0].isdigit():
            lines = stdin.splitlines()
            return lines[int(number[0]) - 1] if int(number[0]) <= len(lines) else ""
    return ""
