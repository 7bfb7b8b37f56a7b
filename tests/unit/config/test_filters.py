"""From filter.d and a jail's own lines to a filter."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from f2b.config.load import load_filter
from f2b.config.settings import Feed, FilterSettings
from f2b.errors import ConfigError
from tests.unit.config.tree import config, problems, sshd, write

MODES = """
[Definition]
failregex = <mdre-<mode>>
mdre-normal = ^normal <HOST>$
mdre-extra = <mdre-normal>
             ^extra <HOST>$
mode = normal
journalmatch = A=1
"""


def read(
    directory: Path, text: str, spec: str = "f", options: Mapping[str, str] | None = None
) -> FilterSettings:
    return load_filter(write(directory, {"filter.d/f.conf": text}), spec, options or {})


def regexes(found: FilterSettings) -> list[str]:
    return [line.text for line in found.failregex]


def test_a_filter_on_its_own(tmp_path: Path) -> None:
    text = """
[DEFAULT]
_daemon = sshd
[Definition]
prefregex = ^%(_daemon)s: <F-CONTENT>.+</F-CONTENT>$
failregex = ^one <HOST>$

            ^two <HOST> 100%%$
ignoreregex = ^three$
journalmatch = A=1
               B=2
maxsessions = 7
maxlines = 3
"""
    found = read(tmp_path, text)
    assert found.name == "f"
    assert found.prefregex is not None
    assert found.prefregex.text == "^sshd: <F-CONTENT>.+</F-CONTENT>$"
    assert [(line.text, str(line.origin)) for line in found.failregex] == [
        ("^one <HOST>$", "filter.d/f.conf:6"),
        ("^two <HOST> 100%$", "filter.d/f.conf:8"),
    ]
    assert [line.text for line in found.ignoreregex] == ["^three$"]
    assert [line.text for line in found.journalmatch] == ["A=1", "B=2"]
    assert (found.feed, found.maxsessions, found.maxlines) == (Feed.JOURNAL, 7, 3)


@pytest.mark.parametrize(
    ("definition", "init", "jail", "lines"),
    [
        ("", "", {}, 1),
        ("maxlines = 2", "", {}, 2),
        ("maxlines = 2", "", {"maxlines": "4"}, 4),
        ("", "maxlines = 3", {"maxlines": "4"}, 3),
    ],
)
def test_maxlines_of_the_filter_and_of_the_jail(
    tmp_path: Path, definition: str, init: str, jail: dict[str, str], lines: int
) -> None:
    text = f"[Definition]\nfailregex = x\n{definition}\n[Init]\n{init}\n"
    assert read(tmp_path, text, options=jail).maxlines == lines


@pytest.mark.parametrize("text", ["0", "1001", "many"])
def test_maxlines_out_of_bounds(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"filter.d/f.conf:3: maxlines needs a"):
        read(tmp_path, f"[Definition]\nfailregex = x\nmaxlines = {text}\n")


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("[Definition]\n", Feed.NONE),
        ("[Definition]\nfailregex =\n", Feed.NONE),
        ("[Definition]\nsource = bans\n", Feed.BANS),
        ("[Definition]\nsource = journal\n", Feed.NONE),
        ("[Definition]\nfailregex = x\n", Feed.JOURNAL),
    ],
)
def test_where_the_failures_come_from(tmp_path: Path, text: str, feed: Feed) -> None:
    assert read(tmp_path, text).feed is feed


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("f", ["^normal <HOST>$"]),
        ("f[mode=extra]", ["^normal <HOST>$", "^extra <HOST>$"]),
        ('f[mode="normal"]', ["^normal <HOST>$"]),
    ],
)
def test_the_mode_chooses_the_regexes(tmp_path: Path, spec: str, expected: list[str]) -> None:
    assert regexes(read(tmp_path, MODES, spec)) == expected


def test_a_regex_out_of_a_tag_keeps_its_line(tmp_path: Path) -> None:
    origins = [str(line.origin) for line in read(tmp_path, MODES, "f[mode=extra]").failregex]
    assert origins == ["filter.d/f.conf:4", "filter.d/f.conf:6"]


def test_an_unknown_mode_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, MODES, "f[mode=extr]")
    assert str(error.value) == (
        "filter.d/f.conf:3: filter 'f' has no mode 'extr' (its modes: normal, extra)"
    )


def test_a_mode_that_is_only_a_part_of_the_name_is_told_as_it_is_written(tmp_path: Path) -> None:
    text = MODES.replace("failregex = <mdre-<mode>>", "failregex = <mdre-<mode>-other>")
    text = text.replace("mdre-extra =", "mdre-extra-other =")
    with pytest.raises(ConfigError, match=r"no mode 'zzz' \(its modes: extra\)"):
        read(tmp_path, text, "f[mode=zzz]")


def test_a_tag_that_refers_to_itself_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, "[Definition]\nfailregex = <a>\na = <a>\n")
    assert str(error.value) == "filter.d/f.conf:2: failregex <a> refers to itself (a in a)"


@pytest.mark.parametrize(
    ("text", "spec", "expected"),
    [
        ("[Definition]\nfailregex = <x>\nx = d\n[Init]\nx = i\n", "f", ["i"]),
        ("[Definition]\nfailregex = <x>\nx = d\n[Init]\nx = i\n", "f[x=p]", ["p"]),
        ("[Definition]\nfailregex = <x>\nx = d\n[Init]\nx = i\n", 'f[x=""]', []),
        ("[Definition]\nfailregex = %(x)s\nx = d\n", "f[x=p]", ["p"]),
        ("[Definition]\nfailregex = <other/x>\n[other]\nx = o\n", "f", ["o"]),
        (
            "[Definition]\nfailregex = <s/x>\n[DEFAULT]\nx = d%(y)s\ny = 1\n[s]\ny = 2\n",
            "f",
            ["d2"],
        ),
        ("[Definition]\nfailregex = <s/x>\n[DEFAULT]\nx = d\n", "f", ["<s/x>"]),
        ("[Definition]\nfailregex = <x>\n[Init]\nx = i\n", "f[x=<known/x>p]", ["ip"]),
        ("[Definition]\nfailregex = <x>\n[DEFAULT]\nx = d\n", "f", ["d"]),
        ("[Definition]\nfailregex = 50%%<x>\nx = 1\n", "f[x=2%]", ["50%2%"]),
    ],
)
def test_where_a_tag_is_looked_up(
    tmp_path: Path, text: str, spec: str, expected: list[str]
) -> None:
    assert regexes(read(tmp_path, text, spec)) == expected


def test_options_of_a_jail_can_be_given(tmp_path: Path) -> None:
    text = "[Definition]\nfailregex = %(port)s\n"
    assert regexes(read(tmp_path, text, options={"port": "5%"})) == ["5%"]
    assert regexes(read(tmp_path, text, options={"failregex": "a\nb", "port": "1"})) == ["a", "b"]


def test_a_missing_filter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_filter(tmp_path, "none")
    assert str(error.value) == "there is no filter 'none': filter.d/none.conf does not exist"


def test_a_filter_without_definition_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, "[Defintion]\nfailregex = x\n")
    assert str(error.value) == "filter.d/f.conf: filter 'f' has no [Definition]"


@pytest.mark.parametrize(
    ("filter_conf", "options", "expected"),
    [
        ("failregex = f", "filter = x", ["f"]),
        ("failregex = f", "filter = x\nfailregex = j", ["j"]),
        ("failregex = f", "filter = x\nfailregex = %(known/failregex)s\n  j", ["f", "j"]),
        ("failregex = 9%%", "filter = x\nfailregex = %(known/failregex)s\n  j", ["9%", "j"]),
        ("[Init]\nfailregex = i", "filter = x\nfailregex = j", ["i", "j"]),
        ("failregex = f", "filter = x[failregex=p]", ["p"]),
        ("failregex = f", "filter = x[failregex=p]\nfailregex = j", ["p", "j"]),
    ],
)
def test_a_regex_of_the_jail_replaces_that_of_the_definition(
    tmp_path: Path, filter_conf: str, options: str, expected: list[str]
) -> None:
    files = {"filter.d/x.conf": f"[Definition]\n{filter_conf}"}
    jail = sshd(tmp_path, f"journalmatch = A=1\n{options}", files)
    assert regexes(jail.filter) == expected


def test_a_journalmatch_of_the_jail_is_added_to_that_of_init(tmp_path: Path) -> None:
    files = {"filter.d/x.conf": "[Definition]\nfailregex = f\n[Init]\njournalmatch = I=1"}
    jail = sshd(tmp_path, "filter = x\njournalmatch = J=1", files)
    assert [line.text for line in jail.filter.journalmatch] == ["I=1", "J=1"]


def test_the_mode_of_a_jail_reaches_its_filter(tmp_path: Path) -> None:
    jail = sshd(tmp_path, "mode = extra", {"filter.d/sshd.conf": MODES})
    assert regexes(jail.filter) == ["^normal <HOST>$", "^extra <HOST>$"]


def test_an_empty_filter_is_a_jail_for_bans_by_hand(tmp_path: Path) -> None:
    assert sshd(tmp_path, "filter =").filter.feed is Feed.NONE


def test_an_empty_filter_may_have_the_regexes_of_the_jail(tmp_path: Path) -> None:
    jail = sshd(tmp_path, "filter =\nfailregex = x\njournalmatch = *")
    assert (jail.filter.feed, regexes(jail.filter)) == (Feed.JOURNAL, ["x"])


@pytest.mark.parametrize("option", ["filter = x", "journalmatch =", "filter =\nfailregex = x"])
def test_a_failregex_without_journalmatch_is_refused_with_the_ways_out(
    tmp_path: Path, option: str
) -> None:
    (problem,) = problems(tmp_path, option, {"filter.d/x.conf": "[Definition]\nfailregex = x"})
    assert problem.startswith("error: jail.conf:2: filter '")
    assert problem.endswith(
        "' has a failregex and no journalmatch (f2b reads the journal alone: write journalmatch = "
        "_SYSTEMD_UNIT=NAME.service, or * to look at every entry; systemd-cat or rsyslog's "
        "omjournal bring a log file in)"
    )


def test_a_filter_that_forgot_its_failregex_is_a_warning(tmp_path: Path) -> None:
    files = {"filter.d/x.conf": "[Definition]\nfailregx = x\n"}
    assert problems(tmp_path, "filter = x", files) == [
        "warning: jail.conf:2: filter 'x' has no failregex: the jail only takes bans by hand"
    ]


@pytest.mark.parametrize("text", ["[Definition]\n", "[Definition]\nfailregex =\n"])
def test_a_filter_that_is_empty_on_purpose_is_no_warning(tmp_path: Path, text: str) -> None:
    assert sshd(tmp_path, "filter = x", {"filter.d/x.conf": text}).filter.feed is Feed.NONE


def test_a_lone_percent_in_a_filter_is_told_for_its_jail(tmp_path: Path) -> None:
    files = {"filter.d/x.conf": "[Definition]\nfailregex = a\n  50%\njournalmatch = *\n"}
    (problem,) = config(tmp_path, "[a]\nenabled = true\nfilter = x", files).problems
    assert problem.jail == "a"
    assert str(problem) == (
        "filter.d/x.conf:3: a lone '%' means nothing (write %% for a percent sign)"
    )


@pytest.mark.parametrize(
    ("definition", "spec", "expected"),
    [
        ("", "f", "journal"),
        ("logtype = own", "f", "own"),
        ("logtype = own", "f[logtype=file]", "file"),
        ("", "f[logtype=]", "journal"),
    ],
)
def test_the_logtype_is_journal_unless_the_filter_or_a_parameter_says_otherwise(
    tmp_path: Path, definition: str, spec: str, expected: str
) -> None:
    text = f"[DEFAULT]\nlogtype = file\n[Definition]\nfailregex = <logtype>\n{definition}\n"
    assert regexes(read(tmp_path, text, spec)) == [expected]


def test_a_filter_sees_the_jails_options_but_keeps_its_own_mode_and_port(tmp_path: Path) -> None:
    text = (
        "[Definition]\nfailregex = %(maxretry)s <maxretry> %(mode)s %(port)s\nmode = m\nport = p\n"
    )
    jail = sshd(
        tmp_path,
        "filter = f\nmaxretry = 7\nmode = x\nport = 1\njournalmatch = *",
        {"filter.d/f.conf": text},
    )
    assert regexes(jail.filter) == ["7 7 m p"]


def test_a_jail_knows_every_option_of_its_filter(tmp_path: Path) -> None:
    text = "[Definition]\nfailregex = f\nd = <p>\nown = o\nbad = %(x)s\n[Init]\ni = 9%%\n"
    jail = sshd(
        tmp_path,
        "filter = f[p=1]\nfailregex = %(known/d)s %(known/own)s %(known/i)s %(known/p)s\njournalmatch = *",
        {"filter.d/f.conf": text},
    )
    assert regexes(jail.filter) == ["1 o 9% 1"]


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ("f[publickey=x]", ""),
        ("f[mode=normal, _daemon=x, kind-a=x, by-jail=y, failregex=x]", ""),
        (
            "f[pubkey=x]",
            "warning: jail.conf:3: filter 'f' has no use for a parameter 'pubkey' (did you mean publickey?)",
        ),
        ("f[xyzzy=x]", "warning: jail.conf:3: filter 'f' has no use for a parameter 'xyzzy'"),
    ],
)
def test_a_parameter_that_nothing_refers_to_is_a_warning(
    tmp_path: Path, spec: str, warning: str
) -> None:
    text = "[Definition]\nfailregex = <of-<publickey>> %(_daemon)s <kind-<x>>\n_daemon = d\nof-x = a\n"
    options = f"filter = {spec}\njournalmatch = *\nignoreregex = %(known/by-jail)s"
    files = {"filter.d/f.conf": text + "by-jail = x\n"}
    assert "\n".join(problems(tmp_path, options, files)) == warning
