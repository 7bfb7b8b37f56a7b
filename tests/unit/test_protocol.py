"""What goes over the control socket, and what does not get through."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from f2b import protocol
from f2b.errors import ConfigError, ControlError, Exit, NotPermittedError, Origin
from f2b.protocol import Ban, Banned, Ping, Reload, Request, Status, Unban

REQUESTS = (
    Ping(),
    Status(),
    Status("sshd"),
    Banned(),
    Ban(("192.0.2.7", "2001:db8::/64")),
    Ban(("192.0.2.7",), "sshd", "1d12h", force=True, peer="198.51.100.1"),
    Unban(("192.0.2.7",), "sshd"),
    Unban(everything=True),
    Reload(),
)


def line(**message: Any) -> bytes:
    return json.dumps({"version": protocol.VERSION, **message}).encode()


def refusal(request: bytes) -> str:
    with pytest.raises(ControlError) as error:
        protocol.decode_request(request)
    return str(error.value)


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_every_request_comes_through(request_: Request) -> None:
    assert protocol.decode_request(protocol.encode_request(request_)) == request_


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_a_request_is_one_line_with_its_version(request_: Request) -> None:
    text = protocol.encode_request(request_)
    assert text.index(b"\n") == len(text) - 1
    assert json.loads(text)["version"] == protocol.VERSION


def test_every_command_has_a_request() -> None:
    assert {type(request) for request in REQUESTS} == set(protocol.COMMANDS.values())


@pytest.mark.parametrize("junk", [b"", b"\n", b"{", b"\xff\xfe", b"[" * 100_000, b"ping"])
def test_what_is_no_json(junk: bytes) -> None:
    assert refusal(junk).startswith("not a JSON line: ")


@pytest.mark.parametrize("junk", [b"1", b"null", b'"ping"', b"[]", b'["ping"]'])
def test_what_is_no_object(junk: bytes) -> None:
    assert refusal(junk) == "a request is a JSON object"


@pytest.mark.parametrize("version", [None, 0, 2, "1", [1]])
def test_another_version(version: Any) -> None:
    text = refusal(json.dumps({"version": version, "command": "ping"}).encode())
    assert text == f"protocol version {version!r} is not 1 (restart f2b after an upgrade)"


@pytest.mark.parametrize("command", [None, "", "stop", 1, ["ping"], {"ping": 1}])
def test_an_unknown_command(command: Any) -> None:
    text = refusal(line(command=command))
    assert text.startswith(f"unknown command {command!r} (known: ping, status, ")


def test_an_unknown_field() -> None:
    assert refusal(line(command="ping", loud=True)) == "unknown field 'loud'"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("addresses", "192.0.2.7"),
        ("addresses", [1]),
        ("addresses", None),
        ("jail", None),
        ("jail", 1),
        ("jail", ["sshd"]),
        ("bantime", 600),
        ("force", 1),
        ("force", "yes"),
        ("force", None),
        ("peer", {}),
    ],
)
def test_a_field_of_the_wrong_type(field: str, value: Any) -> None:
    message = {"command": "ban", "addresses": ["192.0.2.7"], field: value}
    assert refusal(line(**message)) == f"field {field!r} cannot be {value!r}"


def test_an_incomplete_request() -> None:
    assert "addresses" in refusal(line(command="ban"))


def test_what_is_left_out_has_its_default() -> None:
    request = protocol.decode_request(line(command="ban", addresses=["192.0.2.7"]))
    assert request == Ban(("192.0.2.7",), jail="custom", bantime=None, force=False, peer=None)


@pytest.mark.parametrize("result", [None, True, [], {"a": [1, 2.5, None, "ä\n"]}])
def test_every_result_comes_through(result: Any) -> None:
    text = b"".join(protocol.encode_result(result))
    assert text.count(b"\n") == 1
    assert protocol.decode_answer(text) == result


def test_a_long_list_comes_in_parts_and_is_not_there_before_it_is_sent() -> None:
    made: list[int] = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(50_000):
            made.append(number)
            yield {"number": number}

    parts = protocol.encode_result({"rows": rows()})
    first = next(parts)
    assert len(made) < 10_000
    assert len(first) < 4 * protocol.PART
    answer = protocol.decode_answer(b"".join([first, *parts]))
    assert [row["number"] for row in answer["rows"]] == made == [*range(50_000)]


def test_an_error_comes_through_with_hint_and_status() -> None:
    with pytest.raises(ControlError) as error:
        protocol.decode_answer(protocol.encode_error(NotPermittedError("no", hint="try sudo")))
    assert str(error.value) == "no (try sudo)"
    assert error.value.exit is Exit.NOT_PERMITTED


def test_an_error_of_the_configuration_says_where() -> None:
    error = ConfigError("bad bantime", origin=Origin("jail.conf", 3))
    with pytest.raises(ControlError, match=r"^jail.conf:3: bad bantime$"):
        protocol.decode_answer(protocol.encode_error(error))


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"x",
        b'{"ok": false}',
        b'{"ok": false, "error": "x", "exit": 5}',
    ],
)
def test_an_answer_that_makes_no_sense(junk: bytes) -> None:
    with pytest.raises(ControlError, match=r"^the daemon's answer makes no sense: b"):
        protocol.decode_answer(junk)


def test_only_three_requests_may_be_read_by_many() -> None:
    assert (Ping, Status, Banned) == protocol.READING
