"""``f2b regex SOURCE FILTER``: what a filter finds in a text file or in the journal, without a daemon."""

import json
import re
import sys
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

from f2b.cli import lines, regex_report, tables
from f2b.cli.lines import Lines
from f2b.cli.trial import Trial, Verdict
from f2b.config.daemon import read_daemon
from f2b.config.files import Files
from f2b.config.load import idle_parameters, load_filter, load_filter_of
from f2b.config.reading import usual
from f2b.config.section import placed
from f2b.config.settings import FilterSettings, Located, Reading
from f2b.config.spec import parse
from f2b.detect.failregex import compile_failregex
from f2b.errors import Exit, F2bError, Origin, UsageError
from f2b.journal import match

JOURNAL = "journal"
INTERRUPTED = 130
PATIENCE = 0.5
"""Seconds after which a progress bar is worth its place."""

STEP = 200
"""Lines from one move of the bar to the next."""

_SPEC = re.compile(r"[\w.-]+(?:\s*\[(?:.*\]|[^\]]*))?", re.DOTALL)


def run(args: Namespace, now: float) -> int:
    """Exits with 1 if nothing matched."""
    settings = _settings(args)
    trial = Trial(settings, everything=(args.print_all_matched, args.print_all_missed))
    start = monotonic()
    interrupted = False
    source = _lines(args, settings, now)
    try:
        with closing(source), closing(_watched(args, source)) as watched:
            for verdict in map(trial.judge, watched):
                if args.json:
                    tables.say(json.dumps(_row(verdict)))
    except KeyboardInterrupt:
        interrupted = True
    seconds = monotonic() - start
    if args.json:
        tables.say(json.dumps(regex_report.totals(trial, seconds, interrupted=interrupted)))
    else:
        for table in regex_report.report(trial, seconds, interrupted=interrupted):
            tables.show(table)
    if interrupted:
        return INTERRUPTED
    return Exit.OK if trial.matched else Exit.NO


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "line": verdict.line.number,
        "matched": verdict.matched,
        "ignored": verdict.ignored,
        "regex": verdict.regex,
        "host": verdict.host,
        "time": verdict.line.time,
        "groups": verdict.groups,
    }


# --- the filter ---------------------------------------------------------------------------------


def _settings(args: Namespace) -> FilterSettings:
    settings = _filter(args)
    if args.source != JOURNAL:
        settings = settings._replace(reading=Reading.BUILT)  # the date is out of its lines already
    if not settings.failregex:
        raise UsageError(f"{args.filter!r} has no failregex", hint="there is nothing to try")
    if args.ignoreregex is not None:
        ignore = Located(args.ignoreregex, Origin("IGNOREREGEX", 0))
        settings = settings._replace(ignoreregex=(*settings.ignoreregex, ignore))
    if args.maxlines is not None:
        settings = settings._replace(maxlines=args.maxlines)
    return settings


def _filter(args: Namespace) -> FilterSettings:
    """A file is meant before a jail, a jail before a filter, and a regex if it is none of these."""
    text = args.filter
    logtype = "journal" if args.source == JOURNAL else "file"
    if file := _file(text):
        return load_filter(args.config, file, logtype=logtype)
    if not _SPEC.fullmatch(text):
        return _regex(text)
    if (
        "[" not in text
        and args.config.is_dir()
        and (found := load_filter_of(args.config, text, logtype))
    ):
        return found
    name = text.partition("[")[0].strip()
    if any((args.config / "filter.d" / f"{name}{end}").exists() for end in (".conf", ".local")):
        with placed(Origin("FILTER", 0)):
            parse(text)
        settings = load_filter(args.config, text, logtype=logtype)
        for parameter in idle_parameters(args.config, text):
            sys.stderr.write(f"f2b: {name} has no use for {parameter}\n")
        return settings
    try:
        return _regex(text)
    except F2bError as error:
        raise UsageError(
            f"there is no jail, filter or file {text!r}",
            hint=f"it was looked for in {args.config}; a regex needs <HOST> or <ADDR>",
        ) from error


def _file(text: str) -> str:
    """The text with the filter's absolute path without its ending, as a jail would name it; empty if it is no file."""
    path, bracket, options = text.partition("[")
    if not path.rstrip().endswith((".conf", ".local")):
        return ""
    file = Path(path.rstrip()).absolute()
    return f"{file.with_suffix('')}{bracket}{options}" if file.is_file() else ""


def _regex(text: str) -> FilterSettings:
    source = Located(text, Origin("FILTER", 0))
    compile_failregex(source)
    return FilterSettings(name="-", failregex=(source,), reading=usual("", [text]))


# --- the lines ----------------------------------------------------------------------------------


def _lines(args: Namespace, settings: FilterSettings, now: float) -> Lines:
    if args.source != JOURNAL:
        if args.since or args.until or args.match:
            raise UsageError("--since, --until and --match are for the journal")
        return lines.of_text(args.source, now)
    since = lines.moment(args.since, now) if args.since else 0.0
    until = lines.moment(args.until, now) if args.until else now
    if args.match:
        wanted = match.parse_text(args.match, Origin("--match", 0))
    else:
        wanted = match.parse(settings.journalmatch) if settings.journalmatch else match.EVERYTHING
    journal = read_daemon(Files(args.config))[0].journal
    return lines.of_journal(journal, wanted, since, until, settings.reading)


def _watched(args: Namespace, source: Lines) -> Lines:
    """The lines; if they take long, with a progress bar on the terminal."""
    if not sys.stderr.isatty() or (args.json and sys.stdout.isatty()):
        yield from source
        return
    start = monotonic()
    seen = 0
    for line in source:
        yield line
        seen += line.size
        if monotonic() - start > PATIENCE:
            break
    else:
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=_size(args.source), completed=seen)
        for line in source:
            yield line
            seen += line.size
            if line.number % STEP == 0:
                progress.update(task, completed=seen, description=f"line {line.number:,}")


def _size(source: str) -> int | None:
    path = Path(source)
    return path.stat().st_size if source != JOURNAL and path.is_file() else None
