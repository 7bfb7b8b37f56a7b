import pytest

from f2b.config.tags import substitute
from f2b.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a>", "1"),
        ("x<a><a>y", "x11y"),
        ("<HOST> <a>", "<HOST> 1"),
        ("<unknown>", "<unknown>"),
        ("< a>", "< a>"),
        ("<nested>", "<1>"),
        ("<mdre-<mode>>", "normal lines 1"),
        ("<mdre-<a>>", "<mdre-1>"),
        ("(?P<a>x)", "(?P1x)"),
        ("(?<=x)<a>", "(?<=x)1"),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    known = {"a": "1", "nested": "<<a>>", "mode": "normal", "mdre-normal": "normal lines <a>"}
    assert substitute(text, known.get) == expected


def test_a_tag_that_refers_to_itself_is_an_error() -> None:
    known = {"a": "<b>", "b": "x<c>", "c": "<a>"}
    with pytest.raises(ConfigError) as error:
        substitute("<a>", known.get)
    assert str(error.value) == "<a> refers to itself (a in c in b in a)"


def test_tags_that_grow_for_ever_are_an_error() -> None:
    known = {"a": "a><<a><"}
    with pytest.raises(ConfigError):
        substitute("<<a>" * 3, known.get)
