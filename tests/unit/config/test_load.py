"""What a directory becomes, and what is said about one that is wrong."""

from pathlib import Path

import pytest

from f2b.addresses import parse
from f2b.config.load import load
from f2b.config.problems import ConfigErrors, Problem, Severity
from f2b.config.settings import Feed
from f2b.errors import Exit, Origin
from tests.unit.config.tree import SSHD, config, problems, sshd, write


def test_a_jail_without_options_has_the_defaults(tmp_path: Path) -> None:
    jail = sshd(tmp_path, "")
    assert (jail.name, jail.filter.name, jail.filter.feed) == ("sshd", "sshd", Feed.JOURNAL)
    assert (jail.maxretry, jail.findtime, jail.bantime) == (5, 600, 600)
    assert (jail.ipv4prefix, jail.ipv6prefix) == (32, 64)
    assert (jail.ignoreip, jail.ignoreself) == ((), True)
    assert jail.origin == Origin("jail.conf", 2)


def test_the_options_of_a_jail(tmp_path: Path) -> None:
    options = """
maxretry = 3
findtime = 1d
bantime = 2w
ignoreip = 127.0.0.1/8 ::1, 192.0.2.7
           2001:db8::/32
ignoreself = no
ipv4prefix = 24
ipv6prefix = 48
maxoffenders = 1000
maxbans = 2000
"""
    jail = sshd(tmp_path, options)
    assert (jail.maxretry, jail.findtime, jail.bantime) == (3, 86_400, 1_209_600)
    networks = ("127.0.0.0/8", "::1", "192.0.2.7", "2001:db8::/32")
    assert jail.ignoreip == tuple(parse(text) for text in networks)
    assert jail.ignoreself is False
    assert (jail.ipv4prefix, jail.ipv6prefix) == (24, 48)
    assert (jail.maxoffenders, jail.maxbans) == (1000, 2000)


@pytest.mark.parametrize("bantime", ["-1", "-1h"])
def test_a_negative_bantime_is_for_ever(tmp_path: Path, bantime: str) -> None:
    assert sshd(tmp_path, f"bantime = {bantime}").bantime is None


def test_default_holds_unless_the_jail_says_otherwise(tmp_path: Path) -> None:
    text = "[DEFAULT]\nbantime = 1h\nenabled = true\nfilter = sshd\n[a]\n[b]\nbantime = 2h\n"
    assert [(jail.name, jail.bantime) for jail in config(tmp_path, text).jails] == [
        ("a", 3600),
        ("b", 7200),
    ]


