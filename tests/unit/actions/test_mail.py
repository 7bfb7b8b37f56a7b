"""The mail that is sent for a ban, as a mail program reads it; sendmail and whois are real programs."""

import time
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from f2b.actions import mail as mail_module
from f2b.errors import ActionError
from tests.unit.actions.shipped import made, row, settings, values

OURS = (
    "192.0.2.7 is banned in jail sshd for 600 seconds, after 5 failures. It is its ban number 2."
)
HOSTILE = (
    "host sshd[1]: Failed password for $(reboot) from 192.0.2.7\n.\nQUIT\nBcc: you@example.org\n\n"
    "host sshd[1]: `x` 'y' \"z\" %s \\n \x1b[2J\r\nFrom: fake\n"
    + "long " * 300
    + "ü \udcff\u2028end"
)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a sendmail that keeps its arguments and its mail."""
    program(
        tmp_path, "sendmail", f'printf "%s\\n" "$@" > {tmp_path}/arguments\ncat > {tmp_path}/mail'
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def send(box: Path, spec: str = "mail", **more: str) -> EmailMessage:
    name, _, rest = spec.partition("[")
    command = f'mailcmd="{box}/sendmail -i -f <sender> <dest>"'
    of = row()
    made(f"{name}[{command}{', ' + rest if rest else ']'}").carry_out("ban", values(of, **more))
    mail = BytesParser(policy=policy.default).parsebytes((box / "mail").read_bytes())
    assert of.id in mail["Message-ID"]
    return mail


def test_a_mail(box: Path) -> None:
    mail = send(box, "mail[dest=admin@example.org, sender=f2b@example.org]", matches="a line")
    arguments = (box / "arguments").read_text().splitlines()
    assert arguments == ["-i", "-f", "f2b@example.org", "admin@example.org"]
    assert (mail["To"], mail["From"]) == ("admin@example.org", "f2b <f2b@example.org>")
    assert mail["Subject"] == "[f2b] sshd: banned 192.0.2.7 on host"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content() == f"{OURS}\n"
    assert settings("mail").norestored


def test_people_of_an_old_jail_local(box: Path) -> None:
    """destemail, and a sender that names the host as fail2ban's does."""
    mail = send(box)
    assert (mail["To"], mail["From"]) == ("x@example.org", "f2b <root@host.example.org>")
    assert (box / "arguments").read_text().splitlines()[2:] == [
        "root@host.example.org",
        "x@example.org",
    ]


@pytest.mark.parametrize("name", ["mail-whois-lines", "sendmail-whois-lines"])
def test_hostile_lines_are_text(box: Path, name: str) -> None:
    program(box, "whois", 'printf "NetName: EVIL\\n.\\nTo: them\\n\\377\\n" ; printf "%s\\n" "$@"')
    mail = send(box, name, matches=HOSTILE)
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert mail["From"] == "f2b <root@host.example.org>"
    lines = mail.get_content().splitlines()
    assert lines[:3] == [OURS, "", "The lines of the failures:"]
    others = [line for line in lines[4:] if line and line != "What whois says of it:"]
    assert [line for line in others if not line.startswith("  ")] == []
    assert "  ." in lines
    assert "  host sshd[1]: `x` 'y' \"z\" %s \\n \\x1b[2J" in lines
    assert any(line.endswith("ü \ufffd") for line in lines)
    assert lines[lines.index("What whois says of it:") + 2] == "  NetName: EVIL"
    assert lines[-1] == "  192.0.2.7"
    assert b"\n.\n" not in (box / "mail").read_bytes()


@pytest.mark.parametrize(
    ("whois", "said"),
    [
        (None, "(whois cannot be run: No such file or directory; is it installed?)"),
        ("trap '' TERM; sleep 60", "(whois did not end within 0.5 s)"),
        ("echo a; sleep 60", "(whois did not end within 0.5 s)"),
        ("exit 2", "(whois says nothing, exit status 2)"),
        ("yes 'a lot of text'", "(cut off here)"),
    ],
)
def test_a_whois_that_does_not_answer(
    box: Path, monkeypatch: pytest.MonkeyPatch, whois: str | None, said: str
) -> None:
    if "0.5 s" in said:
        monkeypatch.setattr(mail_module, "WHOIS_TIMEOUT", 0.5)
    if whois is None:
        monkeypatch.setenv("PATH", str(box))
        program(box, "sendmail", f'while read -r line; do echo "$line"; done > {box}/mail')
    else:
        program(box, "whois", whois)
    before = time.monotonic()
    mail = send(box, "mail-whois")
    assert time.monotonic() - before < 9
    content = mail.get_content()
    assert content.startswith(OURS)
    assert said in content
    assert len(content) < 25_000


@pytest.mark.parametrize(
    ("sendmail", "why"),
    [
        ("exit 75", "exit status 75"),
        ("echo no such domain >&2; exit 1", "exit status 1: 'no such domain'"),
        ("exec sleep 60", "not done within 0.5 s"),
    ],
)
def test_a_sendmail_that_fails(
    box: Path, monkeypatch: pytest.MonkeyPatch, sendmail: str, why: str
) -> None:
    monkeypatch.setattr(mail_module, "SENDMAIL_TIMEOUT", 0.5)
    program(box, "sendmail", sendmail)
    with pytest.raises(ActionError, match=why) as raised:
        send(box)
    assert raised.value.retry


def test_no_sendmail() -> None:
    with pytest.raises(ActionError, match=r"/no/such: No such file.*is there a mail server"):
        made("mail[mailcmd=/no/such]").carry_out("ban", values(row()))


def test_only_bans_are_told(box: Path) -> None:
    for step in ("unban", "prolong", "reban"):
        made(f"mail[mailcmd={box}/sendmail]").carry_out(step, values(row()))
    assert not (box / "mail").exists()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mail", ("no", "no")),
        ("sendmail", ("no", "no")),
        ("mail-whois", ("yes", "no")),
        ("sendmail-whois", ("yes", "no")),
        ("sendmail-whois-lines", ("yes", "yes")),
    ],
)
def test_names(name: str, parameters: tuple[str, str]) -> None:
    found = dict(
        settings(f"{name}[sender=a@b, dest=c@d, protocol=tcp, chain=x, logpath=y]").parameters
    )
    assert (found["whois"], found["lines"]) == parameters
    assert (found["from"], found["to"]) == ("a@b", "c@d")
