"""Documents cut into rows: nothing is lost, nothing is padding, and each epoch has its own."""

import numpy as np
import pytest

from keras_tx.data import TokenSequences
from keras_tx.training import PackedSequences

END = 3


@pytest.fixture
def documents():
    """Ten documents of consecutive numbers, so that each token tells where it stood."""
    lengths = [4, 9, 1, 2, 15, 3, 7, 2, 5, 6]
    values, first = [], 10
    for length in lengths:
        values += [*range(first, first + length - 1), END]
        first += length
    return TokenSequences([(values, lengths)])


def test_in_order_it_is_the_text_cut_up(documents):
    packed = PackedSequences(documents, 8, shuffle=False)
    rows = packed.rows(epoch=0)
    assert rows.shape == (len(packed), 8) == (6, 8)
    np.testing.assert_array_equal(rows.ravel(), documents.values[:48])
    np.testing.assert_array_equal(packed.rows(epoch=5), rows)


def test_shuffled_rows_hold_whole_documents_in_another_order(documents):
    rows = PackedSequences(documents, 54, seed=1).rows(epoch=0)
    assert rows.shape == (1, 54)
    found = np.split(rows[0], np.flatnonzero(rows[0] == END) + 1)[:-1]
    expected = np.split(documents.values, documents.starts[1:])
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert [tuple(one) for one in found] != [tuple(one) for one in expected]


def test_the_order_follows_seed_and_epoch(documents):
    first, again = (PackedSequences(documents, 6, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.rows(3), again.rows(3))
    assert (first.rows(3) != first.rows(4)).any()
    assert (first.rows(3) != PackedSequences(documents, 6, seed=2).rows(3)).any()


@pytest.mark.parametrize("length", [0, -1, 55])
def test_too_few_tokens(documents, length):
    with pytest.raises(ValueError, match=f"1 to the 54 tokens.*Received: sequence_length={length}"):
        PackedSequences(documents, length)
