"""Texts without labels beside those with labels: two streams, each with all of its texts."""

import itertools

import numpy as np
import pytest

from keras_tx.data import LabelledTexts
from keras_tx.models import SentimentClassifier
from keras_tx.models.batches import LabelledBatches
from keras_tx.models.unlabelled_batches import with_unlabelled
from keras_tx.text import WordTokenizer

WORDS = [f"word{number}" for number in range(9)]


@pytest.fixture(scope="module")
def pack():
    tokenizer = WordTokenizer().fit(WORDS)
    return SentimentClassifier.from_preset("tiny", tokenizer).pack_for_encoders


@pytest.fixture(scope="module")
def training(pack):
    texts = LabelledTexts(WORDS[:4], [0, 1, 0, 1], ["no", "yes"])
    batches = LabelledBatches(texts, pack, 4, seed=1)
    batches.weights = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    return batches


def first(dataset, count):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def test_all_texts_of_both_kinds_come_with_their_labels(training, pack):
    found = first(with_unlabelled(training, WORDS[4:], pack, 2, seed=1)(0), 20)
    # Two of four texts with labels a step, and one of five without.
    labelled = [ids[:, 0].tolist() for (ids, _), _, _ in found[:2]]
    others = [int(other[0, 0]) for (_, other), _, _ in found]
    assert len({*labelled[0], *labelled[1]}) == 4
    for start in range(0, 20, 5):
        assert len(set(others[start : start + 5])) == 5
    assert not {*labelled[0], *labelled[1]} & set(others)
    plain = first(training.dataset(0), 20)
    for ((ids, _), labels, weights), expected in zip(found, plain, strict=True):
        for got, wanted in zip((ids, labels, weights), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_it_goes_on_from_any_step(training, pack):
    batches = with_unlabelled(training, WORDS, pack, 4, seed=1)
    for got, expected in zip(first(batches(3), 4), first(batches(0), 7)[3:], strict=True):
        np.testing.assert_array_equal(got[0][1], expected[0][1])
        np.testing.assert_array_equal(got[0][0], expected[0][0])


def test_texts_must_be_strings(training, pack):
    with pytest.raises(TypeError, match="texts"):
        with_unlabelled(training, [b"bytes"], pack, 4, seed=1)
