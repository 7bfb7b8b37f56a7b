"""What is wrong gets one clear message with the place and the way out, its exit status, and costs nothing."""

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import THREE
from tests.e2e.outcome import asked, banned, elements, query
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import CHECKOUT, wait_until

pytestmark = pytest.mark.root

ONE, TWO = "198.18.0.1", "198.18.0.2"
SET = "addr-set-sshd"
NOBODY = 65534
FILES = "dac_override,dac_read_search"


def without(*capabilities: str) -> list[str]:
    """Root, but not quite: what belongs to others is closed to who has no `dac_override`."""
    names = ",".join(f"-{name}" for each in capabilities for name in each.split(","))
    return ["setpriv", f"--bounding-set={names}", f"--inh-caps={names}"]


def refusal(daemon: Daemon, status: int, *before: str, words: tuple[str, ...] = ("run",)) -> str:
    """What it says, in one line of its own, while it ends with that status; at once and without a traceback."""
    done = subprocess.run(
        daemon.namespace.command([*before, *daemon.cli_command(*words)]),
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stderr
    ours = [line for line in done.stderr.splitlines() if line.startswith("f2b: ")]
    assert len(ours) == 1, done.stderr
    return ours[0].removeprefix("f2b: ")


def closed(path: Path) -> None:
    """Belongs to somebody else, who lets nobody in."""
    shutil.chown(path, NOBODY)
    path.chmod(0o700 if path.is_dir() else 0o600)


def settings(daemon: Daemon, *lines: str) -> None:
    with (daemon.config / "f2b.local").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


# --- configuration ---------------------------------------------------------------------------------


def test_no_configuration(daemon: Daemon) -> None:
    shutil.rmtree(daemon.config)
    said = refusal(daemon, 78)
    assert said == f"{daemon.config} cannot be read: No such file or directory (-c names another directory)"


def test_an_empty_configuration(daemon: Daemon) -> None:
    shutil.rmtree(daemon.config)
    daemon.config.mkdir()
    assert "holds no jail.conf" in refusal(daemon, 78)


def test_a_configuration_that_may_not_be_read(daemon: Daemon) -> None:
    closed(daemon.config)
    assert "cannot be read: Permission denied" in refusal(daemon, 78, *without(FILES))


def test_a_file_that_may_not_be_read(daemon: Daemon) -> None:
    closed(daemon.config / "jail.conf")
    said = refusal(daemon, 78, *without(FILES))
    assert said.startswith("jail.conf: cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dbpurgeage = soon", "f2b.local:6: dbpurgeage needs a duration: "),
        ("table = a b", "f2b.local:6: table needs a name that nft can print"),
        ("latency = fats", "f2b.local:6: latency needs fast or balanced or quiet, got 'fats'"),
        ("journal = here", "f2b.local:6: journal needs system, namespace:NAME or an absolute directory, got 'here'"),
        ("socket = %(nothing)s", "f2b.local:6: "),
        ("[Definition", "f2b.local:6: "),
        ("nonsense", "f2b.local:6: "),
    ],
)
def test_f2b_conf(daemon: Daemon, line: str, said: str) -> None:
    settings(daemon, line)
    assert refusal(daemon, 78).startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bantime = soon", "jail.d/test.conf:6: bantime needs a duration: "),
        ("bantime = 0", "jail.d/test.conf:6: bantime needs a duration above zero"),
        ("findtime = -1", "jail.d/test.conf:6: findtime needs a duration above zero"),
        ("maxretry = 0", "jail.d/test.conf:6: maxretry needs a whole number of at least 1, got '0'"),
        ("ignoreip = example.org", "jail.d/test.conf:6: ignoreip needs addresses and networks, got 'example.org'"),
        ("failregex = Failed (", "jail.d/test.conf:6: bad regex: "),
        ("failregex = Failed", "jail.d/test.conf:6: failregex captures no address: 'Failed'"),
        ("journalmatch = sshd", "jail.d/test.conf:6: journalmatch needs FIELD=value, got 'sshd'"),
        ("mode = fierce", "has no mode 'fierce'"),
        ("filter = nosuch", "jail.d/test.conf:6: "),
        ("banaction = shorewall", "jail.d/test.conf:6: banaction 'shorewall' is not available yet"),
        ("port = nosuchservice", "jail.d/test.conf:6: "),
    ],
)
def test_a_jail(daemon: Daemon, journal: Journal, line: str, said: str) -> None:
    """check and reload refuse it; a start leaves it out, says so, and runs the others."""
    daemon.jails.write_text(THREE + line + "\n[second]\nenabled = true\nfilter = sshd\nmaxretry = 2\n")
    done = daemon.cli("check", check=False)
    assert done.returncode == 78
    (told,) = (text for text in done.stdout.splitlines() if text.startswith("error: "))
    assert said in told
    daemon.start()
    assert said in daemon.log.read_text()
    fail(journal, ONE, 2)
    wait_until(lambda: banned(daemon, "addr-set-second", ONE), "a ban by the jail that works")
    (broken,) = (row["broken"] for row in asked(daemon, "status")["jails"] if row["name"] == "sshd")
    assert said in broken
    assert said in daemon.cli("reload", check=False).stderr
    assert daemon.cli("reload", check=False).returncode == 78
    assert "Traceback" not in daemon.log.read_text()


