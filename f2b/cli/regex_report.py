"""How the findings of `f2b regex` look."""

from collections.abc import Iterator
from typing import Any

from f2b.cli.lines import Line
from f2b.cli.tables import Table, counted
from f2b.cli.trial import Clock, Trial, Verdict

LONGEST = 500
SLOW = 0.1
"""A regex that took this share of the time is shown even if it found nothing."""


def report(trial: Trial, seconds: float, *, interrupted: bool) -> Iterator[Table]:
    yield _regexes(trial, _summary(trial, seconds, interrupted=interrupted))
    examples = sorted(
        (verdict for clock in trial.clocks for verdict in clock.examples),
        key=lambda verdict: verdict.line.number,
    )
    rows = [_example(verdict) for verdict in examples]
    heads = ("LINE", "REGEX", "HOST", "TEXT")
    yield from _some("failures", heads, rows, trial.matched, "--print-all-matched")
    rows = [_text(line) for line in trial.ignored_lines]
    yield from _some("ignored lines", ("LINE", "TEXT"), rows, trial.ignored)
    rows = [_text(line) for line in trial.missed]
    yield from _some("missed lines", ("LINE", "TEXT"), rows, trial.misses, "--print-all-missed")
    if trial.dates:
        dates = [(str(count), shape) for shape, count in trial.dates.most_common()]
        yield Table("\ndates", ("LINES", "WRITTEN AS"), dates, frozenset({"LINES"}))


def totals(trial: Trial, seconds: float, *, interrupted: bool) -> dict[str, Any]:
    """The last object of the JSON."""
    return {
        "lines": trial.lines,
        "matched": trial.matched,
        "names": trial.names,
        "ignored": trial.ignored,
        "helpers": trial.helpers,
        "missed": trial.misses,
        "dates": dict(trial.dates),
        "seconds": round(seconds, 6),
        "interrupted": interrupted,
        "regexes": [
            {
                "kind": clock.kind,
                "regex": clock.text,
                "hits": clock.hits,
                "ms": clock.milliseconds,
                "slowest_ms": round(clock.slowest * 1000, 3),
                "slowest_line": clock.slowest_line or None,
            }
            for clock in trial.clocks
        ],
    }


def _summary(trial: Trial, seconds: float, *, interrupted: bool) -> str:
    parts = [counted(trial.matched, "failure")]
    if trial.helpers:
        parts.append(f"{trial.helpers} that say more of a session or name nobody")
    parts += [f"{trial.ignored} ignored", f"{trial.misses} missed"]
    text = f"{counted(trial.lines, 'line')} in {seconds:.2f} s: {', '.join(parts)}"
    if trial.names:
        text += f"\n{trial.names} of the failures name a host or an id: no address, nothing to ban without usedns"
    if interrupted:
        where = f" in {trial.running.kind} {shown(trial.running.text)}" if trial.running else ""
        text += f"\ninterrupted at line {trial.lines}{where}"
    return text


def _regexes(trial: Trial, title: str) -> Table:
    counts: dict[str, int] = {}
    rows = []
    spent = sum(clock.seconds for clock in trial.clocks)
    idle = 0
    for clock in trial.clocks:
        number = counts[clock.kind] = counts.get(clock.kind, -1) + 1
        if clock.hits or clock.seconds > SLOW * spent or clock is trial.running:
            rows.append(_cells(clock, number))
        else:
            idle += 1
    if idle:
        title += f"\n{idle} other regex{'' if idle == 1 else 'es'} took no line"
    heads = ("REGEX", "HITS", "MS", "SLOWEST", "AT LINE", "TEXT")
    return Table(title, heads, rows, frozenset(heads[1:5]))


def _cells(clock: Clock, number: int) -> tuple[str, ...]:
    name = {"failregex": str(number), "ignoreregex": f"ignore {number}", "prefregex": "prefix"}
    return (
        name[clock.kind],
        "" if clock.kind == "prefregex" else str(clock.hits),
        f"{clock.seconds * 1000:.1f}",
        f"{clock.slowest * 1000:.1f}",
        str(clock.slowest_line or ""),
        shown(clock.text),
    )


def _some(
    title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]], count: int, option: str = ""
) -> Iterator[Table]:
    if not rows:
        return
    if len(rows) < count:
        title += f", {len(rows)} of {count}" + (f" ({option} shows them)" if option else "")
    yield Table(f"\n{title}", heads, rows, frozenset({"LINE"}))


def _example(verdict: Verdict) -> tuple[str, ...]:
    number, text = _text(verdict.line)
    return (number, str(verdict.regex), shown(verdict.host or ""), text)


def _text(line: Line) -> tuple[str, str]:
    return (str(line.number), shown(line.text))


def shown(text: str) -> str:
    """Text from a log may hold what a terminal obeys."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
