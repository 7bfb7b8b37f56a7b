"""Whatever stands in the files, the loader answers with a Config or with an F2bError."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b.config.effective import effective_daemon, effective_jails
from f2b.config.files import Files
from f2b.config.load import load, load_filter
from f2b.config.spec import parse, split
from f2b.errors import F2bError
from tests.unit.config.tree import write

# Lines that mean something, so that the junk gets past the first check.
LINES = st.sampled_from(
    [
        "[DEFAULT]",
        "[INCLUDES]",
        "[Definition]",
        "[Init]",
        "[a]",
        "[a?family=inet6]",
        "enabled = true",
        "filter = %(__name__)s[mode=%(mode)s]",
        "filter = a[x=1",
        "filter =",
        "before = a.conf",
        "after = jail.conf",
        "x = %(x)s%(known/x)s%(default/x)s",
        "failregex = <mdre-<mode>> %(known/failregex)s",
        "  <x> <HOST>",
        "mdre-normal = <x><known/x>",
        "journalmatch = *",
        "source = bans",
        "bantime = 1h30 * (",
        "ignoreip = ::1 x",
        "banaction = nftables[type=multiport, port=%(port)s]",
        "action = %(action_mwl)s",
        "port = 1:",
        "# comment",
        "",
    ]
)
JUNK = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
TEXTS = st.lists(LINES | JUNK, max_size=25).map("\n".join)
CONTENTS = TEXTS.map(str.encode) | st.binary(max_size=60)
NAMES = ["f2b.conf", "jail.conf", "jail.d/a.conf", "jail.local", "filter.d/a.conf", "a.conf"]
NAMES += ["action.d/nftables-common.local"]
TREES = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, CONTENTS))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(deadline=None)  # files are written
@given(TREES)
def test_a_load_ends_in_a_config_or_an_f2b_error(root: Path, tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=root) as name:
        directory = write(Path(name), tree)
        try:
            loaded = load(directory)
        except F2bError:
            return
        assert all(str(problem) for problem in loaded.problems)


@settings(deadline=None)
@given(TREES)
def test_what_is_in_effect_is_shown_or_an_f2b_error(root: Path, tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=root) as name:
        files = Files(write(Path(name), tree))
        with suppress(F2bError):
            effective_daemon(files)
        with suppress(F2bError):
            assert all(str(error) for jail in effective_jails(files) for error in jail.errors)


@settings(deadline=None)
@given(CONTENTS, st.text(max_size=20) | st.just("a"))
def test_a_filter_ends_in_settings_or_an_f2b_error(root: Path, content: bytes, spec: str) -> None:
    with tempfile.TemporaryDirectory(dir=root) as name:
        directory = write(Path(name), {"filter.d/a.conf": content})
        with suppress(F2bError):
            load_filter(directory, spec)


@given(st.text(alphabet="ab[]=,\"' \n", max_size=30))
def test_a_list_of_specs_is_cut_and_read_or_refused(text: str) -> None:
    for item in split(text):
        with suppress(F2bError):
            parse(item)
