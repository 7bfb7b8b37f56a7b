"""Keys and tokens of actions are in no text that f2b shows."""

import subprocess
import sys
from pathlib import Path

import pytest

from f2b.config.secrets import concealed
from tests.support.processes import CHECKOUT
from tests.unit.config.tree import config, write

SECRETS = ("hush1", "hush2", "hush3", "hush4", "hush5")
ACTION = """action = nftables
  tell[abuseipdb_apikey=hush1, abuseipdb_category="18,22"]
  tell[actname=b, cfuser=me, cftoken="hush2"]
  tell[actname=c, url=https://you:hush3@example.org/hush4?x=hush5, token_file=hook]
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a[cftoken=x]", "a[cftoken=***]"),
        ("a[TOKEN='x,y', b=c]", "a[TOKEN=***, b=c]"),
        ('a[my-secret="x\ny", password=z]', "a[my-secret=***, password=***]"),
        ('a[url="https://h:8443/x"]', 'a[url="https://h:8443/***"]'),
        ("a[url=http://h]", "a[url=http://h/***]"),
        ("a[api_key_file=k, port=ssh]", "a[api_key_file=k, port=ssh]"),
        ("nftables[type=multiport]", "nftables[type=multiport]"),
    ],
)
def test_concealed(text: str, shown: str) -> None:
    assert concealed(text) == shown


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_not_in_what_config_shows(tmp_path: Path, options: list[str]) -> None:
    files = {
        "action.d/tell.conf": "[Definition]\nactionban = true\n",
        "f2b.conf": "[Definition]\n",
    }
    config(write(tmp_path, files), f"[sshd]\nenabled = true\n{ACTION}")
    command = [
        sys.executable,
        "-m",
        "f2b",
        "-c",
        str(tmp_path),
        *options,
        "config",
        "show",
        "--origin",
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "https://example.org/***" in done.stdout
    assert "cfuser=me" in done.stdout
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


@pytest.mark.parametrize(
    "action", ["action = tell[cftoken=hush1", "action = pf[cftoken=hush1, url=https://h/hush2]"]
)
def test_not_in_what_check_complains_of(tmp_path: Path, action: str) -> None:
    loaded = config(tmp_path, f"[sshd]\nenabled = true\n{action}\n")
    (problem,) = loaded.problems
    assert "hush" not in str(problem)


def test_not_in_how_an_action_looks_to_a_debugger(tmp_path: Path) -> None:
    spec = "action = nftables\n  plugin:webhook[url=https://h/hush1, token=hush2]"
    (jail,) = config(tmp_path, f"[sshd]\nenabled = true\n{spec}\n").jails
    assert "hush" not in repr(jail)
