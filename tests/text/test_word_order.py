"""Reversed words are all there, and twice reversed they are as they were."""

import pytest

from keras_tx.text import reverse_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("un chien dort.", "dort. chien un"),
        ("  deux\tmots\r\n", "mots deux"),
        ("seul", "seul"),
        ("", ""),
        (" \u3000\n", ""),
        ("🐕 l'été\u00a0!", "! l'été 🐕"),
    ],
)
def test_the_last_word_is_first(text, expected):
    assert reverse_words(text) == expected
    assert reverse_words(expected) == " ".join(text.split())
