"""Texts to batches of a masked language model: packed, masked anew, the same after a stop."""

import itertools

import numpy as np
import pytest

from keras_tx.models.masked_batches import MaskedBatches
from keras_tx.text import WordTokenizer
from keras_tx.training import TokenMasking

WORDS = [f"word{number}" for number in range(25)]
TEXTS = [" ".join(WORDS[number : number + 3 + number % 7]) for number in range(15)] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit(WORDS)


@pytest.fixture(scope="module")
def batches(tokenizer):
    mask_id = tokenizer.vocabulary_size
    masking = TokenMasking(mask_id, mask_id, rate=0.25)
    return MaskedBatches(TEXTS, tokenizer, masking, 8, tokens_per_batch=33, seed=1)


def taken(dataset, count):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def restored(batch):
    """The rows as they were before masking."""
    (ids, positions), labels = batch
    ids = ids.copy()
    real = labels != 0
    ids[np.nonzero(real)[0], positions[real]] = labels[real]
    return ids


def test_one_pass_holds_all_texts_in_order(batches, tokenizer):
    passes = [taken(batches.dataset(), None) for _ in range(2)]
    assert len(passes[0]) == len(batches)
    rows = np.concatenate([restored(batch) for batch in passes[0]])
    joined = np.concatenate([[*ids, 3] for ids in tokenizer.tokenize(TEXTS).to_list()])
    np.testing.assert_array_equal(rows.ravel(), joined[: rows.size])
    assert len(joined) - rows.size < 8
    for one, two in zip(*passes, strict=True):
        np.testing.assert_array_equal(one[0][0], two[0][0])


def test_shapes_and_shares(batches, tokenizer):
    for (ids, positions), labels in taken(batches.dataset(0), len(batches)):
        assert ids.shape[1] == 8 and len(ids) <= 4
        assert positions.shape == labels.shape == (len(ids), 2)
    (ids, _), _ = taken(batches.dataset(0), 1)[0]
    assert (ids == tokenizer.vocabulary_size).any()


def test_an_epoch_has_every_row_once_and_the_next_one_others(batches):
    stream = taken(batches.dataset(0), 2 * len(batches))
    epochs = stream[: len(batches)], stream[len(batches) :]
    for number, epoch in enumerate(epochs):
        found = np.concatenate([restored(batch) for batch in epoch])
        expected = batches.packed.rows(number)
        assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert any((one[0][0] != two[0][0]).any() for one, two in zip(*epochs, strict=True))


def test_masks_are_drawn_anew_for_the_same_row(tokenizer):
    masking = TokenMasking(99, tokenizer.vocabulary_size, rate=0.25)
    single = MaskedBatches([" ".join(WORDS[:23])], tokenizer, masking, 24, 24)
    positions = {tuple(batch[0][1][0]) for batch in taken(single.dataset(0), 5)}
    assert len(positions) > 1


@pytest.mark.parametrize("step", [3, 17])
def test_a_later_start_gives_what_would_have_come(batches, step):
    expected = taken(batches.dataset(0), step + 4)[step:]
    for one, two in zip(expected, taken(batches.dataset(step), 4), strict=True):
        np.testing.assert_array_equal(one[0][0], two[0][0])
        np.testing.assert_array_equal(one[0][1], two[0][1])
        np.testing.assert_array_equal(one[1], two[1])


def test_too_little_text(tokenizer):
    with pytest.raises(ValueError, match="of all documents. Received: sequence_length=8"):
        MaskedBatches(["word1"], tokenizer, TokenMasking(30, 25), 8, 64)
