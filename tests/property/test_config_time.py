"""Nothing that stands in a file keeps the loader busy for a second, or makes it raise what nobody expects."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from f2b.config import asking, spec, values
from f2b.config.ini import Dialect, parse
from f2b.config.load import load
from f2b.config.marks import Marks, plain
from f2b.config.ports import ports, protocols
from f2b.config.tags import substitute
from f2b.errors import ConfigError, F2bError
from f2b.journal.match import parse_text
from tests.unit.config.tree import SSHD, write

P = ParamSpec("P")
N = 20_000
LIMIT = 4
SPECS = st.text(alphabet="ab[]=,\"' \n?\\", max_size=60)
TAGGED = st.lists(
    st.sampled_from(
        ["<a>", "<b>", "<c-<a>>", "<c-", "<known/a>", "<s/b>", ">", "<", "x", "\n", "<HOST>"]
    ),
    max_size=8,
).map("".join)
PERCENT = st.lists(
    st.sampled_from(
        [
            "%(a)s",
            "%(b)s",
            "%(known/a)s",
            "%(default/b)s",
            "%(s/c)s",
            "%(__name__)s",
            "%%",
            "%",
            "%(",
            ")s",
            "\n ",
        ]
    )
    | st.text(max_size=3),
    max_size=8,
).map("".join)
MATCHES = st.lists(
    st.sampled_from(["A=1", "_PID=", "+", "*", "=", "'", '"', "\\", "\n", "__A=1", "a=b"])
    | st.text(max_size=4),
    max_size=10,
).map(" ".join)
ADDRESSES = st.lists(
    st.sampled_from(
        [
            "192.0.2.1",
            "::1",
            "10.0.0.0/8",
            "1/33",
            "::/129",
            "1.2.3.4/255.0.255.0",
            "[::1]",
            "::ffff:1.2.3.4",
        ]
    )
    | st.text(max_size=8),
    max_size=8,
).map(" ".join)
DURATIONS = st.text() | st.text(alphabet="0123456789.+-*/() smhdwyo", max_size=150)


def swift(test: Callable[P, None]) -> Callable[P, None]:
    """Each example has seconds of CPU time, for linear work on a busy processor; what grows faster needs minutes."""

    @wraps(test)
    def timed(*args: P.args, **kwargs: P.kwargs) -> None:
        start = time.thread_time()
        test(*args, **kwargs)
        assert time.thread_time() - start < LIMIT

    return timed


@given(SPECS)
@example("a" + " " * N + "[")
@example("f[x=" + " " * N)
@example("f[" + "x=1," * N + "[")
@example("f" + "[]" * N + "[")
@example('f[x="a"' + " " * N + "x")
@example("a[" + "\"['" * N)
@example("a" + "[ " * N)
@swift
def test_specs(text: str) -> None:
    with suppress(ConfigError):
        spec.parse(text)
    for item in spec.split(text):
        with suppress(ConfigError):
            spec.parse(item)


@given(st.dictionaries(st.sampled_from(["a", "b", "c-x", "known/a", "s/b"]), TAGGED), TAGGED)
@example({chr(97 + n): f"<{chr(98 + n)}>" * 9 for n in range(24)}, "<a>")
@example({"a": "x" * 900_000}, "<a>" * 900)
@example({"a": "<b>", "b": "<a>"}, "<a>")
@example({}, "<" * N)
@swift
def test_tags(texts: dict[str, str], text: str) -> None:
    with suppress(ConfigError):
        substitute(text, texts.get)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "known/a"]), PERCENT), PERCENT)
@example({chr(97 + n): f"%({chr(98 + n)})s" * 9 for n in range(9)} | {"j": ""}, "%(a)s")
@example({}, "%(" * N)
@example({}, "%(a/" * N)
@swift
def test_interpolation(texts: dict[str, str], text: str) -> None:
    dialect = Dialect({"DEFAULT": {"b": "default"}, "s": {**texts, "x": text}}, Marks())
    with suppress(ConfigError):
        plain(dialect.get("s", "x"))


@given(st.text(max_size=200) | PERCENT)
@example("[a]\nx" + " " * N + "y\n")
@example("[a]\nx" + " " * (N - 10) + "y\n")
@example("[" * N)
@example("[a]\nx = " + " ;" * 9000)
@example("[a]\nx = 1\n" + "  y\n" * N)
@example("\r" * N)
@example("[a]\n" + "\x1d\x85\u2028" * 30)
@swift
def test_ini(text: str) -> None:
    with suppress(F2bError):
        parse(text, "x.conf", Marks())


@given(MATCHES)
@example("A=1 + " * 3000)
@example("\\" * N)
@example("A=" + "'\"" * N)
@swift
def test_journalmatches(text: str) -> None:
    with suppress(F2bError):
        parse_text(text)


@given(ADDRESSES | DURATIONS)
@example("x " * N)
@example("192.0.2.1/" * N)
@example(":" * N)
@example("1," * N)
@example("(" * N)
@example("-" * 100)
@example("9" * 100)
@example("1/0")
@swift
def test_values(text: str) -> None:
    parsers: list[Callable[[str], object]] = [
        asking.ignore_list, asking.command, asking.ignore_cache,
        values.lifetime, values.positive_duration, values.boolean, values.integer(1), ports,
        protocols, values.path, values.journal, values.kernel_name,
    ]  # fmt: skip
    for parse_value in parsers:
        with suppress(ConfigError):
            parse_value(text)


TREES = {
    "known twice in every file": {
        f"jail.d/{n:02}.conf": "[DEFAULT]\nx = %(known/x)s%(known/x)s\n[s]\ny = %(known/y)s%(known/y)s\n"
        for n in range(40)
    },
    "two includes in every file": {
        f"inc{n}.conf": f"[INCLUDES]\nbefore = inc{n + 1}.conf\n  inc{n + 1}.conf\n" for n in range(30)
    } | {"jail.local": "[INCLUDES]\nbefore = inc0.conf\n"},
    "a filter of tags": {
        "filter.d/sshd.local": "[Definition]\nfailregex = <t0>\n"
        + "".join(f"t{n} = <t{n + 1}><t{n + 1}>\n" for n in range(24))
    },
    "a line without end": {"jail.local": "[s]\nx" + " " * 1_000_000 + "y"},
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_files_that_grow_are_refused_in_time(tmp_path: Path, name: str) -> None:
    jails = {
        "jail.conf": "[DEFAULT]\nx = 1\n[s]\ny = 1\n[sshd]\nenabled = true\n",
        "filter.d/sshd.conf": SSHD,
    }
    write(tmp_path, {**jails, **TREES[name]})
    start = time.thread_time()
    try:
        said = "\n".join(str(problem) for problem in load(tmp_path).problems)
    except F2bError as error:
        said = str(error)
    assert time.thread_time() - start < LIMIT
    assert "grows beyond all measure" in said or "more than " in said
