"""Sends a mail for a ban through the sendmail command that every mail server brings. No shell takes part.

What an attacker wrote, in the log or in whois' answer, is in the body alone and indented: it is no header, ends no
mail and does not pass for our words.
"""

import shlex
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.policy import default
from email.utils import formataddr, formatdate

from f2b.actions.child import run
from f2b.actions.facts import address
from f2b.actions.parameters import Parameters, filled, host, lasts
from f2b.errors import ActionError, HopelessError

SENDMAIL = '/usr/sbin/sendmail -i -f "<sender>" "<dest>"'
WHOIS_TIMEOUT, WHOIS_MOST = 10.0, 20_000
SENDMAIL_TIMEOUT = 40.0
_SAID = 2000
_POLICY = default.clone(max_line_length=900, refold_source="none")  # a log line stays one


class Mail:
    """A mail for every ban; with whois' answer and the lines of the failures where these are asked for."""

    def __init__(self, jail: str, parameters: Mapping[str, str]) -> None:
        self._jail = jail
        self._parameters = Parameters("mail", parameters)
        self._whois = self._parameters.switch("whois")
        self._lines = self._parameters.switch("lines")

    def start(self) -> None:
        pass

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        if step != "ban":
            return
        people = {
            "sender": filled(self._parameters.text("from", "root@localhost"), values),
            "dest": filled(self._parameters.text("to", "root@localhost"), values),
        }
        argv = self._argv(people)
        stdin = self._message(people, values).as_bytes()
        try:
            done = run(argv, stdin, SENDMAIL_TIMEOUT, _SAID)
        except OSError as error:
            hint = "is there a mail server on this machine? mailcmd= names another command"
            raise ActionError(f"{argv[0]}: {error.strerror}", hint=hint, retry=True) from error
        if done.status:
            said = done.output.decode("utf-8", "replace").strip()
            raise ActionError(
                f"{argv[0]}: exit status {done.status}{said and f': {said!r}'}", retry=True
            )
        if done.status is None:
            raise ActionError(f"{argv[0]}: not done within {SENDMAIL_TIMEOUT:g} s", retry=True)

    def stop(self) -> None:
        pass

    def _argv(self, people: Mapping[str, str]) -> list[str]:
        """Split first and filled then: an address is never more than one word."""
        try:
            words = shlex.split(self._parameters.text("mailcmd", SENDMAIL))
        except ValueError as error:
            raise HopelessError(f"mailcmd: {error}") from error
        return [filled(word, people) for word in words]

    def _message(self, people: Mapping[str, str], values: Mapping[str, str]) -> EmailMessage:
        message = EmailMessage(_POLICY)
        name, ip = self._jail, values["ip"]
        message["From"] = formataddr((self._parameters.text("fromname"), people["sender"]))
        message["To"] = people["dest"]
        message["Subject"] = f"[f2b] {name}: banned {ip} on {values.get('sh-hostname', '')}"
        message["Date"] = formatdate(float(values["time"]), localtime=True)
        # Sent twice, as after a crash, it is the same mail.
        message["Message-ID"] = f"<{values['id']}@{host(values)}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(self._body(name, ip, values)) + "\n")
        return message

    def _body(self, name: str, ip: str, values: Mapping[str, str]) -> Iterator[str]:
        yield (
            f"{ip} is banned in jail {name} {lasts(values)}, after {values['failures']} failures."
            f" It is its ban number {values['bancount']}."
        )
        if self._lines:
            yield from ("", "The lines of the failures:", "", *indented(values.get("matches", "")))
        if self._whois:
            yield from (
                "",
                "What whois says of it:",
                "",
                *indented(self._ask_whois(address(values))),
            )

    def _ask_whois(self, ip: str) -> str:
        program = self._parameters.text("whois_program", "whois")
        try:
            done = run([program, ip], b"", WHOIS_TIMEOUT, WHOIS_MOST)
        except OSError as error:
            return f"({program} cannot be run: {error.strerror}; is it installed?)"
        text = done.output.decode("utf-8", "replace")
        if done.status is None and len(done.output) < WHOIS_MOST:
            text += f"\n({program} did not end within {WHOIS_TIMEOUT:g} s)"
        elif done.status is None or len(done.output) == WHOIS_MOST:
            text += "\n(cut off here)"
        return text.strip() or f"({program} says nothing, exit status {done.status})"


def indented(text: str) -> list[str]:
    """Lines of others, with what a terminal would obey made visible."""
    return [
        "  "
        + "".join(each if each.isprintable() or each == "\t" else _escaped(each) for each in line)
        for line in text.splitlines()
    ]


def _escaped(each: str) -> str:
    return "�" if "\ud800" <= each <= "\udfff" else f"\\x{ord(each):02x}"


def make(jail: str, parameters: Mapping[str, str]) -> Mail:
    return Mail(jail, parameters)
