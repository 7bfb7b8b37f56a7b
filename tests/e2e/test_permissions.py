"""What may not be read, written, opened or asked: who may do it is said, and nothing is lost."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, query
from tests.e2e.refusals import FILES, NOBODY, closed, refusal, settings, without
from tests.e2e.scenes import ONE, SET, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root


def test_a_journal_that_comes_and_goes(daemon: Daemon, journal: Journal, tmp_path: Path) -> None:
    """It is waited for; meanwhile status and log say so."""
    place = tmp_path / "place"
    settings(daemon, f"journal = {place}")
    daemon.start()
    wait_until(
        lambda: str(place) in " ".join(asked(daemon, "status")["degraded"]), "degraded: journal", 5
    )
    wait_until(lambda: f"cannot read the journal in {place}" in daemon.log.read_text(), "an error")
    fail(journal, ONE, 3)
    place.symlink_to(journal.folder)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "the end of degraded")
    place.unlink()
    wait_until(
        lambda: str(place) in " ".join(asked(daemon, "status")["degraded"]), "degraded: journal", 5
    )
    fail(journal, TWO, 3)
    place.symlink_to(journal.folder)
    wait_until(lambda: banned(daemon, SET, TWO), "another ban")
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "the end of degraded")
    assert len(query(daemon.database, "SELECT * FROM failures")) == 6


def test_a_journal_that_may_not_be_read(daemon: Daemon, journal: Journal) -> None:
    fail(journal, ONE)
    for path in journal.folder.iterdir():
        closed(path)
    said = refusal(daemon, 77, *without(FILES))
    assert f"cannot read the journal in {journal.folder}: Permission denied" in said
    assert "systemd-journal" in said


def test_no_permission_for_the_firewall(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    daemon.stop()
    said = refusal(daemon, 77, *without("net_admin"))
    assert "CAP_NET_ADMIN" in said
    assert "--cap-add=NET_ADMIN" in said
    assert banned(daemon, SET, ONE)
    said = refusal(daemon, 77, *without("net_admin"), words=("flush",))
    assert "CAP_NET_ADMIN" in said


def test_no_permission_for_the_database(daemon: Daemon) -> None:
    daemon.start()
    daemon.stop()
    memory = daemon.folder / "memory"
    memory.mkdir()
    settings(daemon, f"dbfile = {memory}/db")
    closed(memory)
    assert str(memory) in refusal(daemon, 77, *without(FILES))


def test_a_database_that_may_not_be_written(daemon: Daemon) -> None:
    daemon.start()
    daemon.stop()
    closed(daemon.database)
    before = daemon.database.read_bytes()
    said = refusal(daemon, 77, *without(FILES))
    assert str(daemon.database) in said
    assert "must be writable by the daemon's user" in said
    assert daemon.database.read_bytes() == before


def test_no_permission_for_the_socket(daemon: Daemon) -> None:
    room = daemon.folder / "room"
    room.mkdir()
    settings(daemon, f"socket = {room}/sock")
    closed(room)
    said = refusal(daemon, 77, *without(FILES))
    assert f"no permission to listen on {room}/sock" in said


def test_a_socket_in_use(daemon: Daemon) -> None:
    path = daemon.folder / "f2b.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        said = refusal(daemon, 78)
        assert said.startswith(f"{path} is in use: ")
        assert "set another socket in f2b.conf" in said
    assert path.is_socket()
    assert daemon.namespace.run(["nft", "list", "ruleset"]) == ""


def test_a_file_where_the_socket_should_be(daemon: Daemon) -> None:
    path = daemon.folder / "f2b.sock"
    path.write_text("precious")
    assert str(path) in refusal(daemon, 78)
    assert path.read_text() == "precious"


# --- who may ask --------------------------------------------------------------------------------


CLIENT = """\
import json, socket, sys
for command in sys.argv[2:]:
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    request = {"version": 1, "command": command}
    if command == "unban":
        request["everything"] = True
    client.sendall(json.dumps(request).encode() + b"\\n")
    answer = json.loads(client.makefile().readline())
    print("yes" if answer["ok"] else answer["exit"])
"""


@pytest.mark.parametrize(
    ("groups", "answers"),
    [
        ([], ["77", "77", "77"]),
        ([100], ["yes", "yes", "77"]),
        ([7, 6, 5, 60], ["yes", "yes", "yes"]),
    ],
)
def test_who_may_ask_and_who_may_change(
    daemon: Daemon,
    tmp_path_factory: pytest.TempPathFactory,
    groups: list[int],
    answers: list[str],
) -> None:
    """Everybody may knock; the answer depends on all of the caller's groups."""
    path = Path("/tmp") / f"f2b-test-{tmp_path_factory.getbasetemp().name}-{len(groups)}.sock"
    settings(
        daemon, f"socket = {path}", "read_groups = users nosuchgroup", "change_groups = games"
    )
    daemon.start()
    try:
        said = subprocess.run(
            ["/usr/bin/python3", "-c", CLIENT, str(path), "ping", "status", "unban"],
            user=NOBODY, group=NOBODY, extra_groups=groups, cwd="/",
            capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
    finally:
        daemon.stop()
    assert said.stdout.split() == answers
