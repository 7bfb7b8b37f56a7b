import pytest

from f2b.config.spec import parse, split
from f2b.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("sshd", "sshd", {}),
        (" sshd ", "sshd", {}),
        ("a[]", "a", {}),
        ("a[x=1]", "a", {"x": "1"}),
        ("a [x=1]", "a", {"x": "1"}),
        ("a[x=1,]", "a", {"x": "1"}),
        ("a[x=1, y=2]", "a", {"x": "1", "y": "2"}),
        ("a[x=1][y=2]", "a", {"x": "1", "y": "2"}),
        ("a[x=1] [y=2]", "a", {"x": "1", "y": "2"}),
        ("a[x=]", "a", {"x": ""}),
        ("a[x=1 y=2]", "a", {"x": "1 y=2"}),
        ('a[x="1, [2]"]', "a", {"x": "1, [2]"}),
        ("""a[x='say "b"']""", "a", {"x": 'say "b"'}),
        ('a[x="1\n2",\n  y=3]', "a", {"x": "1\n2", "y": "3"}),
        ("a[x?family=inet6=1]", "a", {"x?family=inet6": "1"}),
        ('a[x=" 1 "]', "a", {"x": "1"}),
        ("", "", {}),
    ],
)
def test_spec(text: str, name: str, options: dict[str, str]) -> None:
    assert parse(text) == (name, options)


@pytest.mark.parametrize(
    "text",
    ["a[x]", "a[x=1,,y=2]", "a[ x = 1 ]", "a[x=1", "a]", 'a[x="1" ,y=2]', 'a[x="1]', "a[x=1]b"],
)
def test_a_wrong_spec_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert error.value.message == f"needs the form name[option=value, ...], got {text!r}"


def test_a_list_is_cut_outside_brackets() -> None:
    text = 'a b[x="1 2"]\n\tc[x=1,\n   y=2] [z=3]  d'
    assert split(text) == ["a", 'b[x="1 2"]', "c[x=1,\n   y=2] [z=3]", "d"]
