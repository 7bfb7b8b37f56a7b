"""What only closes sessions is passed over where nobody has one, and nowhere else."""

import random
from collections.abc import Iterator

import pytest

from f2b.config.load import load_filter
from f2b.config.settings import FilterSettings
from f2b.decide.engine import Engine
from f2b.decide.jail import Jail
from f2b.detect.closing import Closing, closing
from f2b.detect.filter import Filter
from f2b.detect.sieve import NOBODY
from f2b.journal.sift import Field, Sift
from f2b.model import Decision, Entry, Marks
from tests.support.processes import CHECKOUT
from tests.support.sieving import engine, fields, sieve, watched
from tests.unit.decide.making import jail, located

OPENS = "^<F-MLFID>s\\d+</F-MLFID> <F-NOFAIL>we saw somebody</F-NOFAIL> at <HOST>$"
FAILS = "^<F-MLFID>s\\d+</F-MLFID> wrong password of <HOST>$"
CLOSES = "^<F-MLFID>s\\d+</F-MLFID> <F-NOFAIL><F-MLFFORGET>farewell now</F-MLFFORGET></F-NOFAIL> to <HOST>$"


def found(*failregex: str, prefregex: str = "") -> list[int]:
    settings = FilterSettings(
        name="test",
        failregex=located(*failregex),
        prefregex=located(prefregex)[0] if prefregex else None,
    )
    return [*closing(Filter(settings).searcher)]


def test_a_regex_that_always_forgets_and_never_fails_closes() -> None:
    assert found(OPENS, FAILS, CLOSES) == [2]
    gained = CLOSES.replace("NOFAIL", "MLFGAINED")
    assert found(gained) == [0]


@pytest.mark.parametrize(
    "regex",
    [
        CLOSES.replace("NOFAIL", "X"),
        CLOSES.replace("MLFFORGET", "X"),
        CLOSES.replace("MLFID", "X"),
        CLOSES.replace("<F-NOFAIL>", "(?:<F-NOFAIL>").replace("</F-NOFAIL>", "</F-NOFAIL>)?"),
        CLOSES.replace("<F-NOFAIL>", "(?:so|<F-NOFAIL>").replace("</F-NOFAIL>", "</F-NOFAIL>)"),
        "^<F-MLFID>s</F-MLFID> (?=<F-NOFAIL>x</F-NOFAIL>)<F-MLFFORGET>xy</F-MLFFORGET> <HOST>",
    ],
)  # fmt: skip
def test_one_that_may_not_does_not(regex: str) -> None:
    assert found(regex) == []


def test_prefregex_may_say_whose_session_it_is() -> None:
    inner = "^<F-NOFAIL><F-MLFFORGET>farewell now</F-MLFFORGET></F-NOFAIL> to <HOST>$"
    assert found(inner) == []
    assert found(inner, prefregex="^<F-MLFID>s\\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$") == [0]


def test_who_remembers_lines_closes_nothing() -> None:
    settings = FilterSettings(name="test", failregex=located(CLOSES), maxlines=3)
    assert [*closing(Filter(settings).searcher)] == []


def wanted(sift: Sift, entry: Entry, field: Field) -> Marks:
    """The marks of an entry that is handed out in a stride."""
    message = entry.fields["MESSAGE"]
    assert isinstance(message, bytes)
    marks = sift.named_plainly(message, field)
    if not marks:
        return marks
    process = sift.parting(marks, field)
    if process is None:
        sift.handed(entry._replace(marks=marks))
    elif not sift.open(process, marks):
        return NOBODY
    return marks


# --- in a stride -----------------------------------------------------------------------------------


class Reading:
    """A filter in strides: what is handed out is fed when the stride is over."""

    def __init__(self, *regexes: str) -> None:
        settings = FilterSettings(
            name="test",
            failregex=located(*regexes),
            journalmatch=located("_SYSTEMD_UNIT=test.service"),
        )
        self.jail = jail(filter=settings)
        assert self.jail.match
        made = watched("sshd", self.jail.filter, settings, self.jail.match)
        self.closing = Closing.of(sieve([made]), {"sshd": self.jail.filter})

    def stride(self, *lines: tuple[str, str]) -> list[str]:
        self.closing.begin()
        out = []
        for pid, message in lines:
            named = {"SYSLOG_IDENTIFIER": b"test", "SYSLOG_PID": pid.encode()}
            entry = Entry("c", 1.0, {**named, "MESSAGE": message.encode()})
            if wanted(self.closing, entry, fields(SYSLOG_PID=pid.encode())):
                out.append((message, entry))
        for _, entry in out:
            self.jail.filter.find(entry)
        return [message for message, _ in out]


