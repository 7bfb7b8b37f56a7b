"""The man pages name every setting, with its default."""

from pathlib import Path

import pytest

from f2b.config.table import SETTINGS, Setting, Where

MAN = Path(__file__).parents[3] / "man"
PAGES = {
    Where.DAEMON: "f2b.conf.5",
    Where.JAIL: "f2b-jail.conf.5",
    Where.FILTER: "f2b-filter.5",
}


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: f"{row.where}: {row.name}")
def test_a_setting_is_in_its_manual(row: Setting) -> None:
    text = (MAN / PAGES[row.where]).read_text(encoding="utf-8").replace("\\-", "-")
    headings = [line.split() for line in text.splitlines() if line.startswith((".B ", ".BR "))]
    assert any(row.name in words[1:] for words in headings)
    if row.parse is not None and row.default:
        restart = " *" if row.restart else ""
        assert f'.BR {row.name} " = {row.default}{restart}"\n' in text
