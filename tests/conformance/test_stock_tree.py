"""fail2ban's own directory is a configuration of f2b: with -c, and nothing else changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from f2b.config.effective import effective_jails
from f2b.config.files import Files
from tests.conformance.corpus import config


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    folder = config()
    if folder is None:
        pytest.skip("fail2ban's package is not unpacked here: make setup, or F2B_CORPUS=TREE")
    return Path(shutil.copytree(folder, tmp_path / "fail2ban"))


def enable(directory: Path, *names: str) -> None:
    text = "".join(f"[{name}]\nenabled = true\n" for name in names)
    (directory / "jail.local").write_text(text)


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "f2b", "-c", str(directory), "check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def with_journalmatch(directory: Path) -> dict[str, bool]:
    """Every jail of the directory, and whether its filter or the jail itself says what to read."""
    (directory / "jail.local").write_text("[DEFAULT]\nenabled = true\n")
    jails = {
        jail.name: "journalmatch" in jail.values for jail in effective_jails(Files(directory))
    }
    (directory / "jail.local").unlink()
    return jails


def test_it_can_run_as_it_is(stock: Path) -> None:
    done = check(stock)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_jail_with_a_journalmatch_can_run(stock: Path) -> None:
    names = [name for name, matches in with_journalmatch(stock).items() if matches]
    assert {"sshd", "postfix", "dovecot", "recidive", "nginx-http-auth"} <= set(names)
    enable(stock, *names)
    done = check(stock)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(names)} jails can run: " in done.stdout
    assert "error" not in done.stdout


def test_each_of_the_others_is_refused_with_the_way_out(stock: Path) -> None:
    names = [name for name, matches in with_journalmatch(stock).items() if not matches]
    enable(stock, *names)
    done = check(stock)
    assert done.returncode == 78
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    refused = [line for line in errors if "journalmatch = _SYSTEMD_UNIT=" in line]
    assert len(refused) == len(names)
    # One more is an error of its own: pass2allow lets in whom it finds, and f2b only keeps out.
    assert [line for line in errors if line not in refused and "returntype" not in line] == []


def test_its_daemon_settings_stand_in_where_there_is_no_f2b_conf(stock: Path) -> None:
    (stock / "fail2ban.local").write_text("[Definition]\nloglevel = shout\n")
    done = check(stock)
    assert (done.returncode, "fail2ban.local:2: loglevel needs" in done.stderr) == (78, True)
    (stock / "f2b.conf").write_text("[Definition]\n")
    assert check(stock).returncode == 0
