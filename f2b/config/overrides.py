"""What an admin wrote over fail2ban's firewall actions, which are f2b's own here.

The blocktype counts; what does not must not be ignored without a word.
"""

from f2b.config.files import Files
from f2b.config.ini import DEFAULT
from f2b.config.problems import Problem, Severity

_OF_ALL = "nftables-common"  # images write a blocktype into it
_KINDS = {
    "nftables": ("nftables",),
    "iptables": ("iptables-common", "iptables-blocktype", "iptables"),
}
HONOURED = "blocktype"


def stems(name: str) -> list[str]:
    """The files whose .local change fail2ban's action of that name; the last one wins."""
    kind = _KINDS.get(name.partition("-")[0], ())
    return [
        f"action.d/{each}" for each in dict.fromkeys([_OF_ALL, *kind, *([name] if kind else [])])
    ]


def not_honoured(files: Files, name: str) -> list[Problem]:
    """A warning for each file with options that do nothing here."""
    found = []
    for stem in stems(name):
        own = files.local(stem)
        if own is None:
            continue
        idle = {
            option: text
            for section in ("Definition", "Init", "Init?family=inet6", DEFAULT)
            for option, text in own.get(section, {}).items()
            if option != HONOURED and not option.startswith("blocktype?")
        }
        if idle:
            text = f"{', '.join(idle)} counts for nothing: {name} is f2b's own firewall"
            hint = "write it into an action file of another name, and that name into banaction"
            origin = files.marks.located(next(iter(idle.values()))).origin
            found.append(Problem(Severity.WARNING, origin, text, hint))
    return found
