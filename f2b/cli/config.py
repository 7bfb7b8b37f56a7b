"""``f2b config show``: what is in effect, and where it was written."""

from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from f2b.config.effective import Effective, effective_daemon, effective_jails
from f2b.config.files import Files
from f2b.config.settings import NOWHERE, Located
from f2b.errors import Exit

BUILT_IN = "built in"


def show(args: Namespace) -> tuple[dict[str, Any], Iterable[str], int]:
    """The JSON document, the lines to print and the exit status: 78 when something cannot be made out."""
    files = Files(args.config)
    files.check()
    daemon = [] if args.jail else [effective_daemon(files)]
    jails = effective_jails(files, args.jail)
    errors = [error for part in jails for error in part.errors]
    document = {
        "settings": {name: value for part in daemon for name, value in _document(part).items()},
        "jails": {jail.name: _document(jail) for jail in jails},
        "errors": [str(error) for error in errors],
    }
    parts = [("f2b.conf", part) for part in daemon] + [(f"[{jail.name}]", jail) for jail in jails]
    lines = (line for title, part in parts for line in _lines(title, part, origin=args.origin))
    return document, lines, Exit.CONFIG if errors else Exit.OK


def _document(part: Effective) -> dict[str, list[dict[str, Any]]]:
    return {name: [_line(line) for line in lines] for name, lines in part.values.items()}


def _line(line: Located) -> dict[str, Any]:
    known = line.origin != NOWHERE
    return {
        "text": line.text,
        "file": line.origin.file if known else None,
        "line": line.origin.line if known else None,
    }


def _lines(title: str, part: Effective, *, origin: bool) -> Iterator[str]:
    yield title
    places = [_place(line) for lines in part.values.values() for line in lines]
    width = max(map(len, places), default=0)
    for name, lines in part.values.items():
        head = f"{name} ="
        for at, line in enumerate(lines):
            place = f"{_place(line):{width}}  " if origin else ""
            yield f"  {place}{head if not at else ' ' * len(head)} {line.text}"
    yield ""


def _place(line: Located) -> str:
    return BUILT_IN if line.origin == NOWHERE else str(line.origin)
