"""The language of failregex: Python's `re` with <TAGS> that stand for addresses and name what they capture."""

import re
import warnings
from collections.abc import Callable, Sequence

from f2b.config.settings import Located
from f2b.detect.flags import localized
from f2b.errors import FilterError

IP4 = r"(?:::f{4,6}:)?(?P<ip4>\d{1,3}(?:\.\d{1,3}){3})"
IP6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|:))"
ADDR = rf"(?:{IP4}|{IP6})"
CIDR = r"(?P<cidr>\d{1,3})"
DNS = r"(?P<dns>[\w\-.^]*\w)"

# Patterns are loose on purpose: what they capture is parsed as an address afterwards, and dropped if it is none.
TAGS = {
    "IP4": IP4,
    "IP6": IP6,
    "ADDR": rf"\[?{ADDR}\]?",
    "HOST": rf"\[?{ADDR}\]?",
    "DNS": DNS,
    "CIDR": CIDR,
    "SUBNET": rf"\[?{ADDR}(?:/{CIDR})?\]?",
    "ID": r"(?P<fid>\S+)",
    "PORT": r"(?P<fport>\w+)",
}
NAMED_HOST = rf"(?:{TAGS['HOST']}|{DNS})"
SKIPPED = r"\n(?P<skiplines{}>(?:.*\n)*?)"
RENAMED = {"id": "fid", "port": "fport"}
IDENTITY = frozenset({"ip4", "ip6", "dns", "fid", "mlfid"})
LITERAL_ALONE = frozenset({"ID", "PORT"})

Groups = dict[str, str]
Captured = Callable[[re.Match[str]], Groups]

_TAG = re.compile(r"<(?P<close>/?)(?P<f>F-)?(?P<name>[A-Z0-9][A-Z0-9_-]*)(?P<empty>/?)>")
_PART = re.compile(r"(?P<kind>alt|tuple)_(?P<name>.+?)(?:_\d+)?")


def expand(regex: str, *, names: bool = False) -> str:
    """Replace the tags by what they stand for. A tag that is not known stays as it is, as in fail2ban.

    With `names`, <HOST> takes host names too.
    """
    opened: list[str] = []
    skipped = 0

    def replace(match: re.Match[str]) -> str:
        if match["f"]:
            return _captures(match, opened)
        name = match["name"]
        if match["close"] or match["empty"] or name in LITERAL_ALONE:
            return match[0]
        if name == "SKIPLINES":
            nonlocal skipped
            skipped += 1
            return SKIPPED.format(skipped - 1)
        if name == "HOST" and names:
            return NAMED_HOST
        return TAGS.get(name, match[0])

    return _TAG.sub(replace, regex)


def _captures(match: re.Match[str], opened: list[str]) -> str:
    """What <F-NAME>, </F-NAME> or <F-NAME/> stands for."""
    name = match["name"]
    if match["empty"]:
        return match[0] if match["close"] else TAGS.get(name, match[0])
    if not match["close"]:
        opened.append(name)
        group = name.lower().replace("-", "_")
        return f"(?P<{RENAMED.get(group, group)}>"
    if name not in opened:
        return match[0]
    opened.remove(name)
    return ")"


def compile_regex(
    source: Located, *, names: bool = False, multiline: bool = False
) -> re.Pattern[str]:
    """Raises FilterError with the place and the column of what is wrong."""
    if not source.text.strip():
        raise FilterError("the regex is empty", origin=source.origin)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about brackets that may mean something one day
            regex = localized(expand(source.text, names=names))
            return re.compile(regex, re.MULTILINE if multiline else re.NOFLAG)
    except (re.error, RecursionError, OverflowError) as error:
        raise FilterError(
            f"bad regex: {error}: {source.text!r}",
            origin=source.origin,
            hint="columns count after <TAGS> were expanded; `f2b check` shows every error",
        ) from error


def compile_failregex(
    source: Located, known: Sequence[str] = (), *, names: bool = False, multiline: bool = False
) -> re.Pattern[str]:
    """Like compile_regex, for one that must say who failed; `known` are the groups that prefregex captures."""
    pattern = compile_regex(source, names=names, multiline=multiline)
    if not IDENTITY.intersection((*pattern.groupindex, *known)):
        raise FilterError(
            f"failregex captures no address: {source.text!r}",
            origin=source.origin,
            hint="write <HOST> or <ADDR> where the address stands",
        )
    return pattern


def capturing(pattern: re.Pattern[str]) -> Captured:
    """What tells of a match of this pattern what its groups hold: `captured`, or only as much of it as is needed."""
    return captured if any(map(_PART.fullmatch, pattern.groupindex)) else _taking_part


def captured(match: re.Match[str]) -> Groups:
    """What the groups hold that took part, with <F-ALT_X_n> filling X and <F-TUPLE_X_n> joined to it."""
    return _joined(_taking_part(match))


def _taking_part(match: re.Match[str]) -> Groups:
    groups = match.groupdict()
    if None not in groups.values():
        return groups
    return {name: text for name, text in groups.items() if text is not None}


def _joined(groups: Groups) -> Groups:
    for part in sorted(groups):
        if complex_name := _PART.fullmatch(part):
            name = RENAMED.get(complex_name["name"], complex_name["name"])
            if complex_name["kind"] == "alt":
                groups[name] = groups.get(name) or groups[part]
            else:
                groups[name] = ", ".join(filter(None, (groups.get(name), groups[part])))
    return groups
