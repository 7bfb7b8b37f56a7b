"""The socket that a command asks at is the one that the daemon makes, wherever it is named."""

from pathlib import Path

import pytest

from f2b.cli.where import socket_of
from f2b.config.daemon import read_daemon
from f2b.config.files import Files
from tests.unit.config.tree import write

NAMED = "[Definition]\nsocket = /x.sock\n"


@pytest.mark.parametrize(
    "files",
    [
        {"f2b.conf": NAMED},
        {"f2b.conf": "", "f2b.local": NAMED},
        {"f2b.conf": "", "f2b.d/a.conf": NAMED},
        {"f2b.d/a.local": "[Definition]\nSocket: /x.sock\n"},
        {"f2b.conf": "[INCLUDES]\nbefore = other.conf\n", "other.conf": NAMED},
        {"f2b.conf": "[DEFAULT]\nsocket = /x.sock\n"},
    ],
    ids=repr,
)
def test_a_socket_that_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert socket_of(tmp_path) == read_daemon(Files(tmp_path))[0].socket == Path("/x.sock")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"f2b.conf": "[Definition]\n# socket = /x.sock\nloglevel = debug\n"},
        {"fail2ban.conf": NAMED},
    ],
    ids=repr,
)
def test_the_usual_socket(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert socket_of(tmp_path) == read_daemon(Files(tmp_path))[0].socket
