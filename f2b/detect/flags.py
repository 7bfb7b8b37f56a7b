"""Global flags inside a group, such as ``((?i)abc)``: Python refuses them, and fail2ban's filters have them."""

import re

_PIECE = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*(?:\]|\Z)  # an escape or a set: what is in them is literal
      | \(\?(?P<flags>[aiLmsux]+)\)
      | (?P<open>\() | (?P<close>\))""",
    re.VERBOSE | re.DOTALL,
)


def localized(regex: str) -> str:
    """Let a flag that is set within a group hold from there to the end of that group."""
    closing: list[str] = []  # what ends each group that is open

    def replace(match: re.Match[str]) -> str:
        if match["open"]:
            closing.append(")")
        elif match["close"] and closing:
            return closing.pop()
        elif match["flags"] and closing:
            closing[-1] += ")"
            return f"(?{match['flags']}:"
        return match[0]

    return _PIECE.sub(replace, regex)
