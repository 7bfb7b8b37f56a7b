"""What must stand in the message, by the regex, whatever its head."""

import re
import sys

import pytest

from f2b.detect.automaton import expression, written
from f2b.detect.factor import in_message, trimmed
from f2b.detect.shape import NoShapeError, shape
from f2b.detect.symbols import RELATED, encoded, mask_of
from f2b.detect.words import clauses


def factor(regex: str, prefregex: str | None = None, *, small: bool = False) -> str:
    """The factor in the line that is built, as hyperscan would read it."""
    prefix = re.compile(prefregex) if prefregex else None
    return plain(written(trimmed(in_message(shape(re.compile(regex), prefix), small=small))))


def alone(regex: str, prefregex: str | None = None) -> str:
    """The same where the message is the whole line."""
    prefix = re.compile(prefregex) if prefregex else None
    return plain(written(trimmed(shape(re.compile(regex), prefix))))


def plain(text: str) -> str:
    r"""Without \x for single printed characters, which nobody can read."""
    return re.sub(r"\[\\x([2-7]\d|[2-7][a-f])\]", lambda code: chr(int(code[1], 16)), text)


def need(regex: str) -> list[list[str]]:
    return [sorted(clause) for clause in clauses(shape(re.compile(regex)))]


# --- the head ------------------------------------------------------------------------------------


def test_what_can_stand_in_the_head_is_no_factor() -> None:
    assert factor("sshd") == ""
    assert factor(r"host sshd\[\d+\]: ") == ""


def test_what_stands_behind_the_head_is_one() -> None:
    assert factor(r"^host sshd\[1\]: Failed login") == "Failed login"


def test_two_blanks_lead_out_of_the_head_at_the_latest() -> None:
    assert factor(r"\S+ \S+ for me") == "for me"


def test_only_a_bracket_and_a_colon_end_the_head() -> None:
    assert factor("Connection from nowhere") == "Connection from nowhere"
    assert factor("Connection: from nowhere") == "Connection: from nowhere"
    assert factor(r"Connection\]: from nowhere") == "from nowhere"
    assert factor(r"Connection\S+ from nowhere") == "from nowhere"


def test_a_capital_letter_is_in_no_host_of_small_letters() -> None:
    anywhere = r"^(?:\S+ )?Failed \S+ for \w"
    assert factor(anywhere).startswith("for ")
    assert factor(anywhere, small=True).startswith("Failed ")
    assert factor(r"^(?:\S+ )?failed \S+ for \w", small=True).startswith("for ")
    assert factor(r"^(?:\S+ )?Failed\[1\]: for \w", small=True).startswith("for ")
    assert factor(r"^Failed\[1\]: for \w", small=True).startswith("for ")


def test_what_may_be_left_out_in_front_may_hold_the_head() -> None:
    assert factor(r"^(?:\S+ )?(?:sshd\[\d+\]: )?Failed login of") == "Failed login of"


def test_a_head_without_host_begins_with_the_program() -> None:
    assert factor(r"^sshd\[1\]: Failed login") == "Failed login"
    assert factor("^: Failed login") == "^: Failed login"


def test_of_alternatives_the_one_that_takes_least_decides() -> None:
    assert factor(r"(?:a\]: b c d|e\]: )none of it") == "none of it"


def test_a_control_character_is_in_no_head() -> None:
    assert factor("a\tb") == "a[\\x09]b"


def test_a_literal_that_only_the_identifier_has_is_no_factor() -> None:
    assert "courier-very-special" not in factor(r"courier-very-special\S*: LOGIN FAILED")


# --- its ends --------------------------------------------------------------------------------------


def test_the_newline_at_the_end_is_not_in_the_message() -> None:
    assert alone(r"abc\n") == alone(r"abc\s") == alone("abc[^x]") == "abc"
    assert alone(r"abc\s$") == "abc[\\x09-\\x0d\\x1c-\\x20\\xff]?$"
    assert alone(r"abc\s{2}d*$") == "abc[\\x09-\\x0d\\x1c-\\x20\\xff]{1,2}d*$"


def test_what_something_must_follow_is_no_newline() -> None:
    assert alone(r"abc\sdef") == "abc[\\x09-\\x0d\\x1c-\\x20\\xff]def"


def test_the_end_of_the_line_is_that_of_the_message() -> None:
    assert alone("abc$") == alone(r"abc\Z") == "abc$"
    assert alone("abc$|def$") == "(?:abc$|def$)"
    assert alone("abc.*$") == "abc"


def test_an_end_within_is_left_out() -> None:
    assert alone(r"abc$\n?") == alone("abc$(?!x)") == "abc"


def test_the_start_counts_where_the_message_is_the_line() -> None:
    assert alone("^abc") == alone(r"\Aabc") == "^abc"
    assert alone("(?m)^abc") == alone("x*^abc") == alone("(?:^|x)abc") == "abc"


# --- prefregex -------------------------------------------------------------------------------------


def test_a_failregex_stands_within_what_prefregex_hands_on() -> None:
    assert alone("^bad", r"^pre: (?P<content>.+)$") == "^pre: bad"
    assert alone("bad$", r"^pre: (?P<content>.+) post") == "^pre: .*bad.* post"


def test_what_may_hand_on_nothing_says_nothing() -> None:
    assert alone("^bad", r"^pre: (?P<content>.*)$") == "bad"
    assert alone("^bad", r"^pre: (?P<content>.+)?$") == "bad"
    assert alone("^bad", r"^(?:pre: (?P<content>.+)|other)$") == "bad"


