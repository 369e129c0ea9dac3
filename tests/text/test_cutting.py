"""Cutting at clause marks, at spaces, inside words; measures that do not add up."""

import pytest

from keras_tx.text.cutting import cut


def characters(strings):
    return [len(string) for string in strings]


def parts(text, limit, lengths=characters):
    (places,) = cut([text], limit, lengths)
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("one two, three four", 14, ["one two,", "three four"]),
        ("one two; three four", 14, ["one two;", "three four"]),
        ("un deux : trois", 12, ["un deux :", "trois"]),
        ("one — two three", 12, ["one — two", "three"]),  # The dash is in the first half.
        ("say “ah,” then go", 14, ["say “ah,”", "then go"]),
        ("a, bcdef ghijk lmnop", 14, ["a, bcdef ghijk", "lmnop"]),
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 6, ["one", "two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("ab abcdefghij cd", 4, ["ab", "abc", "defg", "hij", "cd"]),
        ("dix mille\u00a0francs", 13, ["dix", "mille\u00a0francs"]),
        ("il dit oui !", 11, ["il dit", "oui !"]),
        ("« il a » oui", 8, ["« il a »", "oui"]),
        ("你好，我很好", 4, ["你好，", "我很好"]),
        ("3,14 and 2", 9, ["3,14 and", "2"]),
        ("a   b", 3, ["a", "b"]),
        ("   ", 1, []),
    ],
)
def test_where_it_cuts(text, limit, expected):
    assert parts(text, limit) == expected


@pytest.mark.parametrize(
    "character",
    ["e\u0301", "👩\u200d👧", "👍\U0001f3fd", "🇫🇷", "❤\ufe0f", "\ud83d\ude00", "क\u093f"],
)
def test_a_character_stays_whole(character):
    text = character * 40
    for limit in range(len(character), 11):
        found = parts(text, limit)
        assert "".join(found) == text
        assert all(part == character * (len(part) // len(character)) for part in found)


def test_a_character_larger_than_the_limit_is_cut():
    assert parts("e" + "\u0301" * 9, 5) == ["e" + "\u0301" * 4, "\u0301" * 5]


def test_measures_that_do_not_add_up():
    # Two words together measure more than both alone; a code point may measure 3.
    def bytes_and_spaces(strings):
        return [len(string.encode()) + 2 * string.strip().count(" ") for string in strings]

    text = "aa bb cc dd 漢字漢字 éé ff"
    for limit in (3, 5, 8, 13):
        found = parts(text, limit, bytes_and_spaces)
        assert "".join(found).replace(" ", "") == text.replace(" ", "")
        assert max(bytes_and_spaces(found)) <= limit
    # Below one code point nothing is possible: each alone.
    assert parts("漢字", 2, bytes_and_spaces) == ["漢", "字"]


def test_few_calls_measure_many_strings():
    calls = []

    def counted(strings):
        calls.append(len(strings))
        return characters(strings)

    strings = ["one two three four five", "x" * 1000] * 100
    found = cut(strings, 10, counted)
    assert len(found) == 200 and found[0] == found[2] and len(found[1]) == 100
    assert len(calls) <= 4
