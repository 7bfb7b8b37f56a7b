"""The dialect: syntax, layers, includes, interpolation, and the origin of every line."""

from pathlib import Path

import pytest

from f2b.config.files import Files
from f2b.config.problems import ConfigErrors
from f2b.errors import ConfigError
from tests.unit.config.tree import layers, value, write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "1"),
        ("x=1", "1"),
        ("x : 1", "1"),
        ("x = a = b : c", "a = b : c"),
        ("X = 1", "1"),
        ("x =", ""),
        ("x = 1 ; a comment", "1"),
        ("x = 1\t; a comment", "1"),
        ("x = (%(y)s)\ny = 1  ; a comment", "(1)"),
        ("x = (%(y)s)\ny = 1 \t", "(1)"),
        ("x = 1;2;", "1;2;"),
        ("x = '1 ; 2'", "'1"),
        ("x = 1 # no comment", "1 # no comment"),
        ("x = 1\n  2\n\t3", "1\n2\n3"),
        ("x =\n  1\n  2", "\n1\n2"),
        ("x = 1\n# a comment\n  ; another\n  2", "1\n2"),
        ("x = 1\n\n  2\n\n", "1\n\n2"),
        ("x = 1\n  [b]\n  y = 2", "1\n[b]\ny = 2"),
        ("x = 1\r\n  2\r\n", "1\n2"),
        ("x = ${y}", "${y}"),
    ],
)
def test_a_value_is_read_as_fail2ban_reads_it(tmp_path: Path, text: str, expected: str) -> None:
    assert value(tmp_path, {"jail.conf": f"[a]\n{text}"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n[a]", "jail.conf:1: a line before the first section (write [DEFAULT] above it)"),
        ("[a]\nx = 1\n\nX = 2", "jail.conf:4: x is set a second time in [a] (keep one of them)"),
        (
            "[a]\nx = 1\n[b\nx = 2",
            (
                "jail.conf:3: neither a section nor a setting"
                " (write name = value; lines that continue a value are indented)"
            ),
        ),
        ("[a]\n[b]\n[a]", "jail.conf:3: [a] begins a second time in this file (join the two)"),
        (
            "[a]\n\nx",
            (
                "jail.conf:3: neither a section nor a setting"
                " (write name = value; lines that continue a value are indented)"
            ),
        ),
    ],
)
def test_a_syntax_error_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigErrors) as errors:
        layers(tmp_path, {"jail.conf": text})
    assert str(errors.value) == message


def test_all_files_are_read_before_their_errors_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as errors:
        layers(tmp_path, {"jail.conf": "[a]\nx\ny", "jail.d/b.conf": "z = 1"})
    places = [str(error.origin) for error in errors.value.errors]
    assert places == ["jail.conf:2", "jail.conf:3", "jail.d/b.conf:1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[a]\nx = \xff\n", "jail.conf:2: holds a byte that is not UTF-8"),
        (b"\xef\xbb\xbf[a]\n", "jail.conf:1: holds a byte order mark"),
        ("[a]\n".encode("utf-16"), "jail.conf:1: holds a byte order mark"),
        (b"[a]\n\nx = \0\n", "jail.conf:3: holds a NUL byte"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    files = Files(write(tmp_path, {"jail.conf": content}))
    with pytest.raises(ConfigErrors) as errors:
        files.layers("jail")
    assert str(errors.value) == f"{message} (save it as plain UTF-8 text)"


def test_an_unreadable_file_is_an_error_and_not_absent(tmp_path: Path) -> None:
    (tmp_path / "jail.conf").symlink_to("jail.conf")
    with pytest.raises(ConfigErrors) as errors:
        Files(tmp_path).layers("jail")
    reason = "cannot be read: Too many levels of symbolic links"
    assert str(errors.value) == f"jail.conf: {reason} (see ls -l {tmp_path}/jail.conf)"


def test_a_closed_directory_is_an_error_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigErrors) as errors:
        Files(tmp_path).layers("jail")
    reason = "jail.d: cannot be read: Permission denied"
    assert str(errors.value) == f"{reason} (see ls -l {tmp_path}/jail.d)"