def test_jails_keep_the_order_of_the_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"jail.d/z.conf": "[alpha]\nenabled = true\nfilter = sshd\n"}
    text = "[zeta]\nenabled = true\nfilter = sshd\n[beta]\n[INCLUDES]\n"
    assert [jail.name for jail in config(tmp_path, text, files).jails] == ["zeta", "alpha"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("maxretry = 0", "maxretry needs a whole number of at least 1, got '0'"),
        ("maxretry = many", "maxretry needs a whole number of at least 1, got 'many'"),
        ("findtime = 0", "findtime needs a duration above zero, got '0'"),
        ("findtime = -1", "findtime needs a duration above zero, got '-1'"),
        ("bantime = 0", "bantime needs a duration above zero, got '0'"),
        (
            "bantime = 10mins",
            (
                "bantime needs a duration: '10mins' is no duration: 'mins' is no unit"
                " (s, m, h, d, w, mo, y) (write 600, 10m or 1d12h)"
            ),
        ),
        (
            "bantime =",
            "bantime needs a duration: a duration is missing (write 600, 10m or 1d12h)",
        ),
        ("ipv4prefix = 33", "ipv4prefix needs a number from 8 to 32, got '33'"),
        ("ipv4prefix = 0", "ipv4prefix needs a number from 8 to 32, got '0'"),
        ("ipv6prefix = /64", "ipv6prefix needs a number from 16 to 128, got '/64'"),
        ("ignoreself = maybe", "ignoreself needs true or false, got 'maybe'"),
        (
            "ignoreip = 192.0.2.7 192.0.2.300",
            (
                "ignoreip needs addresses, networks, host names and files, got '192.0.2.300'"
                " (such as 192.0.2.7, 2001:db8::/64, host.example.org or file:/etc/f2b/friends)"
            ),
        ),
        (
            "banaction = ufw",
            "banaction 'ufw' is no firewall of f2b's, and there is no action.d/ufw.conf (write banaction = auto)",
        ),
        (
            "banaction = iptables-ipset-proto6-multiport",
            (
                "banaction 'iptables-ipset-proto6-multiport' is no firewall of f2b's,"
                " and there is no action.d/iptables-ipset-proto6-multiport.conf"
                " (write banaction = nftables-multiport)"
            ),
        ),
        (
            "banaction = nftables-multiport\n  [port=nosuch]",
            (
                "port needs ports, got 'nosuch'"
                " (neither a number up to 65535 nor a name in /etc/services)"
            ),
        ),
        (
            "banaction = nftables[typ=allports]",
            "nftables has no parameter 'typ' here (did you mean type?)",
        ),
        (
            "banaction = nftables[table=mine]",
            "nftables has no parameter 'table' here (it has type, port, protocol, blocktype)",
        ),
        (
            "banaction = nftables[type=custom]",
            "nftables has no type 'custom' (write allports or multiport)",
        ),
        (
            "banaction = nftables[",
            (
                "banaction needs the form name[option=value, ...], got 'nftables['"
                " (no blanks around =, and quotes around a value that holds a comma or a bracket)"
            ),
        ),
        ("blocktype = refuse", "blocktype needs drop or reject, got 'refuse'"),
        (
            "action =",
            "action is empty, and then nobody would be kept out (write action = %(action_)s)",
        ),
        (
            "ignoreip = ::1 # us",
            (
                "ignoreip needs addresses, networks, host names and files, got '#'"
                " (behind a value, a comment begins with ;)"
            ),
        ),
        (
            "action = sendmail[name=x]",
            (
                "action names no firewall that f2b has, got 'sendmail[name=x]'"
                " (write action = %(action_)s)"
            ),
        ),
        (
            "filter = sshd[mode]",
            (
                "filter needs the form name[option=value, ...], got 'sshd[mode]'"
                " (no blanks around =, and quotes around a value that holds a comma or a bracket)"
            ),
        ),
        ("maxretry = %(retries)s", "%(retries)s is not defined (seen from [sshd])"),
    ],
)
def test_a_bad_value_keeps_its_jail_out_and_names_its_line(
    tmp_path: Path, option: str, message: str
) -> None:
    loaded = config(
        tmp_path,
        f"[sshd]\nenabled = true\n{option}\n[other]\nenabled = true\nfilter = sshd\n",
    )
    assert [jail.name for jail in loaded.jails] == ["other"]
    (problem,) = loaded.problems
    assert str(problem) == f"jail.conf:3: {message}"
    assert (problem.severity, problem.jail) == (Severity.ERROR, "sshd")


def test_everything_that_is_wrong_in_a_jail_is_told_at_once(tmp_path: Path) -> None:
    assert problems(tmp_path, "maxretry = x\nbantime = y\nfilter = z\nbanaction = ufw") == [
        "error: jail.conf:5: there is no filter 'z': filter.d/z.conf does not exist",
        (
            "error: jail.conf:6: banaction 'ufw' is no firewall of f2b's, and there is no action.d/ufw.conf"
            " (write banaction = auto)"
        ),
        "error: jail.conf:3: maxretry needs a whole number of at least 1, got 'x'",
        (
            "error: jail.conf:4: bantime needs a duration: 'y' is no duration: 'y' is not understood"
            " (write 600, 10m or 1d12h)"
        ),
    ]


def test_an_error_in_default_names_the_jail(tmp_path: Path) -> None:
    text = (
        "[DEFAULT]\nbanaction = nftables[type=%(kind)s]\nkind = allports\n[sshd]\nenabled = true\n"
    )
    loaded = config(tmp_path, text + "[odd]\nenabled = true\nkind = x\nfilter = sshd\n")
    assert [str(problem) for problem in loaded.problems] == [
        "jail.conf:2: in [odd]: nftables has no type 'x' (write allports or multiport)"
    ]


