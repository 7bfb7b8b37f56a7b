"""The parameters of our own plug-ins: texts, switches, and secrets, which may stand in a file of their own."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from f2b.errors import ActionError, HopelessError

_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9_.-]*)>")
_LARGEST = 65_536
_TRUE, _FALSE = {"1", "on", "true", "yes"}, {"", "0", "off", "false", "no"}


class Parameters:
    """What stands in the brackets. `secret` reads its file anew each time: a key may be exchanged."""

    def __init__(self, plugin: str, given: Mapping[str, str]) -> None:
        self._plugin = plugin
        self._given = given

    def text(self, name: str, default: str = "") -> str:
        return self._given.get(name, "").strip() or default

    def switch(self, name: str) -> bool:
        word = self.text(name).lower()
        if word not in _TRUE | _FALSE:
            raise HopelessError(f"{name} needs yes or no, got {word!r}")
        return word in _TRUE

    def words(self, name: str, default: str) -> list[str]:
        return self.text(name, default).replace(",", " ").split()

    def secret(self, name: str) -> str:
        """NAME, or what is in the file that NAME_file names; a bare name is one of systemd's credentials."""
        place = self.text(f"{name}_file")
        if not place:
            return self.text(name)
        path = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / place
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(_LARGEST).strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ActionError(f"{name}_file {path} cannot be read: {why}", retry=True) from error

    def needed(self, name: str) -> str:
        """A secret without which nothing works."""
        found = self.secret(name)
        if not found:
            hint = f"write {self._plugin}[{name}=...], or {name}_file= and a file that holds it"
            raise HopelessError(f"{name} is empty", hint=hint)
        return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text of the admin's with <fq-hostname> and its like."""
    return _TAG.sub(lambda match: values.get(match[1], match[0]), text)


def host(values: Mapping[str, str]) -> str:
    return values.get("fq-hostname") or "localhost"


def lasts(values: Mapping[str, str]) -> str:
    seconds = values.get("bantime", "")
    return "for ever" if seconds == "-1" else f"for {seconds} seconds"
