"""Commands of the admin's: they are carried out once decided, in order, and hold up nobody."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.outcome import asked, banned, query
from tests.e2e.scenes import MAIL, ONE, SET, THREE, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

NOTE = """\
[Definition]
actionstart = echo start <name> >> <file>
actionstop = echo stop >> <file>
actionban = echo ban <ip> <restored> $F2B_ID >> <file>
actionunban = echo unban <ip> $F2B_ID >> <file>
actionprolong = echo prolong <ip> >> <file>
"""
OUTBOX = "SELECT step, offender FROM outbox ORDER BY number"


def noting(daemon: Daemon, note: Path, text: str = NOTE, jail: str = THREE) -> None:
    (daemon.config / "action.d").mkdir(exist_ok=True)
    (daemon.config / "action.d/note.conf").write_text(text)
    daemon.jails.write_text(jail + f"action = %(action_)s\n  note[file={note}]\n")


def lines(note: Path) -> list[str]:
    return note.read_text().splitlines() if note.exists() else []


def words(note: Path) -> list[str]:
    """Without the ids."""
    return [" ".join(line.split()[:3]) for line in lines(note)]


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def test_the_life_of_a_ban(daemon: Daemon, journal: Journal, note: Path) -> None:
    noting(daemon, note)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: words(note) == ["start sshd", f"ban {ONE} 0"], "the ban")
    assert banned(daemon, SET, ONE)
    wait_until(lambda: not query(daemon.database, OUTBOX), "an empty outbox")
    fail(journal, ONE, 1)
    wait_until(lambda: words(note)[-1] == f"prolong {ONE}", "the prolonging")
    daemon.cli("unban", ONE)
    wait_until(lambda: lines(note)[-1].startswith(f"unban {ONE} "), "the unban")
    assert asked(daemon, "status", "sshd")["actions"] == [
        {"name": "note", "waiting": 0, "given_up": 0, "failing": None}
    ]
    assert daemon.stop() == 0
    assert lines(note)[-1] == "stop"


def test_a_restart_tells_of_the_bans_again(daemon: Daemon, journal: Journal, note: Path) -> None:
    noting(daemon, note)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: len(lines(note)) == 2, "the ban")
    first = lines(note)[1].split()[3]
    daemon.stop()
    daemon.start()
    wait_until(lambda: words(note)[-2:] == ["start sshd", f"ban {ONE} 1"], "the restored ban")
    assert lines(note)[-1].split()[3] == first
    daemon.stop()
    noting(daemon, note, NOTE + "norestored = 1\n")
    daemon.start()
    wait_until(lambda: words(note)[-1] == "start sshd", "the start")
    fail(journal, TWO, 3)
    wait_until(lambda: words(note)[-2:] == ["start sshd", f"ban {TWO} 0"], "another ban alone")


def test_a_kill_between_commit_and_action(daemon: Daemon, journal: Journal, note: Path) -> None:
    noting(daemon, note, NOTE + "norestored = 1\n")
    daemon.start()
    wait_until(lambda: words(note) == ["start sshd"], "the start")
    daemon.kill()
    daemon.start(environment={"F2B_FAILPOINT": "after-commit"}, ready=False)
    fail(journal, ONE, 3)
    assert daemon.process
    daemon.process.wait(15)
    while not query(daemon.database, OUTBOX):
        daemon.start(environment={"F2B_FAILPOINT": "after-commit"}, ready=False)
        daemon.process.wait(15)
    assert query(daemon.database, OUTBOX) == [("ban", ONE)]
    assert not [line for line in lines(note) if line.startswith("ban")]
    daemon.start()
    wait_until(lambda: f"ban {ONE} 0" in words(note), "the ban")
    wait_until(lambda: not query(daemon.database, OUTBOX), "an empty outbox")
    assert words(note).count(f"ban {ONE} 0") == 1


def test_one_that_hangs_delays_nobody(daemon: Daemon, journal: Journal, note: Path) -> None:
    hang = (
        "[Definition]\nactionban = touch <file>.hangs; trap '' TERM; sleep 600 & wait; sleep 600\n"
    )
    (daemon.config / "action.d").mkdir(exist_ok=True)
    (daemon.config / "action.d/hang.conf").write_text(hang)
    noting(daemon, note)
    with daemon.jails.open("a") as jails:
        jails.write(f"  hang[file={note}]\n" + MAIL)
    daemon.start()
    before = time.monotonic()
    fail(journal, ONE, 3)
    wait_until(lambda: f"ban {ONE} 0" in words(note), "the other action")
    wait_until(lambda: Path(f"{note}.hangs").exists(), "the hanging one")
    fail(journal, TWO, 3)
    wait_until(lambda: f"ban {TWO} 0" in words(note), "the other action")
    wait_until(lambda: banned(daemon, SET, TWO), "the wall")
    assert time.monotonic() - before < 5
    said = {row["name"]: row["waiting"] for row in asked(daemon, "status", "sshd")["actions"]}
    assert said == {"note": 0, "hang": 2}
    assert "action hang: 2 waiting" in daemon.cli("status", "sshd").stdout
    before = time.monotonic()
    assert daemon.stop(15) == 0
    assert time.monotonic() - before < 8
    assert query(daemon.database, OUTBOX) == [("ban", ONE), ("ban", TWO)]


def test_a_time_out_kills_all_of_it(daemon: Daemon, journal: Journal, note: Path) -> None:
    text = (
        "[Definition]\nactionban = echo $$ >> <file>; trap '' TERM; sleep 610 & sleep 610; wait\n"
        "timeout = 1\nretry_for = 1\n"
    )
    noting(daemon, note, text)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(
        lambda: asked(daemon, "status", "sshd")["actions"][0]["given_up"] == 1, "giving up", 20
    )
    groups = [int(line) for line in lines(note)]
    assert groups
    stats = [
        stat.read_text().rpartition(")")[2].split() for stat in Path("/proc").glob("[0-9]*/stat")
    ]
    left = [stat for stat in stats if int(stat[2]) in groups and stat[0] != "Z"]
    assert left == []
    assert "given up" in daemon.log.read_text()
    assert not query(daemon.database, OUTBOX)


def test_one_that_does_not_exist_is_told_and_tried_again(
    daemon: Daemon, journal: Journal, note: Path, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    noting(daemon, note, f"[Definition]\nactionban = {tool} <ip>\n")
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: asked(daemon, "status")["counters"]["actions_waiting"] == 1, "a row")
    wait_until(lambda: "is there such a program?" in daemon.log.read_text(), "the hint")
    (degraded,) = asked(daemon, "status")["degraded"]
    assert degraded.startswith(f"action sshd/note: ban {ONE}: exit status 127: ")
    tool.write_text(f"#!/bin/sh\necho ban $1 >> {note}\n")
    tool.chmod(0o755)
    wait_until(lambda: lines(note) == [f"ban {ONE}"], "the next try", 15)
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "all well")


def test_megabytes_of_output(daemon: Daemon, journal: Journal, note: Path) -> None:
    text = "[Definition]\nactionban = head -c 20000000 /dev/zero | tr '\\0' x; echo <ip> >> <file>; exit 3\n"
    noting(daemon, note, text)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: "exit status 3: 'xxx" in daemon.log.read_text(), "the complaint")
    assert len(daemon.log.read_text()) < 10_000


def test_what_the_log_says_reaches_the_command_as_text(
    daemon: Daemon, journal: Journal, note: Path, tmp_path: Path
) -> None:
    evil = f"x'\"; touch {tmp_path}/owned; $(touch {tmp_path}/owned) `touch {tmp_path}/owned` *"
    jail = MAIL.replace("bad login from <HOST>$", "bad login <F-USER>.*</F-USER> from <HOST>$")
    text = (
        "[Definition]\n"
        'actionban = printf "%%s\\n" "<F-USER>" >> <file>\n'
        '   printf "%%s\\n" <F-USER> >> <file>\n'
        '   sh -c \'printf "%%s\\n" "<F-USER>"\' >> <file>\n'
        '   printf "%%s\\n" "<matches>" >> <file>.lines\n'
    )
    noting(daemon, note, text, jail)
    daemon.start()
    for _ in range(2):
        journal.add(
            time.time(),
            _COMM="smtpd",
            SYSLOG_IDENTIFIER="smtpd",
            _PID=7,
            MESSAGE=f"bad login {evil} from {ONE}",
        )
    journal.flush()
    wait_until(lambda: len(lines(note)) == 3, "the ban")
    assert lines(note) == [evil] * 3
    wait_until(lambda: len(lines(Path(f"{note}.lines"))) == 2, "the lines")
    assert all(
        line.endswith(f"smtpd[7]: bad login {evil} from {ONE}")
        for line in lines(Path(f"{note}.lines"))
    )
    assert not (tmp_path / "owned").exists()


def test_a_command_can_be_the_wall(daemon: Daemon, journal: Journal, note: Path) -> None:
    noting(daemon, note)
    daemon.jails.write_text(THREE + f"action = note[file={note}]\n")
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: f"ban {ONE} 0" in words(note), "the ban")
    assert not banned(daemon, SET, ONE)
    wait_until(lambda: asked(daemon)["sshd"][0]["enforced"], "the command's success")
    assert daemon.cli("ban", "sshd", TWO, check=False).returncode == 0
    (daemon.config / "action.d/note.conf").write_text("[Definition]\nactionban = exit 1\n")
    daemon.cli("reload")
    done = daemon.cli("ban", "sshd", "198.18.0.3", check=False)
    assert (done.returncode, "exit status 1" in done.stdout + done.stderr) == (1, True)
    assert "NOT ENFORCED" in daemon.cli("status", "sshd").stdout


def test_a_reload_starts_changes_and_ends(daemon: Daemon, journal: Journal, note: Path) -> None:
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    noting(daemon, note)
    daemon.cli("reload")
    wait_until(lambda: words(note) == ["start sshd", f"ban {ONE} 1"], "the new action")
    noting(daemon, note, NOTE.replace("echo ban", "echo BAN"))
    daemon.cli("reload")
    changed = ["stop", "start sshd", f"BAN {ONE} 1"]
    wait_until(lambda: words(note)[2:] == changed, "the changed action")
    daemon.jails.write_text(THREE)
    daemon.cli("reload")
    wait_until(lambda: words(note)[5:] == ["stop"], "the end")
    noting(daemon, note, "[Definition]\ntimeout = soon\n")
    done = daemon.cli("reload", check=False)
    assert done.returncode == 78
    assert "action.d/note.conf:2: timeout" in done.stderr
    assert json.loads(daemon.cli("--json", "status").stdout)["degraded"] == []


def test_one_that_comes_back_while_it_ends(daemon: Daemon, journal: Journal, note: Path) -> None:
    """Its stop must not take away what its new start has set up."""
    slow = NOTE.replace("actionban = ", "actionban = sleep 2; ")
    noting(daemon, note, slow)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: words(note) == ["start sshd"], "the start")
    wait_until(lambda: banned(daemon, SET, ONE), "a ban")
    daemon.jails.write_text(THREE)
    daemon.cli("reload")
    noting(daemon, note, slow)
    daemon.cli("reload")
    wait_until(lambda: words(note)[-1:] == [f"ban {ONE} 1"], "the ban, told again")
    whole = ["start sshd", f"ban {ONE} 0", "stop", "start sshd", f"ban {ONE} 1"]
    assert words(note) == whole


def test_who_goes_on_while_it_hangs_fills_no_outbox(
    daemon: Daemon, journal: Journal, note: Path
) -> None:
    """The end of a ban moves with every failure; that it moved is worth telling once."""
    go = note.with_name("go")
    wait = f"actionprolong = while [ ! -e {go} ]; do sleep 0.1; done; echo prolong <ip>"
    noting(daemon, note, NOTE.replace("actionprolong = echo prolong <ip>", wait))
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: f"ban {ONE} 0" in words(note), "the ban")
    for _ in range(20):
        fail(journal, ONE, 3)
        time.sleep(0.15)
    assert len(query(daemon.database, OUTBOX)) <= 3  # one is under way, one has come in its place
    assert asked(daemon, "status", "sshd")["actions"][0]["waiting"] <= 2
    go.touch()
    wait_until(lambda: not query(daemon.database, OUTBOX), "an empty outbox")
    assert words(note)[2:] == [f"prolong {ONE}"] * 2


def test_a_backlog_is_told_as_far_as_it_matters_now(
    daemon: Daemon, journal: Journal, note: Path
) -> None:
    """A ban that is over is not told, nor its end; one that a later failure has kept alive is."""
    noting(daemon, note, jail=THREE.replace("bantime = 1h", "bantime = 60"))
    fail(journal, ONE, 3, ago=100)
    fail(journal, TWO, 3, ago=100)
    fail(journal, TWO, 1, ago=50)
    daemon.start()
    wait_until(lambda: banned(daemon, SET, TWO), "the ban")
    wait_until(lambda: "ban" in " ".join(words(note)), "the action")
    over = "SELECT count(*) FROM bans WHERE reason = 'expired'"
    wait_until(lambda: query(daemon.database, over) == [(1,)], "the other's end")
    wait_until(lambda: not query(daemon.database, OUTBOX), "an empty outbox")
    daemon.cli("unban", TWO)
    wait_until(lambda: words(note)[-1].startswith("unban"), "the unban")
    said = [" ".join(line.split()[:2]) for line in lines(note)]
    assert said == ["start sshd", f"ban {TWO}", f"unban {TWO}"]
