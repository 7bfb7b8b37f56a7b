"""The lines behind a ban, looked up in the journal when an action asks for them."""

import asyncio
from functools import partial

from f2b.config.settings import Reading
from f2b.daemon.queue import AnyRunner
from f2b.daemon.recorder import Recorder
from f2b.decide.engine import Engine
from f2b.detect import line
from f2b.errors import F2bError
from f2b.journal.lookup import fetch
from f2b.model import Entry
from f2b.outbox import Row
from f2b.store import Store

MOST = 50
"""Lines for one tag."""


class Matches:
    """Reads the store between two transactions, and the journal in a worker thread."""

    def __init__(self, engine: Engine, recorder: Recorder, store: Store, source: str) -> None:
        self._engine = engine
        self._recorder = recorder
        self._store = store
        self._source = source

    async def asked_for(self, row: Row, runner: AnyRunner) -> dict[str, str]:
        """Those of the tags with lines, and their numbers, that the commands have."""
        found: dict[str, str] = {}
        jail = self._engine.jails.get(row.ban.jail)
        most = min(MOST, max(row.ban.failures, jail.settings.maxretry if jail else 1))
        for tag, number, where, limit in (
            ("matches", "", row.ban.jail, most),
            ("ipjailmatches", "ipjailfailures", row.ban.jail, MOST),
            ("ipmatches", "ipfailures", None, MOST),
        ):
            if not (runner.uses(tag) or (number and runner.uses(number))):
                continue
            cursors = await self._cursors(row, limit, where)
            if number:
                found[number] = str(len(cursors))
            if runner.uses(tag):
                found[tag] = await self._lines(row.ban.jail, cursors)
        return found

    async def _cursors(self, row: Row, most: int, jail: str | None) -> list[str]:
        ask = partial(self._store.cursors, row.ban.offender, row.ban.start, most, jail)
        try:
            found = await self._recorder.between(ask)
        except F2bError:
            return []  # the action is worth more than its lines
        return list(dict.fromkeys(cursor.partition(";jail=")[0] for cursor in found))

    async def _lines(self, jail: str, cursors: list[str]) -> str:
        try:
            entries = await asyncio.to_thread(fetch, self._source, cursors)
        except F2bError:
            return ""
        return "\n".join(self._line(jail, entry) for entry in entries)

    def _line(self, jail: str, entry: Entry) -> str:
        known = self._engine.jails.get(jail)
        raw = known is not None and known.settings.filter.reading is Reading.MESSAGE
        text = line.message("", entry.fields, line.CAP) if raw else line.build(entry.fields)
        return text.rstrip("\n")
