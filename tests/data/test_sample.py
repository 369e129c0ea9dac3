"""The sample corpus inside the package."""

import collections
import unicodedata

from keras_tx.data.sample import sample_pairs, sample_reviews


def test_reviews_are_balanced_and_differ():
    reviews = sample_reviews()
    assert collections.Counter(reviews.labels) == {0: 100, 1: 100}
    assert len(set(reviews.texts)) == 200
    assert all(10 < len(text) < 200 and text == text.strip() for text in reviews.texts)


def test_pairs_are_clean():
    pairs = sample_pairs()
    assert len(pairs) >= 300
    assert len(set(pairs.sources)) == len(pairs)
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        assert source.isascii() and source[-1] in ".!?" and source[0].isupper()
        assert source[-1] == target[-1]
        # French sets a space before ! and ?, and none before a full stop.
        assert (target[-2] == " ") == (target[-1] in "!?")
        assert target == unicodedata.normalize("NFC", target.strip())


def test_words_come_again_so_that_a_small_model_can_learn_them():
    words = collections.Counter(
        word for source in sample_pairs().sources for word in source.lower()[:-1].split()
    )
    assert sum(words.values()) / len(words) > 5
    assert sum(1 for count in words.values() if count == 1) / len(words) < 0.2
