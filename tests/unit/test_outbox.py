"""What is to be done is written with the decision, once, and gone when it is done."""

import sqlite3
from pathlib import Path

from f2b.addresses import parse
from f2b.model import Ban, Banned
from f2b.outbox import Row, Step
from f2b.schema import VERSION
from f2b.store import Batch, Store

BAN = Ban("sshd", parse("2001:db8::/64"), 1.5, 9.0, 2, failures=3)
ROW = Row(2.0, "mail", Step.BAN, BAN, (("user", "x'\n"),))


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f2b.sqlite3"
    store = Store(path)
    unban = Row(3.0, "mail", Step.UNBAN, BAN)
    store.commit(Batch((Banned(BAN),), outbox=(ROW,)))
    store.commit(Batch(outbox=(unban, ROW)))
    store.close()
    store = Store(path)
    assert store.waiting() == [ROW, unban]
    store.commit(Batch(done=(ROW.id,)))
    assert store.waiting() == [unban]
    store.close()


def test_ids() -> None:
    assert len({ROW.id, ROW._replace(step=Step.UNBAN).id, ROW._replace(action="x").id}) == 3
    assert ROW._replace(ban=BAN._replace(until=99.0), at=7.0).id == ROW.id
    later = ROW._replace(step=Step.PROLONG)
    assert later._replace(ban=BAN._replace(until=99.0)).id != later.id


def test_a_database_of_before_gets_an_outbox(tmp_path: Path) -> None:
    path = tmp_path / "f2b.sqlite3"
    store = Store(path)
    store.commit(Batch((Banned(BAN),)))
    store.close()
    with sqlite3.connect(path) as old:
        old.executescript("DROP TABLE outbox; PRAGMA user_version = 1;")
    old.close()
    store = Store(path)
    assert store.set_aside is None
    assert list(store.bans("sshd")) == [BAN]
    store.commit(Batch(outbox=(ROW,)))
    assert store.waiting() == [ROW]
    store.close()
    with sqlite3.connect(path) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (VERSION,)
    new.close()
