"""One function a command: ask, show, and answer with an exit status."""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from f2b import addresses, protocol
from f2b.cli import tables
from f2b.cli.client import ask
from f2b.cli.where import socket_of
from f2b.config.problems import ConfigErrors, Problem, Severity
from f2b.errors import ControlError, DaemonDownError, Exit, F2bError


def execute(args: Namespace) -> int:
    """Run the command; its exit status."""
    command = COMMANDS[args.command or "banned"]
    try:
        return command(args)
    except ConfigErrors as errors:
        return _fail(args, [str(error) for error in errors.errors], errors.exit)
    except F2bError as error:
        # What the daemon refuses may be several errors, one a line.
        return _fail(args, str(error).splitlines(), error.exit)
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`f2b | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _banned(args: Namespace) -> int:
    answer = _ask(args, protocol.Banned())
    if not _json(args, answer):
        tables.show(tables.banned(answer, time.time()))
    return Exit.OK


def _status(args: Namespace) -> int:
    answer = _ask(args, protocol.Status(args.jail))
    if not _json(args, answer):
        now = time.time()
        tables.show(tables.jail(answer, now) if args.jail else tables.status(answer, now))
    return Exit.OK


def _ban(args: Namespace) -> int:
    jail, words = "custom", args.words
    if not _is_address(words[0]):
        jail, words = words[0], words[1:]
    if not words:
        raise ControlError(
            f"{args.words[0]!r} is not an address", hint="f2b ban [JAIL] ADDRESS..."
        )
    peer = os.environ.get("SSH_CONNECTION", "").partition(" ")[0] or None
    request = protocol.Ban(tuple(words), jail=jail, bantime=args.time, force=args.force, peer=peer)
    answer = _ask(args, request)
    if not _json(args, answer):
        for offender in answer["banned"]:
            tables.say(f"Banned {offender} in {jail}")
        for offender in answer["already"]:
            tables.say(f"{offender} is banned in {jail} already")
        for offender, why in answer["unenforced"].items():
            tables.say(f"{offender} is NOT ENFORCED: {why}")
    return Exit.NO if answer["unenforced"] else Exit.OK


def _unban(args: Namespace) -> int:
    request = protocol.Unban(tuple(args.addresses), jail=args.jail, everything=args.everything)
    answer = _ask(args, request)
    if not _json(args, answer):
        for row in answer["unbanned"]:
            tables.say(f"Unbanned {row['offender']} from {row['jail']}")
        for offender in answer["not_banned"]:
            tables.say(f"{offender} is not banned")
        for row in answer["still_banned"]:
            tables.say(f"{row['address']} is still kept out by {row['offender']} in {row['jail']}")
    # Of one jail alone it is no failure that another one still bans.
    still = [row for row in answer["still_banned"] if args.jail in {None, row["jail"]}]
    return Exit.NO if answer["not_banned"] or still else Exit.OK


def _flush(args: Namespace) -> int:
    # Netlink costs the other commands too much.
    from f2b.actions.takedown import flush  # noqa: PLC0415
    from f2b.config.daemon import read_daemon  # noqa: PLC0415
    from f2b.config.files import Files  # noqa: PLC0415

    try:
        ask(_socket(args), protocol.Ping())
    except DaemonDownError:
        pass
    else:
        raise ControlError(
            "the daemon is running and would put the wall up again", hint="stop it first"
        )
    table = read_daemon(Files(args.config))[0].table
    removed = flush(table)
    if not _json(args, {"table": table, "removed": bool(removed)}):
        for what in removed:
            tables.say(f"Removed {what}")
        if not removed:
            tables.say(f"There is no wall of f2b: no table inet {table}")
    return Exit.OK


def _reload(args: Namespace) -> int:
    answer = _ask(args, protocol.Reload())
    if not _json(args, answer):
        for warning in answer["warnings"]:
            tables.say(f"warning: {warning}")
        tables.say("Reloaded")
    return Exit.OK


def _check(args: Namespace) -> int:
    # What reads jails and compiles regexes costs the other commands too much.
    from f2b.cli import unit  # noqa: PLC0415
    from f2b.config.load import load  # noqa: PLC0415
    from f2b.decide.assemble import assemble  # noqa: PLC0415
    from f2b.detect.lint import lint  # noqa: PLC0415

    config = load(args.config)
    assembly = assemble(config)
    names = [jail.name for jail in assembly.jails if not jail.broken]
    warnings = dict.fromkeys(warning for jail in config.jails for warning in lint(jail.filter))
    problems = [*assembly.problems, *warnings, *unit.lacking(config.jails)]
    if not _json(args, {"jails": names, "problems": [_problem(problem) for problem in problems]}):
        # Jails may share a filter, and what is wrong with it.
        lines = list(dict.fromkeys(f"{problem.severity}: {problem}" for problem in problems))
        for line in lines:
            tables.say(line)
        number = sum(line.startswith(Severity.ERROR) for line in lines)
        errors = f", {tables.counted(number, 'error')}" if number else ""
        can_run = f"{tables.counted(len(names), 'jail')} can run: {', '.join(names) or 'none'}"
        tables.say(can_run + errors)
    return Exit.CONFIG if assembly.errors else Exit.OK


def _config(args: Namespace) -> int:
    from f2b.cli import config  # noqa: PLC0415 - likewise

    document, lines, status = config.show(args)
    if not _json(args, document):
        for line in lines:
            tables.say(line)
        for error in document["errors"]:
            sys.stderr.write(f"f2b: {error}\n")
    return status


def _regex(args: Namespace) -> int:
    from f2b.cli import regex  # noqa: PLC0415 - nor shall they pay for this one

    return regex.run(args, time.time())


def _ping(args: Namespace) -> int:
    answer = _ask(args, protocol.Ping())
    if not _json(args, answer):
        tables.say(f"f2b {answer['version']} answers (pid {answer['pid']})")
    return Exit.OK


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "banned": _banned,
    "status": _status,
    "ban": _ban,
    "unban": _unban,
    "flush": _flush,
    "reload": _reload,
    "check": _check,
    "config": _config,
    "regex": _regex,
    "ping": _ping,
}


def _ask(args: Namespace, request: protocol.Request) -> Any:
    return ask(_socket(args), request)


def _socket(args: Namespace) -> Path:
    return args.socket or socket_of(args.config)


def _json(args: Namespace, answer: Any) -> bool:
    if args.json:
        tables.say(json.dumps(answer))
    return bool(args.json)


def _fail(args: Namespace, lines: list[str], status: Exit) -> int:
    if args.json:
        tables.say(json.dumps({"errors": lines, "exit": int(status)}))
    for line in lines:
        sys.stderr.write(f"f2b: {line}\n")
    return status


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "severity": problem.severity,
        "file": problem.origin.file if problem.origin else None,
        "line": problem.origin.line if problem.origin else None,
        "jail": problem.jail,
        "text": problem.text,
        "hint": problem.hint,
    }


def _is_address(text: str) -> bool:
    try:
        addresses.parse(text)
    except ValueError:
        return False
    return True