def test_later_layers_override_earlier_ones(tmp_path: Path) -> None:
    names = ["jail.conf", "jail.d/a.conf", "jail.d/b.conf", "jail.local", "jail.d/a.local"]
    files = {}
    for index, name in enumerate(names):
        files[name] = f"[a]\nx = {name}\nonly{index} = {name}\n"
        assert value(tmp_path, files) == name
    dialect = layers(tmp_path, files)
    assert [dialect.has_option("a", f"only{index}") for index in range(5)] == [True] * 5


def test_a_local_file_needs_no_conf_and_dot_files_are_skipped(tmp_path: Path) -> None:
    files = {
        "jail.local": "[a]\nx = 1",
        "jail.d/.x.conf": "[a]\nx = 2",
        "jail.d/x.cf": "[a]\nx = 3",
    }
    assert value(tmp_path, files) == "1"


def test_without_any_file_there_is_nothing(tmp_path: Path) -> None:
    assert Files(tmp_path).layers("jail") is None


def test_a_filter_has_layers_too(tmp_path: Path) -> None:
    files = {
        "filter.d/f.conf": "[Definition]\nx = 1",
        "filter.d/f.d/y.conf": "[Definition]\nx = 2",
    }
    assert layers(tmp_path, files, "filter.d/f").get("Definition", "x").startswith("2")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"jail.conf": "[INCLUDES]\nbefore = b.conf\n[a]\nx = own", "b.conf": "[a]\nx = b"},
            "own",
        ),
        ({"jail.conf": "[INCLUDES]\nafter = b.conf\n[a]\nx = own", "b.conf": "[a]\nx = b"}, "b"),
        ({"jail.conf": "[INCLUDES]\nbefore = b.conf", "b.local": "[a]\nx = local"}, "local"),
        (
            {
                "jail.conf": "[INCLUDES]\nbefore = b.conf\n  c.conf",
                "b.conf": "[a]\nx = b",
                "c.conf": "[a]\nx = c",
            },
            "c",
        ),
        ({"jail.conf": "[INCLUDES]\nbefore = none.conf\n[a]\nx = own"}, "own"),
        ({"jail.conf": "[INCLUDES]\nbefore = jail.conf\n[a]\nx = own"}, "own"),
        (
            {
                "jail.conf": "[INCLUDES]\nbefore = b.conf",
                "b.conf": "[INCLUDES]\nafter = ./x/../jail.conf\n[a]\nx = b",
                "x/y": "",
            },
            "b",
        ),
        (
            {
                "jail.conf": "[INCLUDES]\nafter = sub/b.conf",
                "sub/b.conf": "[INCLUDES]\nafter = c.conf",
                "sub/c.conf": "[a]\nx = c",
            },
            "c",
        ),
        ({"jail.conf": "[includes]\nafter = b.conf\n[a]\nx = own", "b.conf": "[a]\nx = b"}, "own"),
    ],
)
def test_includes(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert value(tmp_path, files) == expected


@pytest.mark.parametrize("name", ["/", ".", "..", "x" * 300])
def test_an_include_that_is_no_file_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read"):
        layers(tmp_path, {"jail.conf": f"[INCLUDES]\nbefore = {name}"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nx = %(y)s\ny = 1", "1"),
        ("[a]\nx = %(Y)s\ny = 1", "1"),
        ("[DEFAULT]\ny = 1\n[a]\nx = <%(y)s>", "<1>"),
        ("[DEFAULT]\ny = 1\n[a]\nx = %(y)s\ny = 2", "2"),
        ("[DEFAULT]\nx = %(__name__)s\n[a]", "a"),
        ("[a]\nx = 100%%", "100%"),
        ("[a]\nx = %(y)s\ny = 100%%", "100%"),
        ("[DEFAULT]\nz = default\n[b]\ny = %(z)s\n[a]\nz = mine\nx = %(b/y)s", "mine"),
        ("[DEFAULT]\ny = 1\n[b]\n[a]\nx = %(b/y)s", "1"),
        ("[Upper]\ny = 1\n[a]\nx = %(Upper/y)s", "1"),
        ("[DEFAULT]\nx = 1\n[a]\nx = %(default/x)s 2", "1 2"),
        ("[DEFAULT]\nx = 1\n[a]\nx = %(known/x)s 2", "1 2"),
        ("[a]\nx = 1\n[a?family=inet6]\nx = 2", "1"),
    ],
)
def test_interpolation(tmp_path: Path, text: str, expected: str) -> None:
    assert value(tmp_path, {"jail.conf": text}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = %(y)s", "jail.conf:2: %(y)s is not defined (seen from [a])"),
        ("x = 1\n  %(known/y)s", "jail.conf:3: %(known/y)s is not defined (seen from [a])"),
        ("x = %(none/y)s", "jail.conf:2: %(none/y)s is not defined (seen from [a])"),
        ("x = 50%", "jail.conf:2: a lone '%' means nothing (write %% for a percent sign)"),
        ("x = %(y", "jail.conf:2: a lone '%' means nothing (write %% for a percent sign)"),
        (
            "x = %(y)s\ny = %(x)s",
            "jail.conf:2: %(y)s nests more than 10 deep (does it refer to itself?)",
        ),
    ],
)
def test_an_interpolation_that_fails_names_the_line_that_asks(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        value(tmp_path, {"jail.conf": f"[a]\n{text}"})
    assert str(error.value) == message


def test_a_conditional_section_is_folded_into_its_base(tmp_path: Path) -> None:
    files = {"jail.conf": "[a?family=inet6]\nx = 2\n"}
    assert value(tmp_path, files, option="x?family=inet6") == "2"


@pytest.mark.parametrize("section", ["a", "DEFAULT"])
def test_known_remembers_every_generation(tmp_path: Path, section: str) -> None:
    files = {
        "jail.conf": f"[{section}]\nx = 1\n",
        "jail.d/2.conf": f"[{section}]\nx = %(known/x)s 2\n",
        "jail.d/3.conf": f"[{section}]\nx = %(known/x)s 3\n",
        "jail.local": f"[{section}]\nx = %(known/x)s 4\n",
        "jail.d/a.local": "[a]",
    }
    assert value(tmp_path, files) == "1 2 3 4"


def test_known_reaches_down_to_default(tmp_path: Path) -> None:
    files = {
        "jail.conf": "[DEFAULT]\nx = 1\n[a]\nx = %(known/x)s 2\n",
        "jail.local": "[a]\nx = %(known/x)s 3\n",
    }
    assert value(tmp_path, files) == "1 2 3"


def test_every_line_knows_where_it_was_written(tmp_path: Path) -> None:
    text = {
        "jail.conf": "[b]\nold =\n  1\n\n  2\n[a]\n\nx =\n  zero\n  %(b/old)s\n  %(end)s $\n",
        "jail.d/end.conf": "[DEFAULT]\nend = 3",
    }
    files = Files(write(tmp_path, text))
    dialect = files.layers("jail")
    assert dialect is not None
    marked = dialect.get("a", "x")
    assert [(line.text, str(line.origin)) for line in files.marks.lines(marked)] == [
        ("zero", "jail.conf:9"),
        ("1", "jail.conf:3"),
        ("2", "jail.conf:5"),
        ("3 $", "jail.conf:11"),
    ]
    assert str(files.marks.located(marked).origin) == "jail.conf:8"


def test_a_file_outside_is_named_in_full(tmp_path: Path) -> None:
    outside = tmp_path / "outside.conf"
    write(tmp_path, {"outside.conf": "oops", "in/jail.conf": f"[INCLUDES]\nafter = {outside}"})
    with pytest.raises(ConfigErrors, match=f"^{outside}:1: "):
        Files(tmp_path / "in").layers("jail")
