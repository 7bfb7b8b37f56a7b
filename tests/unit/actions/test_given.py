"""What the process and the unit give, asked of real processes and of a systemctl that the test wrote."""

import subprocess
import sys
from pathlib import Path

import pytest

from f2b.actions import given
from f2b.config.needs import Given
from tests.support.processes import CHECKOUT

ASK = "from f2b.actions import given; print(*given.of_this_process())"


def systemctl(folder: Path, script: str) -> None:
    (folder / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "systemctl").chmod(0o755)


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(given, "_BOOTED", tmp_path)
    return tmp_path


def test_the_unit_is_asked(booted: Path) -> None:
    shown = (
        "LoadState=loaded\\nUser=f2b\\nRestrictAddressFamilies=AF_UNIX\\nNoNewPrivileges=yes\\n"
    )
    systemctl(booted, f"echo \"$@\" > {booted}/asked; printf '{shown}'")
    found = given.of_the_unit()
    assert found is not None
    assert (found.network, found.legacy) == (False, False)
    assert (booted / "asked").read_text().startswith("show f2b.service -p LoadState,User,")


@pytest.mark.parametrize("script", ["echo LoadState=not-found", "exit 1", "exec sleep 60"])
def test_no_unit_says_nothing(booted: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(given, "_PATIENCE", 0.5)
    systemctl(booted, script)
    assert given.of_the_unit() is None


def test_no_systemd_says_nothing(booted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_BOOTED", booted / "nowhere")
    assert given.of_the_unit() is None


def test_a_process_that_may_do_everything() -> None:
    found = given.of_this_process()
    assert isinstance(found, Given)
    assert all(isinstance(each, bool) for each in found)


@pytest.mark.root
def test_a_process_that_may_do_nothing_of_it() -> None:
    """Another user, with no capability and no new privileges; sockets are free here."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    done = subprocess.run(
        [*command, sys.executable, "-c", ASK],
        cwd=CHECKOUT, env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    network, _, _, legacy, _ = done.stdout.split()
    assert (network, legacy) == ("True", "False")
