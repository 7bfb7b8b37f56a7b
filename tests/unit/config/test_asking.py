"""What somebody else must answer, as it is written: names and files in ignoreip, ignorecommand, ignorecache."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b.addresses import parse
from f2b.config import asking
from f2b.config.settings import IgnoreCache, UseDns
from f2b.errors import ConfigError
from tests.unit.config.tree import problems, sshd


def test_ignoreip_takes_addresses_names_and_files(tmp_path: Path) -> None:
    jail = sshd(
        tmp_path,
        "ignoreip = 192.0.2.7, Office.Example.org file:friends\n  2001:db8::/64 ",
        {"friends": "192.0.2.9\n"},
    )
    assert jail.ignoreip == (parse("192.0.2.7"), parse("2001:db8::/64"))
    assert jail.ignoreelsewhere == ("office.example.org", tmp_path / "friends")


@pytest.mark.parametrize("text", ["4", "10.0.0.0/33", "1.2.3", "#", "file:", "a..b"])
def test_what_is_none_of_these(text: str) -> None:
    with pytest.raises(ConfigError, match="addresses, networks, host names and files"):
        asking.ignore_list(text)


def test_a_broken_line_of_a_list_is_told_and_the_others_hold(tmp_path: Path) -> None:
    path = tmp_path / "friends"
    path.write_text("# friends\n192.0.2.7, 2001:db8::/64 ; two\nnobody.example\n\n 192.0.2.9#x\n")
    found, wrong = asking.read_list(path)
    assert found == (parse("192.0.2.7"), parse("2001:db8::/64"))
    assert [str(problem) for problem in wrong] == [
        f"{path}:3: 'nobody.example' is neither an address nor a network, and left out",
        f"{path}:5: '192.0.2.9#x' is neither an address nor a network, and left out",
    ]


def test_check_tells_of_lists(tmp_path: Path) -> None:
    files = {"friends": "nonsense\n"}
    told = problems(tmp_path, "ignoreip = file:friends file:gone", files)
    assert len(told) == 2
    assert told[0].startswith(f"warning: {tmp_path}/friends:1: 'nonsense' is neither ")
    assert told[1].startswith(
        f"warning: jail.conf:3: ignoreip: {tmp_path}/gone cannot be read: No "
    )


def test_the_words_of_a_command(tmp_path: Path) -> None:
    jail = sshd(tmp_path, "ignorecommand = /usr/bin/friend --ip=<ip> 'a b' <F-USER>")
    assert jail.ignorecommand == ("/usr/bin/friend", "--ip=<ip>", "a b", "<F-USER>")
    assert sshd(tmp_path / "none", "ignorecommand =").ignorecommand == ()


def test_a_quote_that_does_not_end(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "ignorecommand = friend '<ip>")
    assert told.startswith("error: jail.conf:3: ignorecommand needs a command line, got ")


def test_a_jail_that_counts_bans_does_not_ask(tmp_path: Path) -> None:
    told = problems(tmp_path, "filter =\nsource = bans\nignorecommand = friend <ip>")
    assert [text for text in told if "jail.conf:5: ignorecommand is not asked by" in text]


@pytest.mark.parametrize(
    ("text", "cache"),
    [
        ("", None),
        ('key="<ip>"', IgnoreCache("<ip>", 100, 300)),
        (
            'key="<F-USER>@<ip>", max-count=10, max-time=1h',
            IgnoreCache("<F-USER>@<ip>", 10, 3600),
        ),
    ],
)
def test_ignorecache(text: str, cache: IgnoreCache | None) -> None:
    assert asking.ignore_cache(text) == cache


@pytest.mark.parametrize(
    "text", ["<ip>", "max-count=1", 'key="<ip>", max=1', 'key="<ip>", max-count=0', 'key="a', "]["]
)
def test_ignorecache_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigError):
        asking.ignore_cache(text)


@pytest.mark.parametrize("parser", [asking.ignore_list, asking.command, asking.ignore_cache])
@given(
    st.text(alphabet=st.one_of(st.sampled_from("\"'\\[]=,:/.0 "), st.characters()), max_size=40)
)
def test_junk_is_refused_in_words(parser: Callable[[str], object], text: str) -> None:
    with contextlib.suppress(ConfigError):
        parser(text)


def test_usedns_of_the_jail_counts_more_than_that_of_its_filter(tmp_path: Path) -> None:
    files = {
        "filter.d/names.conf": "[Definition]\nfailregex = ^<HOST>$\njournalmatch = *\nusedns = yes"
    }
    assert sshd(tmp_path, "filter = names", files).filter.usedns is UseDns.YES
    for text, usedns in (("usedns = raw", UseDns.RAW), ("usedns = No", UseDns.NO)):
        assert sshd(tmp_path, f"filter = names\n{text}").filter.usedns is usedns
