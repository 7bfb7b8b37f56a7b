r"""The line that regexes see, byte for byte as fail2ban's journal backend builds it."""

import pytest

from f2b.config.settings import NOWHERE, FilterSettings, Located, Reading
from f2b.detect import line
from f2b.detect.filter import Filter
from f2b.detect.line import CAP, NAME, TAIL, Fields
from f2b.model import Entry

SSHD: Fields = {
    "_HOSTNAME": b"host", "SYSLOG_IDENTIFIER": b"sshd", "_COMM": b"sshd", "SYSLOG_PID": b"123",
    "_PID": b"456", "MESSAGE": b"Failed password",
}  # fmt: skip


def built(**changes: bytes | list[bytes] | None) -> str:
    fields = {**SSHD, **changes}
    return line.build({name: value for name, value in fields.items() if value is not None})


def kernel(**stamps: bytes) -> str:
    return built(
        SYSLOG_IDENTIFIER=b"kernel", SYSLOG_PID=None, _PID=None, MESSAGE=b"DROP", **stamps
    )


def test_all_tokens() -> None:
    assert built() == "host sshd[123]: Failed password\n"


def test_without_host() -> None:
    assert built(_HOSTNAME=None) == "sshd[123]: Failed password\n"


def test_without_identifier_the_command_names_it() -> None:
    assert built(SYSLOG_IDENTIFIER=None, _COMM=b"sh") == "host sh[123]: Failed password\n"


def test_without_identifier_and_command_there_is_no_pid_either() -> None:
    assert built(SYSLOG_IDENTIFIER=None, _COMM=None) == "host Failed password\n"


def test_without_syslog_pid_the_kernel_names_it() -> None:
    assert built(SYSLOG_PID=None) == "host sshd[456]: Failed password\n"


def test_without_any_pid() -> None:
    assert built(SYSLOG_PID=None, _PID=None) == "host sshd: Failed password\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [(b"0x1F", "31"), (b"0X1f", "31"), (b"0", "0"), (b"0o17", "0o17"), (b"1_0", "1_0"),
     (b"-1", "-1"), (b"x7", "x7"), (b"007", "007")],
)  # fmt: skip
def test_pid_in_another_notation(written: bytes, read: str) -> None:
    assert built(SYSLOG_PID=written) == f"host sshd[{read}]: Failed password\n"


@pytest.mark.parametrize("written", [b"7]: Failed", b" 7", b"", "\u0667".encode(), b"7\n"])
def test_nobody_writes_his_message_into_the_pid(written: bytes) -> None:
    assert built(SYSLOG_PID=written) == "host sshd[456]: Failed password\n"


def test_nothing_but_a_message() -> None:
    assert line.build({"MESSAGE": b"hello"}) == "hello\n"


def test_without_message() -> None:
    assert built(MESSAGE=None) == "host sshd[123]: \n"


def test_an_empty_entry_is_an_empty_line() -> None:
    assert line.build({}) == "\n"


def test_a_repeated_field_is_joined_by_blanks() -> None:
    assert built(MESSAGE=[b"one", b"two"]) == "host sshd[123]: one two\n"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert built(MESSAGE=b"caf\xe9 \xff.") == "host sshd[123]: caf\ufffd \ufffd.\n"


def test_utf8_stays() -> None:
    assert built(MESSAGE="пользователь".encode()) == "host sshd[123]: пользователь\n"


def test_a_newline_becomes_two_characters() -> None:
    assert built(MESSAGE=b"one\ntwo\n") == "host sshd[123]: one\\ntwo\\n\n"


def test_a_newline_in_another_field_does_too() -> None:
    assert built(SYSLOG_IDENTIFIER=b"a\nb") == "host a\\nb[123]: Failed password\n"


def test_other_control_characters_stay() -> None:
    assert built(MESSAGE=b"\tone\r\x00two") == "host sshd[123]: \tone\r\x00two\n"


def test_kernel_lines_have_the_senders_stamp() -> None:
    stamped = kernel(_SOURCE_MONOTONIC_TIMESTAMP=b"12500000", __MONOTONIC_TIMESTAMP=b"1")
    assert stamped == "host kernel: [   12.500000] DROP\n"


def test_kernel_lines_have_the_journals_stamp_else() -> None:
    assert kernel(__MONOTONIC_TIMESTAMP=b"123456789012") == "host kernel: [123456.789012] DROP\n"


@pytest.mark.parametrize("stamp", [b"x", b"-1", "\u00b2".encode(), b"9" * 400, b"1.5"])
def test_a_stamp_that_is_no_number_of_microseconds_is_none(stamp: bytes) -> None:
    assert kernel(_SOURCE_MONOTONIC_TIMESTAMP=stamp) == "host kernel: [    0.000000] DROP\n"


def test_a_kernel_line_with_a_pid_has_no_stamp() -> None:
    assert built(SYSLOG_IDENTIFIER=b"kernel") == "host kernel[123]: Failed password\n"


def test_a_long_message_keeps_its_head_and_its_tail() -> None:
    text = built(MESSAGE=b"a" * CAP + b"b" * TAIL)
    assert text == "host sshd[123]: " + "a" * (CAP - TAIL) + "b" * TAIL + "\n"


@pytest.mark.parametrize("name", ["_HOSTNAME", "SYSLOG_IDENTIFIER", "_COMM", "SYSLOG_PID"])
def test_other_fields_are_cut_too(name: str) -> None:
    text = built(**{"SYSLOG_IDENTIFIER": None, name: b"a" * 100_000})
    assert text.count("a" * NAME) == 1
    assert len(text) < 2 * NAME


def test_a_message_at_the_cap_is_whole() -> None:
    assert built(MESSAGE=b"a" * CAP) == "host sshd[123]: " + "a" * CAP + "\n"


def test_lines_are_those_of_the_entry_at_work() -> None:
    other = {**SSHD, "_HOSTNAME": b"other", "MESSAGE": b"2026-01-01 00:00:00 x"}
    lines = line.Lines()
    for fields in (SSHD, other, SSHD):
        process = line.pid(fields)
        head = line.head(fields, process)
        assert lines.writer(fields) == (head, process)
        for make in (line.built, line.message):
            for length in (CAP, 8):
                assert lines.read(make, fields, length) == make(head, fields, length)


class Recorded(dict[str, bytes]):
    """Fields that remember what was asked of them."""

    def __init__(self, fields: dict[str, bytes]) -> None:
        super().__init__(fields)
        self.asked: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


@pytest.mark.parametrize("reading", list(Reading))
@pytest.mark.parametrize("ident", [b"kernel", b"", b"sshd"])
def test_what_a_filter_looks_at_is_known(reading: Reading, ident: bytes) -> None:
    fields = Recorded({"MESSAGE": b"bad 192.0.2.7", "SYSLOG_IDENTIFIER": ident})
    regex = Located("(?P<mlfid>^.*)bad <HOST>", NOWHERE)
    settings = FilterSettings(name="test", failregex=(regex,), reading=reading)
    Filter(settings).find(Entry("c", 0.0, fields))
    assert "CONTAINER_ID" in fields.asked
    assert fields.asked <= {*line.FIELDS}