def test_a_bad_enabled_is_told_for_its_jail(tmp_path: Path) -> None:
    loaded = config(tmp_path, "[sshd]\nenabled = ture\n")
    assert [str(problem) for problem in loaded.problems] == [
        "jail.conf:2: enabled needs true or false, got 'ture'"
    ]


@pytest.mark.parametrize("name", ["two words", "a/b", "-x", "ä", "x" * 65])
def test_a_jail_name_must_suit_the_kernel(tmp_path: Path, name: str) -> None:
    loaded = config(tmp_path, f"[{name}]\nenabled = true\nfilter = sshd\n")
    assert [str(problem) for problem in loaded.problems] == [
        f"jail.conf:2: {name!r} cannot be the name of a jail (up to 64 letters, digits, - _ .)"
    ]


def test_what_is_wrong_in_a_disabled_jail_does_not_matter(tmp_path: Path) -> None:
    loaded = config(
        tmp_path,
        "[sshd]\nenabled = true\n[off]\nmaxretry = %(none)s\nfilter = none\nbackend = x\n",
    )
    assert (len(loaded.jails), loaded.problems) == (1, ())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("bantim = 1h", "bantim is not known to f2b (did you mean bantime?)"),
        ("xyzzy = 1h", "xyzzy is not known to f2b"),
        ("failregx = x", "failregx is not known to f2b (did you mean failregex?)"),
        ("backend = auto", "backend is ignored because f2b reads the journal and nothing else"),
        (
            "datepattern = %%Y",
            "datepattern is ignored because a journal entry carries its own time",
        ),
    ],
)
def test_an_option_that_does_nothing_is_a_warning(
    tmp_path: Path, option: str, message: str
) -> None:
    assert problems(tmp_path, option) == [f"warning: jail.conf:3: {message}"]


def test_an_ignored_option_is_named_once(tmp_path: Path) -> None:
    text = "[DEFAULT]\nbackend = auto\n[sshd]\nenabled = true\nbackend = auto\n"
    assert [str(problem) for problem in config(tmp_path, text).problems] == [
        "jail.conf:2: backend (DEFAULT, sshd) is ignored because f2b reads the journal and nothing else"
    ]


def test_what_many_jails_have_is_explained_in_one_line_for_each_reason(tmp_path: Path) -> None:
    jails = "".join(
        f"[j{n}]\nlogpath = /x\nenabled = true\nfilter = sshd\nmaxmatches = 1\n" for n in range(40)
    )
    loaded = config(tmp_path, f"[DEFAULT]\nbackend = auto\n{jails}")
    assert len(loaded.jails) == 40
    assert [str(problem) for problem in loaded.problems] == [
        (
            "jail.conf:2: backend (DEFAULT), logpath (j0, j1, j2, j3, j4 and 35 more)"
            " are ignored because f2b reads the journal and nothing else"
        ),
        "jail.conf:7: maxmatches (j0, j1, j2, j3, j4 and 35 more) is ignored because the journal keeps the lines",
    ]


@pytest.mark.parametrize(
    ("backend", "named"),
    [
        ("systemd[journalpath=/var/log/journal/remote]", "journalpath=/var/log/journal/remote"),
        ('systemd[rotated=on, namespace="*"]', "namespace=*"),
        ("systemd[journalfiles=/x/system.journal]", "journalfiles=/x/system.journal"),
    ],
)
def test_a_jail_that_wants_another_journal_is_refused(
    tmp_path: Path, backend: str, named: str
) -> None:
    assert problems(tmp_path, f"backend = {backend}")[:1] == [
        (
            f"error: jail.conf:3: backend names a journal of its own, {named}"
            " (write journal = into f2b.conf: one journal is read for all jails)"
        )
    ]


def test_all_errors_of_a_jail_and_its_filter_are_told_at_once(tmp_path: Path) -> None:
    options = "banaction = nftables-multiport\nport = zz\nprotocol = qq\nmaxretry = no\n"
    assert len(problems(tmp_path, options)) == 3
    filter_ = "[Definition]\nfailregex = <HOST>\njournalmatch = *\nmaxlines = z\nusedns = q\n"
    told = problems(tmp_path, "maxretry = no\n", {"filter.d/sshd.conf": filter_})
    assert sorted(line.split(": ")[1] for line in told) == [
        "filter.d/sshd.conf:4",
        "filter.d/sshd.conf:5",
        "jail.conf:3",
    ]
    filter_ = "[Definition]\nfailregex = %(a)s\nignoreregex = %(b)s\n"
    assert len(problems(tmp_path, "", {"filter.d/sshd.conf": filter_})) == 2


