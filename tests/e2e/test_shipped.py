"""What is shipped in action.d, from a line in the journal to a receiver and a sendmail."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.model import Ban, Banned
from f2b.store import Batch, Store
from tests.e2e.outcome import asked, banned
from tests.e2e.scenes import ONE, SET, THREE, TWO
from tests.e2e.workload import fail
from tests.support.daemon import Daemon
from tests.support.export import Journal
from tests.support.netns import Namespace
from tests.support.processes import wait_until
from tests.support.receiver import Receiver, Reply

pytestmark = pytest.mark.root


@pytest.fixture
def receiver(server: Namespace) -> Iterator[Receiver]:
    with server.inside():
        receiver = Receiver()
    with receiver:
        yield receiver


def events(receiver: Receiver) -> list[tuple[str, str]]:
    told = [json.loads(sent.body) for sent in receiver.sent]
    return [(each["event"], each["ip"]) for each in told]


def test_a_webhook(daemon: Daemon, journal: Journal, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    spec = f"webhook[url={receiver.url}/hush, token_file={tmp_path}/token, lines=yes]"
    daemon.jails.write_text(f"{THREE}action = %(action_)s\n  {spec}\n")
    replies = [Reply(500, b"hush"), Reply(500)]
    receiver.answer = lambda _: replies.pop() if replies else Reply()
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "the wall, which waits for nobody")
    wait_until(lambda: len(receiver.sent) >= 1, "the first try")
    wait_until(lambda: asked(daemon, "status")["degraded"] != [], "the complaint")
    status = daemon.cli("status", "sshd").stdout + daemon.cli("--json", "status", "sshd").stdout
    assert "answered 500" in status
    wait_until(lambda: len(receiver.sent) == 3, "success", 20)
    wait_until(lambda: asked(daemon, "status")["degraded"] == [], "all well")
    daemon.cli("unban", ONE)
    wait_until(lambda: len(receiver.sent) == 4, "the unban")
    assert events(receiver) == [("ban", ONE)] * 3 + [("unban", ONE)]
    assert len({sent.headers["Idempotency-Key"] for sent in receiver.sent}) == 2
    lines = json.loads(receiver.sent[0].body)["lines"]
    assert len(lines) == 3
    assert all(ONE in line for line in lines)
    assert daemon.process
    shown = status + daemon.log.read_text() + daemon.cli("config", "show").stdout
    shown += daemon.cli("check").stdout + daemon.cli("--json", "config", "show").stdout
    assert "hush" not in shown
    assert receiver.url in shown
    assert b"hush" not in Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()


def test_one_that_refuses_for_good_is_told_and_delays_nobody(
    daemon: Daemon, journal: Journal, receiver: Receiver
) -> None:
    spec = f"abuseipdb[abuseipdb_apikey=hush, api={receiver.url}]"
    hook = f"webhook[url={receiver.url}]"
    daemon.jails.write_text(f"{THREE}action = %(action_)s\n  {spec}\n  {hook}\n")
    receiver.answer = lambda sent: Reply(401 if sent.path == "/report" else 200)
    daemon.start()
    fail(journal, ONE, 3)
    wait_until(
        lambda: [row["given_up"] for row in asked(daemon, "status", "sshd")["actions"]] == [1, 0],
        "giving up",
    )
    wait_until(lambda: len(receiver.sent) == 2, "both")
    assert "given up after 1 try" in daemon.log.read_text()
    assert "answered 401" in asked(daemon, "status")["degraded"][0]
    assert "hush" not in daemon.log.read_text()


def test_a_mail_of_an_old_jail_local(daemon: Daemon, journal: Journal, tmp_path: Path) -> None:
    programs = {"sendmail": f"cat > {tmp_path}/mail", "whois": 'echo "NetName: $1"'}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (daemon.config / "action.d/sendmail-common.local").write_text(
        f'[Init]\nmailcmd = {tmp_path}/sendmail -f "<sender>" "<dest>"\nwhois_program = {tmp_path}/whois\n'
    )
    old = "[DEFAULT]\ndestemail = admin@example.org\nsender = f2b@example.org\n"
    daemon.jails.write_text(f"{old}{THREE}action = %(action_mwl)s\n")
    daemon.start()
    assert daemon.cli("check").stderr == ""
    fail(journal, ONE, 3)
    wait_until(lambda: banned(daemon, SET, ONE), "the ban")
    wait_until((tmp_path / "mail").exists, "the mail")
    wait_until(lambda: asked(daemon, "status")["counters"]["actions_waiting"] == 0, "its end")
    mail = BytesParser(policy=policy.default).parsebytes((tmp_path / "mail").read_bytes())
    assert (mail["To"], mail["From"]) == ("admin@example.org", "f2b <f2b@example.org>")
    lines = mail.get_content().splitlines()
    assert lines[0].startswith(f"{ONE} is banned in jail sshd for 3600 seconds, after 3 failures.")
    assert sum(f"from {ONE} port" in line for line in lines) == 3
    assert lines[-1] == f"  NetName: {ONE}"


def test_what_is_not_there_is_told(daemon: Daemon) -> None:
    daemon.jails.write_text(
        f"{THREE}action = %(action_)s\n  badips[category=ssh]\n  webhook\n  nothing\n"
    )
    done = daemon.cli("check", check=False)
    assert done.returncode == 78
    said = done.stdout + done.stderr
    assert "there is no action 'badips'" in said
    assert "badips.com answers no more" in said
    assert "action 'webhook' needs url" in said
    assert "there is no action 'nothing'" in said
    daemon.start()
    daemon.cli("ban", "sshd", TWO)
    assert banned(daemon, SET, TWO)


def test_name_and_ticket(
    daemon: Daemon, journal: Journal, server: Namespace, tmp_path: Path
) -> None:
    """No name server answers in this namespace: the name is empty, and nobody waits long."""
    note = tmp_path / "note"
    (daemon.config / "action.d/note.conf").write_text(
        f"[Definition]\nactionban = echo '<ip-host>' \"<ip-host>\" <ip> >> {note}; echo <raw-ticket> >> {note}\n"
    )
    daemon.jails.write_text(f"{THREE}action = %(action_)s\n  note\n")
    del server
    daemon.start()
    before = time.monotonic()
    fail(journal, ONE, 3)
    fail(journal, "127.0.0.9", 3)
    wait_until(lambda: note.exists() and note.read_text().count("\n") == 2, "the note", 15)
    assert time.monotonic() - before < 12
    name, ticket = note.read_text().splitlines()
    assert name.split() == [ONE]
    assert json.loads(ticket)["ip"] == ONE
    assert json.loads(ticket)["failures"] == 3


def test_a_hundred_thousand_restored_bans_do_not_hold_up_the_start(
    daemon: Daemon, journal: Journal, receiver: Receiver
) -> None:
    """Told one after the other, and what is decided next does not stand behind them."""
    daemon.start()
    daemon.stop()
    now = time.time()
    bans = [
        Ban("sshd", parse(f"198.{18 + at // 65536}.{at // 256 % 256}.{at % 256}"), now, now + 9999)
        for at in range(100, 100_100)
    ]
    with closing(Store(daemon.database)) as store:
        store.commit(Batch(tuple(Banned(ban) for ban in bans)))
    took = []
    hook = f"webhook[url={receiver.url}, norestored=no]"
    for action in ("", "", f"  {hook}\n"):  # the first one builds the wall
        daemon.jails.write_text(f"{THREE}action = %(action_)s\n{action}")
        before = time.monotonic()
        daemon.start(timeout=60)
        took.append(time.monotonic() - before)
        if not action:
            assert daemon.stop() == 0
    assert took[2] - took[1] < 2
    wait_until(lambda: len(receiver.sent) > 20, "some of them")
    fail(journal, ONE, 3)
    wait_until(lambda: ("ban", ONE) in events(receiver), "the new one", 20)
    assert asked(daemon, "status")["counters"]["actions_waiting"] > 50_000
    assert asked(daemon, "status")["counters"]["actions_dropped"] == 0
    assert daemon.stop(15) == 0