def test_all_errors_at_once(daemon: Daemon) -> None:
    daemon.jails.write_text("[sshd]\nenabled = perhaps\n[custom]\nbantime = soon\nmaxretry = x\n")
    errors = [line for line in daemon.cli("check", check=False).stdout.splitlines() if "error: " in line]
    assert [line.split()[1] for line in errors] == [f"jail.d/test.conf:{number}:" for number in (2, 5, 4)]


@pytest.mark.parametrize("section", ["DEFAULT", "sshd"])
def test_an_unknown_option(daemon: Daemon, section: str) -> None:
    """A warning with the place, and a guess; nothing stops."""
    daemon.jails.write_text(f"{THREE}[{section}]\nmaxretries = 7\n")
    done = daemon.cli("check")
    assert "warning: jail.d/test.conf:7: " in done.stdout
    assert "maxretries" in done.stdout
    assert "did you mean maxretry?" in done.stdout
    daemon.start()
    assert "WARNING jail.d/test.conf:7: " in daemon.log.read_text()


def test_an_unknown_option_of_the_daemon(daemon: Daemon) -> None:
    settings(daemon, "dbfiel = /tmp/x")
    daemon.start()
    assert "WARNING f2b.local:6: " in daemon.log.read_text()
    assert "did you mean dbfile?" in daemon.log.read_text()


@pytest.mark.parametrize("words", [("bam", ONE), ("ban",), ("status", "a", "b"), ("--nosuch",), ("unban",)])
def test_usage(daemon: Daemon, words: tuple[str, ...]) -> None:
    refusal(daemon, 64, words=words)


@pytest.mark.parametrize("words", [(), ("status",), ("ban", ONE), ("unban", ONE), ("reload",), ("ping",)])
def test_no_daemon(daemon: Daemon, words: tuple[str, ...]) -> None:
    said = refusal(daemon, 69, words=words)
    assert said.startswith("f2b is not running: ")
    assert "systemctl start f2b" in said


# --- journal and permissions -----------------------------------------------------------------------


def test_no_journal_yet(daemon: Daemon, journal: Journal, tmp_path: Path) -> None:
    """It is waited for; meanwhile status and log say so."""
    later = tmp_path / "later"
    settings(daemon, f"journal = {later}")
    daemon.start()
    wait_until(lambda: str(later) in " ".join(asked(daemon, "status")["degraded"]), "degraded: journal", 5)
    assert f"cannot read the journal in {later}" in daemon.log.read_text()
    fail(journal, ONE, 3)
    journal.close()
    journal.folder.rename(later)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "the end of degraded")


def test_a_journal_that_goes_away(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    aside = journal.folder.rename(journal.folder.with_name("aside"))
    wait_until(lambda: str(journal.folder) in " ".join(asked(daemon, "status")["degraded"]), "degraded: journal")
    aside.rename(journal.folder)
    fail(journal, TWO, 3)
    wait_until(lambda: banned(daemon, SET, TWO), "another ban")
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "the end of degraded")


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


def test_a_file_where_the_socket_should_be(daemon: Daemon) -> None:
    path = daemon.folder / "f2b.sock"
    path.write_text("precious")
    assert str(path) in refusal(daemon, 78)
    assert path.read_text() == "precious"


# --- database --------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"This is not a database. " * 500)


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 - 100])


