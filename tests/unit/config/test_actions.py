"""What an action file becomes, and what is said of a wrong one."""

from pathlib import Path

import pytest

from f2b import plugins
from f2b.config.settings import ActionSettings
from tests.unit.config.tree import problems, sshd


def action(directory: Path, text: str, spec: str = "tell", **more: str) -> ActionSettings:
    files = {"action.d/tell.conf": text, **{f"action.d/{n}.conf": t for n, t in more.items()}}
    (found,) = sshd(directory, f"action = %(action_)s\n  {spec}", files).actions
    return found


def said(directory: Path, text: str, spec: str = "tell") -> list[str]:
    return problems(directory, f"action = nftables\n  {spec}", {"action.d/tell.conf": text})


def test_parameters_and_init_fill_in_what_is_known_now(tmp_path: Path) -> None:
    text = (
        "[Definition]\nactionban = <tool> <name> <actname> <ip> <F-USER> <bantime>\n  %(x)s <matches>\n"
        "x = 100%% <known/tool>\n[Init]\ntool = one\nname = default\nbantime = 5\n"
    )
    found = action(tmp_path, text, "tell[tool=\"a 'b'\"]")
    assert found.inet4.ban == "a 'b' sshd tell <ip> <F-USER> <bantime>\n100% one <matches>"
    assert found.inet6 == found.inet4
    assert (found.name, found.timeout, found.norestored, found.on_demand) == (
        "tell",
        60,
        False,
        False,
    )


def test_families(tmp_path: Path) -> None:
    text = (
        "[Definition]\nactionban = <tool> <type>\nactionstart = x\n[Init]\ntool = ip4\ntype = a\n"
        "[Init?family=inet6]\ntool = ip6\ntype = b\n"
    )
    found = action(tmp_path, text)
    assert (found.inet4.ban, found.inet6.ban, found.on_demand) == ("ip4 a", "ip6 b", True)
    assert action(tmp_path, text, "tell[type=c]").inet6.ban == "ip6 c"
    assert action(tmp_path, text, "tell[type?family=inet6=c]").inet6.ban == "ip6 c"


def test_sections_as_tags_and_includes(tmp_path: Path) -> None:
    text = "[INCLUDES]\nbefore = base.conf\n[Definition]\nactionban = <rule_<type>/text>\n"
    base = "[rule_all]\ntext = ALL\n[Init]\ntype = all\n"
    assert action(tmp_path, text, base=base).inet4.ban == "ALL"


def test_switches(tmp_path: Path) -> None:
    text = (
        "[Definition]\nnorestored = 1\ntimeout = 2m\nactionstart_on_demand = yes\nretry_for = 1d\n"
    )
    found = action(tmp_path, text)
    assert (found.norestored, found.on_demand, found.timeout, found.retry_for) == (
        True,
        True,
        120,
        86400,
    )
    assert action(tmp_path, text, "tell[timeout=5]").timeout == 5


def test_two_of_the_same_kind(tmp_path: Path) -> None:
    files = {"action.d/tell.conf": "[Definition]\nactionban = <name>\n"}
    options = "action = nftables\n tell\n tell[name=sshd-two]\n tell[actname=x]"
    names = [each.name for each in sshd(tmp_path, options, files).actions]
    assert names == ["tell", "tell-two", "x"]
    (problem,) = problems(tmp_path, "action = nftables\n tell\n tell", files)
    assert problem.startswith("error: jail.conf:3: action 'tell' is named twice")


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        ("[Definition]\ntimeout = soon\n", "tell", "error: action.d/tell.conf:2: timeout "),
        ("[Definition]\nactionban = %(x)s\n", "tell", "error: action.d/tell.conf:2: %(x)s is not"),
        ("[Definition]\nactionban\n", "tell", "error: action.d/tell.conf:2: neither"),
        ("[Init]\na = b\n", "tell", "error: action.d/tell.conf: action 'tell' has no [Definition]"),
        ("[Definition]\na = <b>\nb = <a>\nactionban = <a>\n", "tell", "error: action.d/tell.conf:4: "),
        ("", "other", "error: jail.conf:3: there is no action 'other'"),
        ("", "smtp.py", "error: jail.conf:3: action 'smtp.py' is a program for fail2ban itself"),
        ("[Definition]\nactionban = x <destt>\n", "tell", "warning: jail.conf:3: action 'tell' has a"),
    ],
)  # fmt: skip
def test_what_is_said(tmp_path: Path, text: str, spec: str, message: str) -> None:
    (problem,) = said(tmp_path, text, spec)
    assert problem.startswith(message)


