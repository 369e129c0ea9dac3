"""Flat storage of token sequences gives back what came in, padded."""

import numpy as np
import pytest

from keras_tx.data import TokenSequences


@pytest.fixture
def ragged():
    generator = np.random.default_rng(0)
    return [generator.integers(1, 99, size).tolist() for size in generator.integers(0, 9, 30)]


def stored(rows, cuts, **arguments):
    parts = [rows[first:last] for first, last in zip([0, *cuts], [*cuts, None], strict=True)]
    return TokenSequences(
        [([id for row in part for id in row], [len(row) for row in part]) for part in parts],
        **arguments,
    )


@pytest.mark.parametrize("cuts", [[], [1], [7, 7, 20]])
def test_rows_come_back(ragged, cuts):
    sequences = stored(ragged, cuts)
    assert len(sequences) == 30
    assert sequences.lengths.tolist() == [len(row) for row in ragged]
    order = np.random.default_rng(1).permutation(30)
    batch = sequences.padded(order)
    assert batch.dtype == np.int32
    assert batch.shape == (30, max(len(row) for row in ragged))
    for place, row in enumerate(order):
        assert batch[place, : len(ragged[row])].tolist() == ragged[row]
        assert not batch[place, len(ragged[row]) :].any()


def test_padded_only_to_the_longest_of_the_batch():
    sequences = stored([[1, 2, 3], [], [4]], [])
    assert sequences.padded([2, 1]).tolist() == [[4], [0]]
    assert sequences.padded([1]).shape == (1, 0)


def test_padding_id():
    assert stored([[1], [2, 3]], [], padding_id=9).padded([0, 1]).tolist() == [[1, 9], [2, 3]]


def test_nothing_at_all():
    assert len(TokenSequences([])) == 0


def test_lengths_that_do_not_fit():
    with pytest.raises(ValueError, match="expected a sum of 3, the number of values. Received: 2"):
        TokenSequences([([1, 2, 3], [1, 1])])


def test_padded_to_a_width_that_cuts_nothing():
    sequences = TokenSequences([([5, 6, 7], [2, 1])])
    assert sequences.padded([1, 0], 3).tolist() == [[7, 0, 0], [5, 6, 0]]
    assert sequences.padded([1, 0], 1).tolist() == [[7, 0], [5, 6]]
