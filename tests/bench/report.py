"""The table, the record in bench.json, and what the quick form compares with it."""

import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.plot import svg
from tests.bench.rows import NONE, Judge, Row
from tests.bench.stock import PACKAGE
from tests.support.processes import CHECKOUT

RECORD = Path(__file__).with_name("bench.json")
PLOTS = CHECKOUT / "doc"
LOST = 2 / 3
"""A ratio may fall to this part of its record, for the machine's noise."""
RECENT = 3
"""So many recorded runs make the record: a shared machine is at times in another mood."""

Results = Mapping[str, Sequence[Row]]


def show(results: Results) -> None:
    table = Table("what", "f2b", "peer", "floor", "ratio", "must", "aim", "met")
    for column in table.columns[1:]:
        column.justify = "right"
    for measure, rows in results.items():
        table.add_section()
        table.add_row(measure.upper())
        for row in rows:
            table.add_row(
                f"  {row.what}" + (f" ({row.note})" if row.note else ""),
                *(_figure(values, row.unit) for values in (row.ours, row.peer, row.floor)),
                _ratio(row),
                str(row.must or ""),
                str(row.aim or ""),
                {True: "yes", False: "NO", None: ""}[row.met],
            )
    # Where nobody looks, as in a CI log, lines are as long as they must be.
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    if missed := unmet(results):
        console.print(f"{len(missed)} lines are not met.")


def unmet(results: Results) -> list[str]:
    return [row.what for rows in results.values() for row in rows if row.met is False]


def _figure(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    value = median(values)
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _ratio(row: Row) -> str:
    """What is judged; or where our own figure is judged, how it compares."""
    if row.judge is Judge.VALUE:
        row = replace(row, judge=Judge.GAIN if row.peer else Judge.COST)
    if row.judged is None:
        return ""
    figure = (
        f"{row.judged:.1f}" if row.more_is_better and row.judged >= 10 else f"{row.judged:.2f}"
    )
    return f"{figure} {row.judge}"


def record(results: Results, form: str) -> None:
    """Replace what these measures have in bench.json for this form, and what is said there of the machine."""
    kept = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    said = machine()
    before = kept.get(form, {}).get("measures", {})
    measures = before | {
        name: [_plain(row) | _recent(row, before.get(name, ())) for row in rows]
        for name, rows in results.items()
    }
    kept[form] = {"machine": said, "versions": versions(), "measures": measures}
    RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    for series in (row.series for found in results.values() for row in found if row.series):
        subtitle = f"first point = 1 · {said['date']} · {said['cpu']}, {said['cores']} cores"
        PLOTS.mkdir(exist_ok=True)
        name = series.axis.rpartition(" ")[2]
        (PLOTS / f"growth-{name}.svg").write_text(svg(series, subtitle))


def _plain(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"what": row.what, "unit": row.unit}
    for name, values in (("f2b", row.ours), ("peer", row.peer), ("floor", row.floor)):
        if values:
            found[name] = {"median": _short(median(values)), "all": [_short(v) for v in values]}
    if row.judged is not None:
        found |= {"judged": _short(row.judged), "as": row.judge.value}
    found |= {"must": str(row.must)} if row.must else {}
    found |= {"aim": str(row.aim)} if row.aim else {}
    found |= {"met": row.met} if row.met is not None else {}
    return found | ({"note": row.note} if row.note else {})


def _recent(row: Row, before: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Its ratio now, and those of the runs recorded before."""
    if row.judged is None or row.judge is Judge.VALUE:
        return {}
    known: Sequence[float] = next(
        (each.get("recent", ()) for each in before if each["what"] == row.what), ()
    )
    return {"recent": [*known, _short(row.judged)][-RECENT:]}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def pooled(results: Results, more: Results) -> Results:
    """Both as if measured in one run."""
    return {
        name: [_pooled(*both) for both in zip(rows, more[name], strict=True)]
        for name, rows in results.items()
    }


def _pooled(row: Row, more: Row) -> Row:
    return replace(
        row,
        ours=[*row.ours, *more.ours],
        peer=[*row.peer, *more.peer],
        floor=[*row.floor, *more.floor],
    )


def losses(results: Results) -> dict[str, list[str]]:
    """The ratios that are worse than all that is recorded of them by more than noise, by measure."""
    recorded = json.loads(RECORD.read_text())["quick"]["measures"] if RECORD.exists() else {}
    found: dict[str, list[str]] = {}
    for measure, rows in results.items():
        before = {row["what"]: row.get("recent", ()) for row in recorded.get(measure, ())}
        if lost := [text for row in rows if (text := _loss(row, before.get(row.what, ())))]:
            found[measure] = lost
    return found


def _loss(row: Row, recorded: Sequence[float]) -> str:
    if row.must == NONE and not row.met:
        return f"{row.what}: {row.judged:g} {row.note}"
    now = row.judged
    if not recorded or now is None:
        return ""
    then = min(recorded) if row.more_is_better else max(recorded)
    kept = now / then if row.more_is_better else then / now
    return (
        f"{row.what}: {now:.2f} {row.judge}, and {then:.2f} in the record" if kept < LOST else ""
    )


def machine() -> dict[str, str]:
    """Its kind, never its name."""
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{system}, Linux {platform.release().partition('-')[0]}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in ("systemd-python", "pyroute2", "hyperscan"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found["systemd"] = _first(["journalctl", "--version"]).split()[1]
    found["nftables"] = _first(["nft", "--version"]).split()[1]
    eggs = PACKAGE.glob("usr/lib/python3/dist-packages/fail2ban-*.egg-info")
    found["fail2ban"] = "".join(egg.stem.partition("-")[2] for egg in eggs)
    git = ["git", "-C", str(CHECKOUT)]
    changed = _first([*git, "status", "--porcelain", "f2b", "etc"], "")
    found["f2b"] = _first([*git, "rev-parse", "--short", "HEAD"]) + (
        " and more" if changed else ""
    )
    return found


def _first(command: Sequence[str], otherwise: str = "unknown unknown") -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] or otherwise