SAW, BYE = "s1 we saw somebody at 192.0.2.7", "s1 farewell now to 192.0.2.7"
ANYWHERE = [regex.replace("^<F-MLFID>", "<F-MLFID>") for regex in (OPENS, FAILS, CLOSES)]


def test_without_a_session_there_is_nothing_to_close() -> None:
    assert Reading(*ANYWHERE).stride(("1", BYE)) == []


def test_a_session_of_the_same_process_is_closed() -> None:
    reading = Reading(*ANYWHERE)
    assert reading.stride(("1", SAW), ("2", BYE)) == [SAW]
    assert reading.stride(("2", BYE), ("1", BYE), ("1", "s1 wrong password of 192.0.2.7")) == [
        BYE,
        "s1 wrong password of 192.0.2.7",
    ]
    assert reading.jail.filter.sessions.any_of("1")


def test_one_that_may_be_opened_in_the_same_stride_as_well() -> None:
    reading = Reading(*ANYWHERE)
    assert reading.stride(("1", SAW), ("1", BYE)) == [SAW, BYE]
    assert not reading.jail.filter.sessions.any_of("1")
    assert reading.stride(("1", BYE)) == []


# --- against the filter that is asked about everything --------------------------------------------


def sessions(dice: random.Random) -> Iterator[tuple[str, str]]:
    """Lines of sshd's sessions, mixed, with processes that come again."""
    address, user = f"192.0.2.{dice.randrange(20)}", dice.choice(["root", "bob", "eve"])
    lines = [
        f"Invalid user {user} from {address} port 1",
        f"Failed password for {user} from {address} port 1 ssh2",
        f"Failed password for invalid user {user} from {address} port 1 ssh2",
        f"Accepted password for {user} from {address} port 1 ssh2",
        f"Connection closed by authenticating user {user} {address} port 1 [preauth]",
        f"Connection closed by invalid user {user} {address} port 1 [preauth]",
        f"Received disconnect from {address} port 1:11: bye",
        f"Disconnected from user {user} {address} port 1",
        f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}",
        "Server listening on 0.0.0.0 port 22.",
    ]
    pid = str(dice.randrange(12))
    yield from ((pid, line) for line in dice.choices(lines, k=dice.randrange(1, 5)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", ["normal", "aggressive"])
def test_nothing_is_decided_otherwise(seed: int, mode: str) -> None:
    dice = random.Random(seed)
    settings = load_filter(CHECKOUT / "etc", f"sshd[mode={mode}]")

    def made() -> Jail:
        return jail(filter=settings, maxretry=2, findtime=600)

    reference, passing = Engine([made()]), Engine([made()])
    ours = passing.jails["sshd"]
    assert ours.match
    made_of = [watched("sshd", ours.filter, settings, ours.match)]
    sift = Closing.of(sieve(made_of, engine("hyperscan")), {"sshd": ours.filter})
    expected: list[Decision] = []
    decided: list[Decision] = []
    number = passed = 0
    while number < 1500:
        sift.begin()
        handed = []
        for pid, message in (line for _ in range(dice.randrange(8)) for line in sessions(dice)):
            number += 1
            found = {
                "MESSAGE": message.encode(), "_PID": pid.encode(), "SYSLOG_IDENTIFIER": b"sshd", "_COMM": b"sshd",
                "_SYSTEMD_UNIT": b"ssh.service", "_HOSTNAME": b"host", "_UID": b"0",
            }  # fmt: skip
            entry = Entry(f"c{number}", 1000.0 + number / 10, found)
            expected += reference.feed(entry, 5000.0)
            marks = wanted(sift, entry, found.__getitem__)
            if marks:
                handed.append(entry._replace(marks=marks))
            elif message.startswith(("Accepted", "Connection closed")):
                passed += 1
        for entry in handed:
            decided += passing.feed(entry, 5000.0)
    assert decided == expected
    assert len(expected) > 100
    assert passed > 10
    kept, known = (engine.jails["sshd"].filter.sessions for engine in (passing, reference))
    assert kept._open.keys() == known._open.keys()
    assert kept._processes == known._processes
