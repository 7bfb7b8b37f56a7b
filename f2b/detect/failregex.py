"""The language of failregex: Python's `re` with <TAGS> that stand for addresses and name what they capture."""

import re
import warnings
from collections.abc import Sequence

from f2b.config.settings import Located
from f2b.errors import FilterError

IP4 = r"(?:::f{4,6}:)?(?P<ip4>\d{1,3}(?:\.\d{1,3}){3})"
IP6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|:))"
ADDR = rf"(?:{IP4}|{IP6})"
CIDR = r"(?P<cidr>\d{1,3})"

# Patterns are loose on purpose: what they capture is parsed as an address afterwards, and dropped if it is none.
TAGS = {
    "IP4": IP4,
    "IP6": IP6,
    "ADDR": rf"\[?{ADDR}\]?",
    "HOST": rf"\[?{ADDR}\]?",
    "DNS": r"(?P<dns>[\w\-.^]*\w)",
    "CIDR": CIDR,
    "SUBNET": rf"\[?{ADDR}(?:/{CIDR})?\]?",
    "ID": r"(?P<fid>\S+)",
    "PORT": r"(?P<fport>\w+)",
}
RENAMED = {"id": "fid", "port": "fport"}
IDENTITY = frozenset({"ip4", "ip6", "dns", "fid", "mlfid"})

_TAG = re.compile(r"<(?P<close>/?)(?P<f>F-)?(?P<name>[A-Z0-9][A-Z0-9_-]*)(?P<empty>/?)>")


def expand(regex: str) -> str:
    """Replace the tags by what they stand for. A tag that is not known stays as it is, as in fail2ban."""
    opened: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if not match["f"]:
            literal = (
                match["close"] or match["empty"] or name in {"ID", "PORT"} or name not in TAGS
            )
            return match[0] if literal else TAGS[name]
        if match["empty"]:
            return match[0] if match["close"] or name not in TAGS else TAGS[name]
        if not match["close"]:
            opened.append(name)
            group = name.lower().replace("-", "_")
            return f"(?P<{RENAMED.get(group, group)}>"
        if opened and opened[-1] == name:
            opened.pop()
            return ")"
        return match[0]

    return _TAG.sub(replace, regex)


def compile_regex(source: Located) -> re.Pattern[str]:
    """Raises FilterError with the place and the column of what is wrong."""
    if not source.text.strip():
        raise FilterError("the regex is empty", origin=source.origin)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about brackets that may mean something one day
            return re.compile(expand(source.text))
    except (re.error, RecursionError, OverflowError) as error:
        raise FilterError(
            f"bad regex: {error}: {source.text!r}",
            origin=source.origin,
            hint="columns count after <TAGS> were expanded; `f2b check` shows every error",
        ) from error


def compile_failregex(source: Located, known: Sequence[str] = ()) -> re.Pattern[str]:
    """Like compile_regex, for one that must say who failed; `known` are the groups that prefregex captures."""
    pattern = compile_regex(source)
    if not IDENTITY.intersection((*pattern.groupindex, *known)):
        raise FilterError(
            f"failregex captures no address: {source.text!r}",
            origin=source.origin,
            hint="write <HOST> or <ADDR> where the address stands",
        )
    return pattern
