"""How answers look: rich tables on a terminal, the same cells as aligned text in a pipe."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from f2b import times
from f2b.protocol import ActionRow, BanRow, DaemonStatus, JailRow, JailStatus, SlowLaneRow

MOST_DRAWN = 1000
"""Rows of a table with colours and borders: a third of a second. Of 100,000 it would be 40."""


class Table(NamedTuple):
    """A title line, column heads and cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()


def show(table: Table) -> None:
    """Print to standard output."""
    if sys.stdout.isatty() and len(table.rows) <= MOST_DRAWN:
        _show_rich(table)
    else:
        sys.stdout.write(plain(table))


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def plain(table: Table) -> str:
    lines = [table.title] if table.title else []
    cells = [table.heads, *table.rows] if table.rows else []
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.heads))] if cells else []
    for row in cells:
        padded = [
            cell.rjust(width) if head in table.numeric else cell.ljust(width)
            for cell, width, head in zip(row, widths, table.heads, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n" if lines else ""


def banned(rows: dict[str, list[BanRow]], now: float) -> Table:
    cells = [(jail, *_ban_cells(row, now)) for jail, bans in rows.items() for row in bans]
    return Table("" if cells else "Nobody is banned.", ("JAIL", *_BAN_HEADS), cells, _NUMERIC)


def status(answer: DaemonStatus, now: float) -> Table:
    degraded = "".join(f"\n{answer['backend']}: {loss}" for loss in answer["reduced"])
    degraded += "".join(f"\ndegraded: {why}" for why in answer["degraded"])
    counted = ", ".join(
        f"{name.replace('_', ' ')} {number}"
        for name, number in answer["counters"].items()
        if number
    )
    read = (
        "nothing yet" if answer["position"] is None else f"read up to {clock(answer['position'])}"
    )
    title = (
        f"f2b {answer['version']}, up {times.duration_text(max(0, round(now - answer['since'])))}, "
        f"journal {answer['journal']} {read}, sieve {answer['sieve'] or 'none'}, backend {answer['backend']}{degraded}"
    )
    if why := answer.get("backend_why"):
        title += f"\nnot a better backend because of {why}"
    for row in answer.get("lacking", ()):
        title += f"\n{row['text']}:\n  {row['command']}"
    title += f"\n{counted}" if counted else ""
    heads = ("JAIL", "FAILING", "FOUND", "IGNORED", "BANNED", "BANNED EVER", "STATE")
    rows = [_jail_cells(row) for row in answer["jails"]]
    return Table(title, heads, rows, frozenset(heads[1:-1]))


def jail(answer: JailStatus, now: float) -> Table:
    bantime = answer["bantime"]
    lasts = "for ever" if bantime is None else f"for {times.duration_text(bantime)}"
    lasts += ", longer each time" if answer["increment"] else ""
    rule = f"{answer['maxretry']} failures in {times.duration_text(answer['findtime'])}, banned {lasts}"
    reading = f" (reading {answer['reading']})" if answer["reading"] else ""
    matches = "".join(
        f"\njournalmatch  {line}" for text in answer["journalmatch"] for line in text.splitlines()
    )
    title = (
        f"{answer['name']}: filter {answer['filter'] or 'none'}{reading}, {rule}{matches}\n"
        f"found {answer['found']}, failing {answer['failing']}, ignored {answer['ignored']}, "
        f"banned {answer['banned']} (ever {answer['banned_total']}), {_state(answer)}"
        f"{_slow_lane(answer['slow_lane'])}{_actions(answer['actions'])}"
    )
    bans = answer["bans"]
    cells = [_ban_cells(row, now) for row in bans]
    if not any("packets" in row for row in bans):
        return Table(title, _BAN_HEADS, cells, _NUMERIC)
    *heads, last = _BAN_HEADS
    stopped = ([str(row.get(name, "")) for name in ("packets", "bytes")] for row in bans)
    counted = [(*cell[:-1], *each, cell[-1]) for cell, each in zip(cells, stopped, strict=True)]
    return Table(title, (*heads, "PACKETS", "BYTES", last), counted, _NUMERIC)


def _slow_lane(row: SlowLaneRow) -> str:
    lines = [
        f"\nslow regex at {each['regex']}: quarantined for {times.duration_text(round(each['left']))} more"
        for each in row["quarantined"]
    ]
    if row["waiting"] or row["not_judged"]:
        lines.append(
            f"\nin the slow lane {row['waiting']} lines wait, {row['not_judged']} could not be judged"
        )
    return "".join(lines)


def _actions(rows: Iterable[ActionRow]) -> str:
    return "".join(
        f"\naction {row['name']}: {row['waiting']} waiting"
        + (f", {row['given_up']} given up" if row["given_up"] else "")
        + (f", FAILS: {row['failing']}" if row["failing"] else "")
        for row in rows
    )


def clock(stamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))


_BAN_HEADS = ("BANNED", "SINCE", "ENDS IN", "OFFENCE", "FAILURES", "BY", "WALL")
_NUMERIC = frozenset({"OFFENCE", "FAILURES", "PACKETS", "BYTES"})


def _ban_cells(row: BanRow, now: float) -> tuple[str, ...]:
    until = row["until"]
    left = "never" if until is None else times.duration_text(max(0, round(until - now)))
    wall = "enforced" if row["enforced"] else f"NOT ENFORCED: {row.get('why', '')}"
    return (
        row["offender"],
        clock(row["start"]),
        left,
        str(row["offence"]),
        str(row["failures"]),
        row["source"],
        wall,
    )


def _jail_cells(row: JailRow) -> tuple[str, ...]:
    figures = (row["failing"], row["found"], row["ignored"], row["banned"], row["banned_total"])
    return (row["name"], *map(str, figures), _state(row))


def _state(row: JailRow) -> str:
    if row["broken"]:
        return f"BROKEN: {row['broken']}"
    does = "watching"
    if row["catching_up"] is not None:
        does = f"catching up, {row['catching_up']:.0%}"
    if number := row.get("unenforced"):
        return f"NOT ENFORCED: {number} of {row['banned']}; {does}"
    return does


def _show_rich(table: Table) -> None:
    # rich costs 40 ms: only a terminal pays.
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if table.title:
        console.print(Text(table.title))
    if not table.rows:
        return
    drawn = RichTable(box=box.ROUNDED, header_style="bold")
    for head in table.heads:
        drawn.add_column(
            head, justify="right" if head in table.numeric else "left", overflow="fold"
        )
    for row in table.rows:
        drawn.add_row(*_coloured(row, Text))
    console.print(drawn)


def _coloured(row: Iterable[str], text: Any) -> list[Any]:
    colours = {"enforced": "green", "watching": "green"}
    loud = ("NOT ENFORCED", "BROKEN")
    return [
        text(cell, style="bold red" if cell.startswith(loud) else colours.get(cell, ""))
        for cell in row
    ]