def test_prefregex_that_hands_on_nothing_leaves_the_failregex_as_it_is() -> None:
    assert alone("^bad$", "pre") == "^bad$"


def test_prefregex_that_puts_texts_together_is_not_understood() -> None:
    with pytest.raises(NoShapeError):
        shape(re.compile("bad"), re.compile("(?P<tuple_content_1>a)(?P<content>b)"))


# --- what is said of characters --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regex", "written"),
    [
        ("(?i)ab", "[\\x41\\x61][\\x42\\x62]"),
        ("a(?i:b)c", "a[\\x42\\x62]c"),
        ("(?i)k", "[\\x4b\\x6b\\xff]"),
        ("(?i)a(?-i:k)b", "[\\x41\\x61]k[\\x42\\x62]"),
        ("a.b", "a.b"),
        ("(?s)a.b", "a.b"),
        ("a[^b]c", "a[\\x00-\\x61\\x63-\\xff]c"),
        ("(?i)a[^\u0131]c", "[\\x41\\x61].[\\x43\\x63]"),
        ("a\xe9b", "a[\\xff]b"),
        ("(?x) a b # c", "ab"),
        ("ab\\b(?=x)(?<!y)\\Bc", "abc"),
        ("(a)b\\1c", "ab.*c"),
        ("(a)?b(?(1)c|d)e", "b(?:c|d)e"),
        ("(?>ab)c*+d", "abc*d"),
        ("ab{100}c", "ab{40,}c"),
        ("a(?:bc|)d", "a(?:bc)?d"),
    ],
)  # fmt: skip
def test_it_is_said_of_bytes(regex: str, written: str) -> None:
    assert alone(regex) == written


def test_no_other_letter_has_relatives_beyond_ascii() -> None:
    everything = "".join(map(chr, range(128, sys.maxunicode + 1)))
    related = [
        letter
        for letter in map(chr, range(128))
        if re.search(f"(?i){re.escape(letter)}", everything)
    ]
    assert mask_of(*related) == RELATED


def test_no_letter_beyond_ascii_has_other_relatives() -> None:
    ascii_ = "".join(map(chr, range(128)))
    beyond = re.compile("(?i)[\x80-\ud7ff\ue000-\U0010ffff]")
    assert mask_of(*beyond.findall(ascii_)) == RELATED


def test_every_category_beyond_ascii_is_said_to_have_everything() -> None:
    for escape in [r"\s", r"\S", r"\w", r"\W", r"\d", r"\D"]:
        assert alone(f"a{escape}b").endswith("\\xff]b")


def test_a_text_has_one_byte_a_character() -> None:
    assert encoded("a\xe9\u4e2d\U0001f600\x1cb") == b"a\xff\xff\xff\x1cb"


# --- what is too much --------------------------------------------------------------------------------


def test_a_regex_of_great_depth_or_size_has_no_shape() -> None:
    for regex in ("(?:" * 90 + "a" + "b)" * 90, "a" * 5000):
        with pytest.raises(NoShapeError):
            shape(re.compile(regex + "c" * 5000))


def test_what_tells_little_is_no_expression() -> None:
    assert expression(shape(re.compile("ab"))) is None
    assert expression(shape(re.compile("abc"))) == "abc"
    assert expression(shape(re.compile(r"\S+ \d"))) is None


# --- words ---------------------------------------------------------------------------------------------


def test_a_word_is_needed_where_it_is_whole() -> None:
    assert need("x refused y") == [["refused"]]
    assert need("refused") == need("refused y") == need("x refused") == []
    assert need("^refused$") == [["refused"]]
    assert need(r"\d+refused\d") == need("[^x]refused ") == []
    assert need(r"\Wrefused\s\d") == [["refused"]]
    assert need(r"\Wrefused\s") == []  # that may be the end of the line


def test_one_word_of_each_alternative_is_needed() -> None:
    assert need(" (?:refused|denied for|nor x) ") == [["denied", "nor", "refused"]]
    assert need(r"(?: refused |\S+)") == []
    assert need(r"(?: denied \S+ now|, too many )") == [["denied", "many"]]


def test_several_clauses_are_all_needed() -> None:
    assert need(r" authentication \S+ rejected ") == [["rejected"], ["authentication"]]


def test_case_is_nothing_to_words() -> None:
    assert need("(?i) TOO MANY ") == need(" [Tt]oo mAny ") == [["many"], ["too"]]


def test_a_word_may_be_cut_by_a_relative_of_its_letters() -> None:
    assert ["es", "yes"] not in need("(?i) yes ")
    assert need("(?i) yes ") == [["ye", "yes"]]


def test_what_may_be_left_out_is_not_needed() -> None:
    assert need(" refused(?: by)? me ") == [["refused"], ["me"]]
    assert need(" (?:denied )*me ") == [["me"]]
    assert need(" (?:denied)*me ") == []


def test_a_common_word_says_less_than_any_other() -> None:
    assert need(" authentication of usher ")[0] == ["usher"]
    assert need(" from ") == [["from"]]
    assert need(" login of user ") == [["user"], ["of"], ["login"]]


def test_at_its_ends_a_factor_may_go_on_in_the_same_word() -> None:
    assert need(r"refused \S+ denied") == []
    assert need(r"(?:x|refused \S+) \S+") == need(r"(?:refused \S+ y)+") == []
    assert need(r" refused \S+ denied ") == [["refused"], ["denied"]]
