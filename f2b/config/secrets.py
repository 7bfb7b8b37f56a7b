"""Keeps the secrets in an action's parameters out of what is shown."""

import re

HIDDEN = "***"
_SECRET = re.compile(
    r"""(?i)\b([\w.-]*(?:key|token|secret|passw|pwd)[\w.-]*(?<!_file)\s*=\s*)("[^"]*"?|'[^']*'?|[^\s\0,\]"']+)"""
)
_URL = re.compile(
    r"""(?i)\b(url\s*=\s*["']?[a-z]+://)(?:[^\s/@,\]"']*@)?([^\s\0/?,\]"']*)[^\s\0,\]"']*"""
)


def concealed(text: str) -> str:
    """The text of an action, without its keys and tokens; of a url the host stays."""
    return _URL.sub(rf"\1\2/{HIDDEN}", _SECRET.sub(rf"\1{HIDDEN}", text))
