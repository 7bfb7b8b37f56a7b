"""Where a tag stands, as the shell sees it."""

import pytest

from f2b.config.shell import tags


@pytest.mark.parametrize(
    ("command", "quoting"),
    [
        ("<a>", ""),
        ('"<a>"', '"'),
        ("'<a>'", "'"),
        ("'x' \"<a>\"", '"'),
        ("'\"' <a>", ""),
        ('"\'" <a>', ""),
        ('"it\'s <a>"', '"'),
        (r"\' <a>", ""),
        (r"\" <a>", ""),
        (r'"\"<a>"', '"'),
        (r"'\' <a>", ""),
        ('"$(<a>)"', ""),
        ('"$(x "<a>")"', '"'),
        ('"$(x)<a>"', '"'),
        ('"(<a>"', '"'),
        ('"`x <a>`"', ""),
        ('"`x` <a>"', '"'),
        ("(x '<a>')", "'"),
        ("# don't\n<a>", ""),
        ("x#'<a>'", "'"),
        ("${#x} '<a>'", "'"),
        ("case x in y) <a>;; esac", ""),
        ('"x\n<a>"', '"'),
    ],
)
def test_quoting(command: str, quoting: str) -> None:
    (tag,) = tags(command)
    assert (tag.name, tag.quoting.value) == ("a", quoting)
    assert command[tag.start : tag.end] == "<a>"


def test_what_is_no_tag() -> None:
    assert [*tags("cat </etc/passwd <<EOF 2>&1 <1> < a > b # <a>")] == []