def test_a_command_can_be_the_wall(tmp_path: Path) -> None:
    files = {"action.d/ufw.conf": "[Definition]\nactionban = ufw deny from <ip>\n"}
    jail = sshd(tmp_path, "banaction = ufw", files)
    assert (jail.wall.backend, [each.name for each in jail.actions]) == ("none", ["ufw"])


def test_a_mail_beside_a_firewall_that_is_missing_is_no_wall(tmp_path: Path) -> None:
    files = {"action.d/tell.conf": "[Definition]\nactionban = tell <ip>\n"}
    (problem,) = problems(tmp_path, "banaction = ufw\naction = %(banaction)s\n  tell", files)
    assert problem.startswith("error: jail.conf:3: banaction 'ufw' is no firewall of f2b's, and ")


def test_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, plugins.SIDE_ACTIONS, {"bell": "bells:make"})
    spec = "plugin:bell[tone=high, timeout=5]"
    (found,) = sshd(tmp_path, f"action = %(action_)s\n  {spec}").actions
    assert (found.name, found.plugin, found.timeout) == ("bell", "bell", 5)
    assert found.parameters == (("tone", "high"),)


def test_a_file_can_name_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, plugins.SIDE_ACTIONS, {"bell": "bells:make"})
    text = (
        "[Definition]\nplugin = bell\nrequired = tone\nnorestored = 1\ntimeout = 5\nfor = %(sender)s <name>\n"
        "[Init]\ntone =\nport = 7\n"
    )
    found = action(tmp_path, text, "tell[tone=high, chain=INPUT, port=8]")
    assert (found.name, found.plugin, found.norestored, found.timeout) == ("tell", "bell", True, 5)
    assert dict(found.parameters) == {"tone": "high", "port": "8", "for": "root@localhost sshd"}
    assert found.inet4.ban == ""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tell", "error: jail.conf:3: action 'tell' needs tone (write tell[tone=...], or tone_file= "),
        ("tell[tone=a, tine=b]", "warning: jail.conf:3: action 'tell' has no parameter 'tine' (did "),
        ("tell[tone=a, timeout=soon]", "error: jail.conf:3: timeout needs"),
        ("badips", "error: jail.conf:3: there is no action 'badips': action.d/badips.conf does not "),
    ],
)  # fmt: skip
def test_what_is_said_of_a_plug_ins_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, message: str
) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, plugins.SIDE_ACTIONS, {"bell": "bells:make"})
    (problem,) = said(tmp_path, "[Definition]\nplugin = bell\nrequired = tone\ntone =\n", spec)
    assert problem.startswith(message)


def test_a_plug_in_that_nobody_offers_is_told_and_the_jail_runs(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "action = %(action_)s\n  plugin:horn")
    assert problem.startswith("error: jail.conf:3: no plug-in is called 'horn' (there are: ")
    (problem,) = said(tmp_path, "[Definition]\nplugin = horn\n", "tell")
    assert problem.startswith("error: action.d/tell.conf:2: no plug-in is called 'horn' (there ")


def test_a_plug_in_can_be_the_wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, plugins.SIDE_ACTIONS, {"bell": "bells:make"})
    jail = sshd(tmp_path, "action = plugin:bell")
    assert (jail.wall.backend, [each.name for each in jail.actions]) == ("none", ["bell"])


def test_a_firewall_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, plugins.BACKENDS, {"pf": "pf:make"})
    jail = sshd(tmp_path, "banaction = pf\naction = %(banaction)s[port=22, protocol=tcp]")
    assert (jail.wall.backend, jail.wall.ports, jail.actions) == ("pf", ((22, 22),), ())
    files = {"action.d/pf.conf": "[Definition]\nactionban = pfctl <ip>\n"}
    assert sshd(tmp_path, "banaction = pf", files).wall.backend == "none"
