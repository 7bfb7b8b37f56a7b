"""The table says what the dataclasses say."""

import pytest

from f2b.config.settings import DaemonSettings, FilterSettings, JailSettings
from f2b.config.table import SETTINGS, Setting, Where, nearest, settings

FIELDS = {
    Where.DAEMON: DaemonSettings(),
    Where.JAIL: JailSettings(name="x", filter=FilterSettings(name="x")),
    Where.FILTER: FilterSettings(name="x"),
}
PARSED = [
    row
    for row in SETTINGS
    if row.parse and hasattr(FIELDS[row.where], row.name)
    and row.name != "reading"  # what is not set follows from the filter's regexes
]  # fmt: skip


@pytest.mark.parametrize("row", PARSED, ids=lambda row: str(row.name))
def test_a_default_is_the_same_in_the_table_and_the_dataclass(row: Setting) -> None:
    assert row.parse is not None
    assert row.parse(row.default) == getattr(FIELDS[row.where], row.name)


def test_every_daemon_setting_is_in_the_table() -> None:
    rows = {row.name for row in settings(Where.DAEMON).values() if not row.ignored}
    assert rows == {*DaemonSettings._fields}


def test_every_row_says_what_it_is_for_or_why_it_does_nothing() -> None:
    assert [row.name for row in SETTINGS if bool(row.help) is bool(row.ignored)] == []


def test_no_name_stands_twice_in_a_place() -> None:
    assert len({(row.name, row.where) for row in SETTINGS}) == len(SETTINGS)


def test_nearest() -> None:
    assert nearest("bantim", ["bantime", "port"]) == "did you mean bantime?"
    assert nearest("xyzzy", ["bantime", "port"]) == ""