def bad_page(path: Path) -> None:
    """Everything after the schema's page is noise."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def bad_schema(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xa5" * 3000 + content[3200:])


@pytest.mark.parametrize("harm", [garbage, truncated, bad_page, bad_schema])
def test_a_corrupt_database(daemon: Daemon, journal: Journal, harm: Callable[[Path], None]) -> None:
    """It is set aside; what findtime covers is read again, and bans that the kernel holds stay."""
    daemon.start()
    fail(journal, ONE, 3)
    fail(journal, TWO, 2)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    wait_until(lambda: len(query(daemon.database, "SELECT * FROM failures")) == 5, "five failures")
    assert daemon.stop() == 0
    harm(daemon.database)
    spoilt = daemon.database.read_bytes()
    daemon.start()
    aside = daemon.database.with_name("f2b.sqlite3.corrupt-1")
    assert f"{daemon.database} was corrupt: moved to {aside}" in daemon.log.read_text()
    assert aside.read_bytes() == spoilt
    wait_until(lambda: banned(daemon, SET, ONE), "what is within findtime")
    fail(journal, TWO)
    wait_until(lambda: banned(daemon, SET, TWO), "two failures before, one after")
    assert len(query(daemon.database, "SELECT * FROM failures")) == 6
    daemon.stop()
    garbage(daemon.database)
    daemon.start()
    assert aside.read_bytes() == spoilt
    assert daemon.database.with_name("f2b.sqlite3.corrupt-2").exists()
    assert "Traceback" not in daemon.log.read_text()


def test_an_empty_database(daemon: Daemon) -> None:
    daemon.database.touch()
    daemon.start()
    assert not list(daemon.folder.glob("*.corrupt*"))


def test_a_database_of_a_newer_version(daemon: Daemon, journal: Journal) -> None:
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    daemon.stop()
    with closing(sqlite3.connect(daemon.database)) as db:
        db.execute("PRAGMA user_version = 99")
    before = daemon.database.read_bytes()
    said = refusal(daemon, 78)
    assert "was written by a newer f2b (schema 99, this one knows 1)" in said
    assert "install that version again" in said
    assert daemon.database.read_bytes() == before
    assert banned(daemon, SET, ONE)


def test_a_database_of_somebody_else(daemon: Daemon) -> None:
    with closing(sqlite3.connect(daemon.database)) as db:
        db.execute("CREATE TABLE precious (thing)")
    before = daemon.database.read_bytes()
    assert f"{daemon.database} is not a database of f2b" in refusal(daemon, 78)
    assert daemon.database.read_bytes() == before


def test_a_folder_where_the_database_should_be(daemon: Daemon) -> None:
    daemon.database.mkdir()
    assert str(daemon.database) in refusal(daemon, 78)


# --- the wall --------------------------------------------------------------------------------------


def test_a_table_of_somebody_else(daemon: Daemon) -> None:
    daemon.namespace.run(["nft", "-f", "-"], stdin="table inet f2b-table { chain theirs { counter; } }")
    before = daemon.namespace.run(["nft", "list", "ruleset"])
    said = refusal(daemon, 78)
    assert "the nftables table inet f2b-table is not f2b's" in said
    assert "--takeover" in said
    assert "table =" in said
    assert daemon.namespace.run(["nft", "list", "ruleset"]) == before


def test_no_refusal_spoils_anything(daemon: Daemon, journal: Journal) -> None:
    """After all of these the daemon starts as if nothing had been."""
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    daemon.stop()
    before = elements(daemon.namespace)
    refusal(daemon, 77, *without("net_admin"))
    jails = daemon.jails.read_text()
    daemon.jails.write_text("nonsense\n")
    refusal(daemon, 78)
    daemon.jails.write_text(jails)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(daemon.folder / "f2b.sock"))
        other.listen()
        refusal(daemon, 78)
    fail(journal, TWO, 3)
    daemon.start()
    wait_until(lambda: banned(daemon, SET, TWO), "what was logged meanwhile")
    assert elements(daemon.namespace)[SET, ONE] == pytest.approx(before[SET, ONE], abs=2.5)


# --- who may ask -----------------------------------------------------------------------------------

CLIENT = """\
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
for command in sys.argv[2:]:
    request = {"version": 1, "command": command}
    if command == "unban":
        request["everything"] = True
    client.sendall(json.dumps(request).encode() + b"\\n")
answers = client.makefile()
print([(answer["ok"], answer.get("exit")) for answer in (json.loads(next(answers)) for _ in sys.argv[2:])])
"""


@pytest.mark.parametrize(
    ("groups", "answers"),
    [
        ([], [(False, 77), (False, 77), (False, 77)]),
        ([100], [(True, None), (True, None), (False, 77)]),
        ([7, 6, 5, 60], [(True, None), (True, None), (True, None)]),
    ],
)
def test_who_may_ask_and_who_may_change(
    daemon: Daemon, tmp_path_factory: pytest.TempPathFactory, groups: list[int], answers: list[object]
) -> None:
    """Everybody may knock; the answer depends on all of the caller's groups."""
    path = Path("/tmp") / f"f2b-test-{tmp_path_factory.getbasetemp().name}-{len(groups)}.sock"
    settings(daemon, f"socket = {path}", "read_groups = users nosuchgroup", "change_groups = games")
    daemon.start()
    try:
        said = subprocess.run(
            ["/usr/bin/python3", "-c", CLIENT, str(path), "ping", "status", "unban"],
            user=NOBODY, group=NOBODY, extra_groups=groups, cwd="/",
            capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
    finally:
        daemon.stop()
    assert said.stdout.strip() == str(answers)
