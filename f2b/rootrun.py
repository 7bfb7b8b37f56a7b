"""The other end of f2b-root.socket: runs one command of the admin's as root, outside the daemon's sandbox.

Whoever took the daemon over can ask for anything here. So nothing of the request reaches root but the name of a file
in root.d, which root alone may write, and a few words of a strict form. What an attacker wrote into a log is not among
them.
"""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from f2b.addresses import parse

FOLDER = Path("/etc/f2b/root.d")
LIMIT = 8192
TIMEOUT = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{0,200}", re.ASCII)
STEPS = frozenset({"ban", "unban", "reban", "prolong"})
WORDS = ("id", "family", "name", "failures", "time", "bantime", "bancount", "restored")
"""What the command is told of the ban, beside its step and the address."""


class RefusedError(Exception):
    """What the daemon is told, in one line."""


def main() -> None:
    try:
        answer = serve(sys.stdin.buffer.readline(LIMIT + 1), FOLDER, os.geteuid())
    except RefusedError as error:
        answer = str(error)
    # What was said goes to the journal, and one line back.
    sys.stderr.write(f"{answer}\n" if answer else "")
    sys.stdout.write(json.dumps({"error": answer}) + "\n")


def serve(line: bytes, folder: Path, owner: int) -> str:
    """Carry out a request; what went wrong with the command, or nothing. Raises RefusedError."""
    name, environment = understood(line)
    opened = checked(folder, name, owner)
    try:
        done = subprocess.run(  # noqa: S603 - the file was opened and checked, the rest is no argument
            [f"/proc/self/fd/{opened}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
            timeout=TIMEOUT,
            pass_fds=[opened],
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        return f"{name} is not done within {TIMEOUT:g} s"
    except OSError as error:
        return f"{name} cannot be run: {error.strerror}"
    finally:
        os.close(opened)
    return f"{name} ended with exit status {done.returncode}" if done.returncode else ""


def understood(line: bytes) -> tuple[str, dict[str, str]]:
    """The name of the command, and its whole environment. Raises RefusedError."""
    try:
        request = json.loads(line if len(line) <= LIMIT else b"")
        name, step, values = request["command"], request["step"], request["values"]
        address = str(parse(values["ip"]))
        words = {word: values[word] for word in WORDS if word in values}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError("that is no request") from error
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RefusedError("a command's name is of letters, digits, _ and -")
    if not isinstance(step, str) or step not in STEPS:
        raise RefusedError("the step is none")
    for word, text in words.items():
        if not isinstance(text, str) or not _WORD.fullmatch(text):
            raise RefusedError(f"{word} has characters that it must not have")
    told = {"step": step, "ip": address, **words}
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return name, {**path, **{f"F2B_{word.upper()}": text for word, text in told.items()}}


def checked(folder: Path, name: str, owner: int) -> int:
    """The open file of the command, which nobody but `owner` can have written. Raises RefusedError."""
    try:
        found = [each.stat() for each in (folder.parent, folder)]
        opened = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise RefusedError(f"{folder / name}: {error.strerror}") from error
    found.append(os.fstat(opened))
    why = ""
    if any(each.st_uid != owner or each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in found):
        why = "it and its folders must belong to root, and nobody else may write there"
    elif not stat.S_ISREG(found[-1].st_mode) or not found[-1].st_mode & stat.S_IXUSR:
        why = "must be a file that can be executed"
    if why:
        os.close(opened)
        raise RefusedError(f"{folder / name}: {why}")
    return opened


if __name__ == "__main__":
    main()
