"""The other daemons that change a server's firewall: fail2ban and firewalld, as Debian ships them.

Neither is started when it is made: `with closing(Fail2ban(folder, server)) as fail2ban: fail2ban.start()`.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.netns import Namespace
from tests.support.processes import CHECKOUT, end, mortal, wait_until

_FAIL2BAN = CHECKOUT / ".cache/fail2ban"
_UNPACKED = CHECKOUT / ".cache/root"
_PACKAGES = "usr/lib/python3/dist-packages"
_PYTHON = "/usr/bin/python3"
# What fail2ban's own jail does with a ban, and nothing that reads a log.
_JAIL = """
[DEFAULT]
banaction = nftables
backend = polling
[sshd]
enabled = true
logpath = {log}
bantime = 1h
"""
_ALLOWED = "".join(
    f'<allow {way}_type="{kind}"/>'
    for way in ("send", "receive")
    for kind in ("method_call", "method_return", "signal", "error")
)
_BUS = f"""
<busconfig>
<type>system</type>
<listen>unix:path={{socket}}</listen>
<policy context="default"><allow user="*"/><allow own="*"/>{_ALLOWED}</policy>
</busconfig>
"""


class Fail2ban:
    """Debian's fail2ban with one jail, sshd, and its own nftables action."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        if not (_FAIL2BAN / "usr/bin/fail2ban-server").exists():
            pytest.skip("fail2ban is not here")
        self._namespace = namespace
        config = folder / "fail2ban"
        shutil.copytree(_FAIL2BAN / "etc/fail2ban", config)
        shutil.rmtree(config / "jail.d")
        (folder / "auth.log").touch()
        (config / "jail.local").write_text(_JAIL.format(log=folder / "auth.log"))
        self.log = folder / "fail2ban.log"
        self._options = [
            f"-c{config}",
            f"-s{folder / 'fail2ban.sock'}",
            f"-p{folder / 'fail2ban.pid'}",
        ]
        self._start = [f"--logtarget={self.log}", "-f", "start"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            mortal(self._command("server", *self._start)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "fail2ban", 20)

    def client(self, *words: str) -> str:
        return subprocess.run(
            self._command("client", *words), check=True, capture_output=True, text=True, timeout=30
        ).stdout

    def stop(self) -> None:
        self.client("stop")
        assert self._process
        self._process.wait(20)

    def close(self) -> None:
        if self._process:
            end(self._process)

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            return "pong" in self.client("ping")
        return False

    def _command(self, program: str, *words: str) -> list[str]:
        environment = f"PYTHONPATH={_FAIL2BAN / _PACKAGES}"
        script = str(_FAIL2BAN / f"usr/bin/fail2ban-{program}")
        return self._namespace.command(
            ["env", environment, _PYTHON, script, *self._options, *words]
        )


class Firewalld:
    """firewalld with its shipped zones, and a message bus of its own."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        installed = Path("/usr/sbin/firewalld").exists()
        root = Path("/") if installed else _UNPACKED
        if not (root / "usr/sbin/firewalld").exists() or not shutil.which("dbus-daemon"):
            pytest.skip("firewalld is not here")
        self._namespace = namespace
        self._root = root
        self._folder = folder
        bus = folder / "bus"
        (folder / "bus.conf").write_text(_BUS.format(socket=bus))
        self._environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        if not installed:
            self._environment |= _unpacked()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        bus = f"--config-file={self._folder / 'bus.conf'}"
        self._run(["dbus-daemon", bus, "--nofork", "--nopidfile"])
        wait_until((self._folder / "bus").exists, "a message bus")
        config = self._folder / "firewalld"
        shutil.copytree(self._root / "etc/firewalld", config)
        places = [f"--system-config={config}", f"--default-config={self._root}/usr/lib/firewalld"]
        options = ["--nofork", "--nopid", "--log-target=console", *places]
        self._run([_PYTHON, str(self._root / "usr/sbin/firewalld"), *options])
        wait_until(
            lambda: self.client("--state", check=False).strip() == "running", "firewalld", 30
        )

    def client(self, *words: str, check: bool = True) -> str:
        argv = [_PYTHON, str(self._root / "usr/bin/firewall-cmd"), *words]
        return subprocess.run(
            self._namespace.command(argv),
            check=check,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | self._environment,
        ).stdout

    def stop(self) -> None:
        """firewalld takes its rules away."""
        end(self._processes.pop(), 20)

    def close(self) -> None:
        while self._processes:
            end(self._processes.pop())

    def _run(self, argv: list[str]) -> None:
        self._processes.append(
            subprocess.Popen(
                mortal(self._namespace.command(argv)),
                env=os.environ | self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )


def _unpacked() -> Mapping[str, str]:
    """Where programs that were not installed find what belongs to them."""
    libraries = next((_UNPACKED / "usr/lib").glob("*-linux-gnu"))
    return {
        "PYTHONPATH": str(_UNPACKED / _PACKAGES),
        "LD_LIBRARY_PATH": str(libraries),
        "GI_TYPELIB_PATH": str(libraries / "girepository-1.0"),
    }
