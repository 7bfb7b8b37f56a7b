"""The command line: what can be typed, and what ``--help`` says about it."""

from argparse import (
    SUPPRESS,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from f2b import __version__
from f2b.errors import Exit

CONFIG = Path("/etc/f2b")
MOST_LINES = 1000

EPILOG = """\
Without a command, f2b shows the banned addresses of every jail.

exit status: 0 done; 1 the answer is no; 64 wrong usage; 69 the daemon is not running;
70 a bug; 77 not permitted; 78 error in the configuration"""


class _Parser(ArgumentParser):
    def error(self, message: str) -> Never:
        self.exit(Exit.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parse(argv: Sequence[str]) -> Namespace:
    """Exits with status 64 on wrong usage."""
    parser = _Parser(
        prog="f2b",
        description="Ban whoever fails to log in too often.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    _add_options(parser)
    parser.add_argument("-V", "--version", action="version", version=f"f2b {__version__}")
    # Where `prog` is not said argparse lays out a usage to find it, and imports three compressors for that.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=_Parser, prog=parser.prog
    )

    def command(name: str, text: str) -> ArgumentParser:
        parser = commands.add_parser(name, help=text, description=text)
        # What stood before the command must survive the defaults of the command's own parser.
        _add_options(parser, default=SUPPRESS)
        return parser

    run = command("run", "Read the journal and ban: the daemon, in the foreground.")
    run.add_argument(
        "--takeover", action="store_true", help="replace a firewall table that is not ours"
    )
    status = command("status", "Show the daemon and its jails, or one jail with its bans.")
    status.add_argument("jail", nargs="?", metavar="JAIL")
    ban = command(
        "ban", "Ban addresses or networks by hand, in jail custom or the one named first."
    )
    _add_ban(ban)
    unban = command("unban", "Lift bans, in every jail.")
    unban.add_argument("addresses", nargs="*", metavar="ADDRESS")
    unban.add_argument("--all", action="store_true", dest="everything", help="lift every ban")
    unban.add_argument("--jail", metavar="JAIL", help="in this jail only")
    command("flush", "Take the whole wall down, without a daemon.")
    command("reload", "Read the configuration again; nothing changes if it has an error.")
    command("check", "Check the configuration, and show every error with file and line.")
    _add_config(command("config", "Show the configuration that is in effect."))
    _add_regex(command("regex", "Try a filter on a text file or on the journal."))
    command("ping", "Ask whether the daemon answers.")

    args, rest = parser.parse_known_args(argv)
    if rest and (args.command != "ban" or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        # argparse gives up on a list that an option interrupts, as in `ban sshd -t 1h 192.0.2.7`.
        args.words += rest
    if args.command == "unban" and bool(args.addresses) == args.everything:
        unban.error("name the addresses to unban, or --all")
    return args


def _add_ban(ban: ArgumentParser) -> None:
    ban.add_argument(
        "words",
        nargs="+",
        metavar="[JAIL] ADDRESS",
        help="192.0.2.7, 2001:db8::1, 198.51.100.0/24",
    )
    ban.add_argument(
        "-t",
        "--time",
        metavar="DURATION",
        help="how long: 10m, 1d12h, -1 for ever (default: the jail's)",
    )
    ban.add_argument("--force", action="store_true", help="ban even what would lock you out")


def _add_config(config: ArgumentParser) -> None:
    verbs = config.add_subparsers(
        dest="verb", metavar="show", required=True, parser_class=_Parser, prog=config.prog
    )
    text = "Show what is in effect: the daemon's settings and every enabled jail, or one jail."
    show = verbs.add_parser("show", help=text, description=text)
    show.add_argument("jail", nargs="?", metavar="JAIL", help="a jail, enabled or not")
    show.add_argument(
        "--origin", action="store_true", help="name the file and line of every value"
    )
    _add_options(show, default=SUPPRESS)


def _add_regex(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a file, -, a line, or the word journal")
    parser.add_argument(
        "filter",
        metavar="FILTER",
        help="a jail, a filter like sshd[mode=extra], a file, or a regex",
    )
    parser.add_argument(
        "ignoreregex", nargs="?", metavar="IGNOREREGEX", help="what is no failure, besides"
    )
    parser.add_argument(
        "--since", metavar="TIME", help="where in the journal to begin: 2h (ago), 2026-01-31T12:00"
    )
    parser.add_argument("--until", metavar="TIME", help="and where to end")
    parser.add_argument("--match", metavar="MATCH", help="another journalmatch than the filter's")
    parser.add_argument(
        "--maxlines", type=_line_count, metavar="N", help="lines that a regex sees"
    )
    parser.add_argument("--print-all-matched", action="store_true", help="show every failure")
    parser.add_argument("--print-all-missed", action="store_true", help="show every missed line")


def _line_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_LINES):
        raise ArgumentTypeError(f"a number from 1 to {MOST_LINES}, not {text!r}")
    return int(text)


def _add_options(parser: ArgumentParser, default: str | None = None) -> None:
    config = default or CONFIG
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=config,
        metavar="DIR",
        help="configuration directory (/etc/f2b)",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        default=default,
        metavar="PATH",
        help="control socket (default: as configured)",
    )
    parser.add_argument("--json", action="store_true", default=default or False, help="print JSON")
