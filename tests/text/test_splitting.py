"""Nothing is lost, whatever is in the text; lines, sentences and parts of them; time."""

import random
import time

import pytest

from keras_tx.text import SplitText, WordTokenizer, split_texts

# What a splitter trips on, beside any code point at all.
STUFF = [
    *"abAZ.!?…;:,—()«»“”\"' \t\0\n\r\v\f\x1c\x85\u2028\u2029\u00a0\u202f\u3000\u200b\u200d",
    *"。！？，」",
    "\r\n", "\n\n", ". ", "! ", "Mr. ", "p. ex. ", " !", "\u00a0?", "\u202f»", "«\u00a0", "3.14",
    "1. ", "😀", "👩\u200d👧", "🇫🇷", "e\u0301", "\ud800", "\udc00", "word", "Word", "x" * 50, "   ",
]  # fmt: skip


def random_text(generator):
    pieces = []
    for _ in range(generator.randrange(60)):
        if generator.random() < 0.9:
            pieces.append(generator.choice(STUFF))
        else:
            pieces.append(chr(generator.randrange(0x110000)))
    return "".join(pieces)


def test_round_trip_of_random_texts():
    generator = random.Random(3)
    texts = [random_text(generator) for _ in range(600)]
    for limit in (1, 2, 7, 20, 1000):
        several = 0
        for text, split in zip(texts, split_texts(texts, limit), strict=True):
            assert split.join(split.pieces) == text
            assert len(split.separators) == len(split.pieces) + 1
            assert not any(separator.strip() for separator in split.separators)
            for piece in split.pieces:
                assert 0 < len(piece) <= limit and piece == piece.strip()
                assert len(piece.splitlines()) == 1
            several += len(split.pieces) > 1
        assert several > 200


@pytest.mark.parametrize(
    ("text", "pieces", "separators"),
    [
        ("", (), ("",)),
        (" \n\t", (), (" \n\t",)),
        ("One. Two.", ("One. Two.",), ("", "")),
        ("a\nb\r\nc\rd", ("a", "b", "c", "d"), ("", "\n", "\r\n", "\r", "")),
        ("\n\na\n \nb\u2028c\n", ("a", "b", "c"), ("\n\n", "\n \n", "\u2028", "\n")),
        ("  - a\n  - b  ", ("- a", "- b"), ("  ", "\n  ", "  ")),
        ("a\0b", ("a\0b",), ("", "")),
        ("Vraiment\u00a0? Oui\u202f!", ("Vraiment\u00a0? Oui\u202f!",), ("", "")),
        (
            "Where is the station? I do not know.",
            ("Where is the station?", "I do not know."),
            ("", " ", ""),
        ),
        ("Ici ? Là.\nSo it is. This is a very long line.", ("Ici ? Là.", "So it is.",
         "This is a very long line."), ("", "\n", " ", "")),
    ],
)  # fmt: skip
def test_lines_and_sentences(text, pieces, separators):
    (split,) = split_texts([text], 25)
    assert (split.pieces, split.separators) == (pieces, separators)


def test_each_text_by_itself():
    texts = ["a b c d e f", "", "a b c d e f", "x\ny"]
    together = split_texts(texts, 4)
    assert together == [split for text in texts for split in split_texts([text], 4)]
    assert together[0].pieces == ("a b", "c d", "e f")


def test_join_puts_other_pieces_in():
    (split,) = split_texts(["\n One.\r\n\r\nTwo. "], 10)
    assert split.join(iter(["Un.", ""])) == "\n Un.\r\n\r\n "
    with pytest.raises(ValueError, match="expected 2 pieces, one for each .* Received: 1"):
        split.join(["Un."])
    assert SplitText((), ("\n",)).join([]) == "\n"


def test_lengths_in_tokens():
    tokenizer = WordTokenizer().fit(["one two three"])
    text = "one two three one two three. One two, three one two"
    (split,) = split_texts([text], 4, tokenizer.lengths)
    assert split.join(split.pieces) == text
    assert max(tokenizer.lengths(split.pieces)) <= 4 and len(split.pieces) == 4
    (whole,) = split_texts([text], 20, tokenizer.lengths)
    assert whole.pieces == (text,)


def test_limit_is_checked():
    with pytest.raises(ValueError, match="limit of at least 1. Received: limit=0"):
        split_texts(["a"], 0)


@pytest.mark.parametrize(
    "unit",
    ["word, ", "This is one. ", "a", ".", "a. ", "'. \"", " \u00a0", "\u0301", "🇫", "\r\n", " !"],
)
def test_time_is_linear(unit):
    # Ten times the text takes about ten times as long; a quadratic step would take a hundred.
    def seconds(size):
        text = unit * (size // len(unit))
        start = time.process_time()
        (split,) = split_texts([text], 100)
        taken = time.process_time() - start
        assert split.join(split.pieces) == text
        return taken

    short = min(seconds(10_000) for _ in range(3))
    # A busy machine may disturb one measurement, not each.
    assert any(seconds(100_000) < 40 * max(short, 0.001) for _ in range(5))
