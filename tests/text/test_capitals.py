"""Texts in capitals: which they are, what is read instead, and how they come back."""

import pytest
import tensorflow as tf

from keras_tx.text import (
    SentencePieceTokenizer,
    WordTokenizer,
    sentence_case,
    with_capitals,
    without_capitals,
)

LINES = [
    "the dog sleeps",
    "The cat eats a fish",
    "NATO meets",
    "a NATO dog",
    "été et à",
]


def strings(tensor):
    return [text.decode("utf-8") for text in tensor.numpy().tolist()]


@pytest.fixture(scope="module")
def tokenizer():
    # Bytes for what it does not know: capitals are spelled out.
    return SentencePieceTokenizer("bpe", vocabulary_size=325).fit(LINES * 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HELLO", "Hello"),
        ("- « ÉTÉ », DIT-IL.\nET PUIS", "- « Été », dit-il.\net puis"),
        ("12 A", "12 A"),
        ("Hello YOU", "Hello YOU"),  # It has letters in lower case.
        ("12 + 3", "12 + 3"),
        ("", ""),
        ("😀 OH 😀", "😀 Oh 😀"),
        ("日本", "日本"),
        ("X", "X"),
    ],
)  # fmt: skip
def test_sentence_case(text, expected):
    assert strings(sentence_case(tf.constant([text]))) == [expected]


def test_bytes_that_are_no_text_stay_as_they_are(tokenizer):
    # What ICU is given ends at a NUL: it would lose the rest.
    broken = tf.constant([b"\xff\xfeABC", b"A\x00B", b"a\x00b"])
    assert sentence_case(broken).numpy().tolist() == broken.numpy().tolist()
    assert without_capitals(broken, tokenizer)[0].numpy().tolist() == broken.numpy().tolist()
    upper = with_capitals(broken[1:], tf.constant([True, True]))
    assert upper.numpy().tolist() == [b"A\x00B", b"a\x00b"]


def test_no_texts(tokenizer):
    texts, changed = without_capitals(tf.zeros([0], tf.string), tokenizer)
    assert texts.shape == changed.shape == (0,)
    assert with_capitals(texts, changed).shape == (0,)


def test_what_must_be_spelled_out_is_read_in_lower_case(tokenizer):
    given = ["THE DOG SLEEPS", "The dog sleeps", "NATO", "", "12", "THE CAT EATS"]
    texts, changed = without_capitals(tf.constant(given), tokenizer)
    assert changed.numpy().tolist() == [True, False, False, False, False, True]
    assert strings(texts) == ["The dog sleeps", *given[1:5], "The cat eats"]


def test_a_text_alone_is_the_same_among_others(tokenizer):
    given = ["THE DOG SLEEPS", "NATO", "ÉTÉ", "a fish"]
    together = without_capitals(tf.constant(given), tokenizer)
    for place, text in enumerate(given):
        alone = without_capitals(tf.constant([text]), tokenizer)
        assert strings(alone[0])[0] == strings(together[0])[place]
        assert alone[1].numpy()[0] == together[1].numpy()[place]


def test_unknown_words_are_no_fewer_tokens():
    # Each word is one token, known or not.
    tokenizer = WordTokenizer(standardize=None).fit(LINES)
    given = ["THE DOG SLEEPS", "NATO"]
    texts, changed = without_capitals(tf.constant(given), tokenizer)
    assert strings(texts) == ["The dog sleeps", "NATO"]
    assert changed.numpy().tolist() == [True, False]


def test_a_vocabulary_of_capitals_or_of_no_case_changes_nothing():
    given = tf.constant(["THE DOG SLEEPS"])
    for tokenizer in (
        SentencePieceTokenizer("bpe", vocabulary_size=300).fit(
            [line.upper() for line in LINES] * 9
        ),
        WordTokenizer().fit(LINES),
    ):
        texts, changed = without_capitals(given, tokenizer)
        assert strings(texts) == strings(given) and not changed.numpy().any()


def test_rows_are_put_into_capitals():
    rows = tf.constant([True, False])
    assert strings(with_capitals(tf.constant(["l'été œ", "non"]), rows)) == [
        "L'ÉTÉ Œ",
        "non",
    ]


def test_a_long_text_takes_no_time_to_speak_of(tokenizer):
    long = "THE DOG SLEEPS " * 20_000
    texts, changed = without_capitals(tf.constant([long]), tokenizer)
    assert changed.numpy()[0] and texts.numpy()[0].startswith(b"The dog sleeps the dog")
