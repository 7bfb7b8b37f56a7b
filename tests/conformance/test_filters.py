"""The filters that are installed, against journals recorded under attack."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from f2b.config.settings import Feed
from f2b.detect import line
from f2b.detect.failregex import compile_failregex, compile_regex
from f2b.detect.filter import Filter
from f2b.journal.match import parse
from f2b.model import Entry, Failure
from tests.conformance.samples import JOURNALS, Table, entries, settings, tables

MODES = {
    "sshd": ("normal", "ddos", "extra", "aggressive"),
    "postfix": ("normal", "more", "auth", "rbl", "errors", "ddos", "extra", "aggressive"),
    "dovecot": ("normal", "aggressive"),
    "pam-generic": ("-",),
}
SPECS = [(name, mode) for name, modes in MODES.items() for mode in modes]
ALL = [path.stem for path in sorted(JOURNALS.glob("*.export")) if path.stem != "forged"]
TABLES = tables()
RUNS = [(table, mode) for table in TABLES for mode in table.modes]


def found(journal: str, name: str, mode: str) -> list[Failure]:
    """What a jail with this filter makes of the journal."""
    filter_settings = settings(name, mode)
    match, detector = parse(filter_settings.journalmatch), Filter(filter_settings)
    seen = (detector.find(entry) for entry in entries(journal) if match.fits(entry.fields))
    return [failure for failure in seen if isinstance(failure, Failure)]


def said(name: str, message: str) -> Entry:
    """A line of the service, the way it reaches the filter."""
    ident = {
        "sshd": "sshd",
        "postfix": "postfix/smtpd",
        "dovecot": "dovecot",
        "pam-generic": "vsftpd",
    }
    fields = {"_HOSTNAME": "server", "SYSLOG_IDENTIFIER": ident[name], "SYSLOG_PID": "7"}
    return Entry("c", 1.0, {k: v.encode() for k, v in (fields | {"MESSAGE": message}).items()})


@pytest.mark.parametrize(("table", "mode"), RUNS, ids=str)
def test_each_attempt_is_one_failure(table: Table, mode: str) -> None:
    column = table.modes.index(mode)
    expected = {row.address: row.failures[column] for row in table.rows if row.failures[column]}
    assert (
        Counter(str(each.address) for each in found(table.journal, table.filter, mode)) == expected
    )


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_tables_agree_with_what_the_clients_did(table: Table) -> None:
    """The first mode counts logins: as many failures as tries."""
    told = [row for row in table.rows if row.tries is not None]
    assert [row.address for row in told if row.tries != row.failures[0]] == []


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_users_are_those_that_were_tried(table: Table) -> None:
    users: defaultdict[str, set[str]] = defaultdict(set)
    for mode in table.modes:
        for failure in found(table.journal, table.filter, mode):
            users[str(failure.address)] |= {failure.user} if failure.user else set()
    assert users == {row.address: row.users - {""} for row in table.rows if any(row.failures)}


@pytest.mark.parametrize("name", MODES)
def test_both_families_are_sampled(name: str) -> None:
    addresses = {row.address for table in TABLES if table.filter == name for row in table.rows}
    assert {":" in address for address in addresses} == {True, False}


@pytest.mark.parametrize("system", ["debian12", "debian13"])
def test_fast_scan_is_seen_in_entries_without_unit_and_program(system: str) -> None:
    match = parse(settings("sshd").journalmatch)
    bare = [entry for entry in entries(f"{system}-scan") if "_SYSTEMD_UNIT" not in entry.fields]
    assert len(bare) >= 5
    assert all(match.fits(entry.fields) for entry in bare)


@pytest.mark.parametrize("name", MODES)
def test_forged_entries_are_refused(name: str) -> None:
    match = parse(settings(name).journalmatch)
    accepted = [entry.fields["MESSAGE"] for entry in entries("forged") if match.fits(entry.fields)]
    assert accepted == []


@pytest.mark.parametrize(("name", "mode"), [*SPECS[:4], ("postfix", "auth"), *SPECS[-3:]])
def test_only_journalmatch_keeps_forged_entries_out(name: str, mode: str) -> None:
    """The forgeries are good ones: their texts alone are failures."""
    detector = Filter(settings(name, mode))
    assert any(detector.find(entry) for entry in entries("forged"))


def first_matches(name: str, mode: str, *options: str) -> Iterator[str]:
    """The failregex that takes each sample."""
    filter_settings = settings(name, mode, *options)
    prefix = filter_settings.prefregex and compile_regex(filter_settings.prefregex)
    regexes = [
        (source.text, compile_failregex(source, ("mlfid",)))
        for source in filter_settings.failregex
    ]
    for journal in ALL:
        for entry in entries(journal):
            match = prefix.search(line.build(entry.fields)) if prefix else None
            if match:
                content = match["content"]
                yield from [text for text, regex in regexes if regex.search(content)][:1]


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        *((name, mode, ()) for name, mode in SPECS),
        ("sshd", "normal", ("publickey=invalid",)),
        ("sshd", "normal", ("publickey=any",)),
        ("pam-generic", "-", ("module=pam_sss",)),
    ],
)
def test_every_failregex_has_a_sample(name: str, mode: str, options: tuple[str, ...]) -> None:
    regexes = {source.text for source in settings(name, mode, *options).failregex}
    assert regexes - set(first_matches(name, mode, *options)) == set()


# What an attacker chooses stands for {}; the address is always the last one or the first one.
REAL, FAKE = "203.0.113.7", "192.0.2.1"
LINES = {
    "sshd": (
        f"Failed password for invalid user {{}} from {REAL} port 22 ssh2",
        f"Failed publickey for invalid user {{}} from {REAL} port 22 ssh2: RSA SHA256:AAAA",
        (
            f"Failed publickey for invalid user {{}} from {REAL} port 22 ssh2: RSA-CERT SHA256:A ID {{}} "
            "(serial 0) CA RSA SHA256:A"
        ),
        f"error: PAM: Authentication failure for illegal user {{}} from {REAL}",
        f"Invalid user {{}} from {REAL} port 22",
        f"Connection closed by invalid user {{}} {REAL} port 22 [preauth]",
        f"Connection closed by invalid user {{}} {REAL} port 22",
        f"ssh_dispatch_run_fatal: Connection from invalid user {{}} {REAL} port 22: Broken pipe [preauth]",
        (
            f"error: maximum authentication attempts exceeded for invalid user {{}} from {REAL} port 22 "
            "ssh2 [preauth]"
        ),
        f"Disconnecting invalid user {{}} {REAL} port 22: Too many authentication failures [preauth]",
        (
            f"Disconnecting invalid user {{}} {REAL} port 22: Change of username or service not allowed: "
            "({},ssh-connection) -> ({},ssh-connection) [preauth]"
        ),
        f"Unable to negotiate with {REAL} port 22: no matching cipher found. Their offer: {{}} [preauth]",
        f"Received disconnect from {REAL} port 22:11: {{}} [preauth]",
        'error: kex_exchange_identification: client sent invalid protocol identifier "{}"',
        f"banner exchange: Connection from {REAL} port 22: invalid format",
    ),
    "postfix": (
        f"warning: unknown[{REAL}]: SASL {{}} authentication failed: {{}}, sasl_username={{}}",
        (
            f"NOQUEUE: reject: RCPT from unknown[{REAL}]: 554 5.7.1 <{{}}>: Relay access denied; "
            "from=<{}> to=<{}> proto=ESMTP helo=<{}>"
        ),
        (
            f"NOQUEUE: reject: RCPT from unknown[{REAL}]: 450 4.7.1 <{{}}>: Helo command rejected: Host "
            "not found; from=<{}> to=<{}> proto=ESMTP helo=<{}>"
        ),
        f"improper command pipelining after EHLO from unknown[{REAL}]: {{}}",
        f"warning: non-SMTP command from unknown[{REAL}]: {{}}",
    ),
    "dovecot": (
        (
            "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
            f"user=<{{}}>, method=PLAIN, rip={REAL}, lip=198.51.100.1, session=<AAAA>"
        ),
        (
            "imap-login: Login aborted: Logged out (auth failed, 2 attempts in 2 secs) (auth_failed): "
            f"user=<{{}}>, rip={REAL}, lip=198.51.100.1, TLS: Connection closed, session=<AAAA>"
        ),
        (
            "imap-login: Disconnected (no auth attempts in 2 secs): "
            f"user=<{{}}>, rip={REAL}, lip=198.51.100.1"
        ),
    ),
    "pam-generic": (
        (
            "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={} "
            f"rhost={REAL}  user=root"
        ),
        (
            "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={} "
            f"rhost={REAL}"
        ),
    ),
}


def injections(name: str) -> Iterator[str]:
    """Whole and half lines of the service with another address, as a user name."""
    for template in LINES[name]:
        forged = template.replace("{}", "x").replace(REAL, FAKE)
        yield forged
        words = forged.split(" ")
        yield from (" ".join(words[cut:]) for cut in range(1, len(words)))
        yield from (" ".join(words[:cut]) for cut in range(1, len(words)))
        yield from (cut + forged for cut in ("x>", "x ", "x[", "x, ", "(", "\\n", "\r", "\x1f"))


@pytest.mark.parametrize(("name", "mode"), SPECS)
def test_injected_address_is_never_taken(name: str, mode: str) -> None:
    options = ("publickey=any",) if name == "sshd" else ()
    detector = Filter(settings(name, mode, *options))
    taken = set()
    for template in LINES[name]:
        for injected in injections(name):
            failure = detector.find(said(name, template.replace("{}", injected)))
            taken |= {str(failure.address)} if isinstance(failure, Failure) else set()
    assert taken <= {REAL}


PUMPS = (
    "a", " ", "1", ":", "a ", "[1", "1:", "<", ">", "/", "\\n", "é", " for ", " from ", " port 1",
    f" from {FAKE} port 1 ssh2", f" {FAKE} port 1", ": a", f" rhost={FAKE}", "  user=a", " ruser=",
    f", rip={FAKE}, lip={FAKE}", "user=<", ">, method=A", "(auth failed, 1 attempts in 1 secs): ",
    f"unknown[{FAKE}]: ", ", sasl_username=", " ID ", "SASL ", "no matching ", " [preauth]",
)  # fmt: skip
SLOWEST = 0.020


def hostile(name: str) -> Iterator[str]:
    for template in ("{}", *LINES[name]):
        for pump in PUMPS:
            padding = pump * (line.CAP // len(pump))
            head, _, tail = template.partition("{}")
            yield head + padding
            yield head + padding[: line.CAP - len(template) - 1] + tail.replace("{}", "x")
            yield head + padding[: line.CAP - len(template) - 2] + tail.replace("{}", "x") + "!"


@pytest.mark.parametrize(("name", "mode"), SPECS)
def test_hostile_lines_cost_little(name: str, mode: str) -> None:
    detector = Filter(settings(name, mode))
    slow = [
        text[:80]
        for text in hostile(name)
        if min(cost(detector, name, text) for _ in range(2)) > SLOWEST
    ]
    assert slow == []


def cost(detector: Filter, name: str, text: str) -> float:
    entry = said(name, text)
    start = time.perf_counter()
    detector.find(entry)
    return time.perf_counter() - start


@pytest.mark.parametrize("name", MODES)
def test_prefix_is_that_of_the_service(name: str) -> None:
    """The same text under the name of another program is nothing."""
    detector = Filter(settings(name, MODES[name][-1]))
    entry = said(name, LINES[name][0].replace("{}", "x"))
    assert detector.find(entry)
    other = Filter(settings(name, MODES[name][-1]))
    renamed = Entry("c", 1.0, dict(entry.fields) | {"SYSLOG_IDENTIFIER": b"xsshdx"})
    assert (other.find(renamed) is None) == (name != "pam-generic")


def test_no_failregex_is_left_with_a_tag() -> None:
    texts = [source.text for name, mode in SPECS for source in settings(name, mode).failregex]
    assert [text for text in texts if re.search(r"<(?!/?F-|ADDR>)[a-z_]", text)] == []


def test_recidive_lives_on_bans() -> None:
    assert settings("recidive").feed is Feed.BANS


def test_custom_finds_nothing() -> None:
    assert settings("custom").feed is Feed.NONE
