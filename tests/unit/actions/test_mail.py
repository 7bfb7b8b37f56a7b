"""The mail that is sent for a ban, as a mail program reads it."""

import asyncio
from email import policy
from email.parser import BytesParser
from pathlib import Path

from f2b.actions.command import Runner
from f2b.actions.facts import of_the_ban, of_the_host
from f2b.addresses import parse
from f2b.config.actions import read_actions
from f2b.config.files import Files
from f2b.config.spec import Spec
from f2b.errors import Origin
from f2b.model import Ban
from f2b.outbox import Row, Step

ETC = Path(__file__).parents[3] / "etc"
LINES = (
    "host sshd[1]: Failed password for $(reboot) from 192.0.2.7\n.\nhost sshd[1]: 'x' \"y\" %s \\n"
)


def test_a_mail(tmp_path: Path) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/mail\n')
    sendmail.chmod(0o755)
    spec = Spec("mail", {"dest": "admin@example.org", "sendmail": str(sendmail)})
    variables = {"destemail": "x@example.org", "sender": "f2b@example.org"}
    (action,), problems = read_actions([(spec, Origin("x", 1))], Files(ETC), variables, "sshd")
    assert problems == []
    row = Row(0, "mail", Step.BAN, Ban("sshd", parse("192.0.2.7"), 0, 600, 2, failures=5))
    values = {**of_the_ban(row, restored=False), "matches": LINES}
    asyncio.run(Runner(action, of_the_host, set()).carry_out("ban", values))
    assert (tmp_path / "arguments").read_text() == "-i -f f2b@example.org admin@example.org\n"
    mail = BytesParser(policy=policy.default).parsebytes((tmp_path / "mail").read_bytes())
    assert (mail["To"], mail["From"]) == ("admin@example.org", "f2b@example.org")
    assert mail["Subject"].startswith("[f2b] sshd: banned 192.0.2.7 on ")
    assert row.id in mail["Message-ID"]
    body = mail.get_content()
    assert body.startswith("192.0.2.7 is banned in jail sshd for 600 seconds, after 5 failures.")
    assert body.endswith(f"\n\n{LINES}\n")
    assert action.norestored
