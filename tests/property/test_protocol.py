"""The wire: every request comes back as it went, and junk is refused in words."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b import protocol
from f2b.errors import ControlError, Exit, F2bError
from f2b.protocol import Ban, Banned, Ping, Reload, Request, Status, Unban

texts = st.text(max_size=20)
maybe = st.none() | texts
lists = st.lists(texts, max_size=4).map(tuple)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(Ping),
    st.builds(Status, maybe),
    st.builds(Banned),
    st.builds(Ban, lists, texts, maybe, st.booleans(), maybe),
    st.builds(Unban, lists, maybe, st.booleans()),
    st.builds(Reload),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {"version": st.just(1) | json_values, "command": st.sampled_from([*protocol.COMMANDS, "x"])},
    optional={
        name: json_values | texts | st.lists(texts, max_size=2)
        for name in ("addresses", "jail", "bantime", "force", "peer", "everything")
    },
)


@given(requests)
def test_a_request_comes_back_as_it_went(request: Request) -> None:
    assert protocol.decode_request(protocol.encode_request(request)) == request


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_junk_is_refused_in_words(line: bytes) -> None:
    with contextlib.suppress(ControlError):
        protocol.decode_request(line)


@given(messages)
def test_any_message_is_a_request_or_a_refusal(message: dict[str, object]) -> None:
    with contextlib.suppress(ControlError):
        request = protocol.decode_request(json.dumps(message).encode())
        assert protocol.decode_request(protocol.encode_request(request)) == request


@given(json_values)
def test_a_result_comes_back_as_it_went(result: object) -> None:
    line = b"".join(protocol.encode_result(result))
    assert line.count(b"\n") == 1
    assert protocol.decode_answer(line) == result


@given(texts, texts, st.sampled_from(Exit))
def test_an_error_comes_back_as_it_went(message: str, hint: str, status: Exit) -> None:
    error = F2bError(message, hint=hint)
    error.exit = status
    with pytest.raises(ControlError) as back:
        protocol.decode_answer(protocol.encode_error(error))
    assert (back.value.message, back.value.hint, back.value.exit) == (message, hint, status)


@given(st.binary(max_size=100) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_a_result_or_a_control_error(line: bytes) -> None:
    with contextlib.suppress(ControlError):
        protocol.decode_answer(line)