@pytest.mark.parametrize("option", ["enabled", "filter", "backend", "bantime", "port"])
def test_an_undefined_interpolation_keeps_one_jail_out(tmp_path: Path, option: str) -> None:
    text = f"[bad]\n{option} = %(none)s\n[sshd]\nenabled = true\n"
    on = text if option == "enabled" else text.replace("[sshd]", "enabled = true\n[sshd]")
    files: dict[str, str | bytes] = {"filter.d/bad.conf": SSHD}
    loaded = config(tmp_path, on, files)
    assert [jail.name for jail in loaded.jails] == ["sshd"]
    assert [str(problem) for problem in loaded.problems if problem.severity is Severity.ERROR] == [
        "jail.conf:2: %(none)s is not defined (seen from [bad])"
    ]
    if option != "enabled":
        off = config(tmp_path, text)
        assert ([jail.name for jail in off.jails], off.problems) == (["sshd"], ())


def test_a_variable_of_the_admin_is_no_unknown_option(tmp_path: Path) -> None:
    assert sshd(tmp_path, "my_time = 1h\nbantime = %(my_time)s").bantime == 3600


def test_an_action_that_is_missing_stops_no_jail(tmp_path: Path) -> None:
    text = "[DEFAULT]\naction = %(action_mw)s\nenabled = true\nfilter = sshd\n[a]\n[b]\n"
    loaded = config(tmp_path, text)
    assert len(loaded.jails) == 2
    assert [str(problem) for problem in loaded.problems] == [
        "jail.conf:2: there is no action 'sendmail-whois': action.d/sendmail-whois.conf does not exist"
    ] * 2


def test_without_an_enabled_jail_there_is_a_warning(tmp_path: Path) -> None:
    assert [str(problem) for problem in config(tmp_path, "[sshd]\n").problems] == [
        "no jail is enabled (write enabled = true into a jail's section)"
    ]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        load(tmp_path / "none")
    assert str(errors.value) == (
        f"{tmp_path}/none cannot be read: No such file or directory (-c names another directory)"
    )
    assert errors.value.exit is Exit.CONFIG


def test_a_directory_without_jails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        load(tmp_path)
    assert str(errors.value) == f"{tmp_path} holds no jail.conf (-c names another directory)"


def test_all_errors_that_stop_a_load_are_told_together(tmp_path: Path) -> None:
    files = {"f2b.conf": "[Definition]\nlatency = x\nonstop = y", "jail.conf": "[a]\nb\n"}
    with pytest.raises(ConfigErrors) as errors:
        load(write(tmp_path, files))
    assert str(errors.value).split("\n") == [
        "f2b.conf:2: latency needs fast or balanced or quiet, got 'x'",
        "f2b.conf:3: onstop needs keep or lift, got 'y'",
        (
            "jail.conf:2: neither a section nor a setting"
            " (write name = value; lines that continue a value are indented)"
        ),
    ]


def test_a_broken_filter_is_a_problem_of_its_jail_alone(tmp_path: Path) -> None:
    text = "[sshd]\nenabled = true\n[bad]\nenabled = true\n"
    loaded = config(tmp_path, text, {"filter.d/bad.conf": "[Definition]\nfailregex\n"})
    assert [jail.name for jail in loaded.jails] == ["sshd"]
    assert loaded.problems == (
        Problem(
            Severity.ERROR,
            Origin("filter.d/bad.conf", 2),
            "neither a section nor a setting",
            "write name = value; lines that continue a value are indented",
            "bad",
        ),
    )


def test_a_directory_may_be_given_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"etc/jail.conf": "[a]\nenabled = 2", "etc/filter.d/a.conf": SSHD})
    monkeypatch.chdir(tmp_path)
    (problem,) = load(Path("etc")).problems
    assert str(problem) == "jail.conf:2: enabled needs true or false, got '2'"
