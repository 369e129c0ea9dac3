"""N-grams by hashing: which ids matter to which output, and what is masked."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_tx.layers import HashedNGramEmbedding


def embed(layer, ids) -> np.ndarray:
    return ops.convert_to_numpy(layer(np.asarray(ids)))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_output_t_depends_on_ids_t_to_t_plus_n_and_no_others(n):
    layer = HashedNGramEmbedding(1009, 4, n=n)
    ids = np.arange(20, 27)[None]
    before = embed(layer, ids)
    for place in range(ids.shape[1]):
        other = ids.copy()
        other[0, place] = 99
        changed = (embed(layer, other) != before).any(-1)[0]
        expected = [place - n < t <= place for t in range(ids.shape[1])]
        assert changed.tolist() == expected


def test_equal_ngrams_have_equal_vectors_wherever_they_stand():
    got = embed(HashedNGramEmbedding(1009, 4), [[7, 8, 5, 7, 8], [1, 2, 7, 8, 3]])
    np.testing.assert_array_equal(got[0, 0], got[0, 3])
    np.testing.assert_array_equal(got[0, 0], got[1, 2])
    order = embed(HashedNGramEmbedding(1009, 4), [[7, 8, 7]])
    assert (order[0, 0] != order[0, 1]).any(), "7 8 is not 8 7"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_large_ids_stay_within_a_small_table(n):
    ids = np.array([[0, 1, 65535, 65536, 1_000_000, 30_000_000]])
    layer = HashedNGramEmbedding(5, 2, n=n)
    got = embed(layer, ids)
    table = ops.convert_to_numpy(layer.weights[0].value)
    for vector in got[0]:
        assert (table == vector).all(-1).any(), "every output is a row of the table"


def test_bigrams_spread_over_the_buckets():
    pairs = np.array([[a, b] for a in range(1, 60) for b in range(1, 60)])
    layer = HashedNGramEmbedding(1024, 1)
    layer.build((None, None))
    layer.set_weights([np.arange(1024, dtype="float32")[:, None]])
    counts = np.bincount(embed(layer, pairs)[:, 0, 0].astype(int), minlength=1024)
    # 3481 pairs over 1024 buckets: 3.4 each; chance alone rarely goes beyond 14.
    assert counts.max() <= 14
    assert (counts > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]),
        (2, [[1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [0, 0, 1, 1, 0]]),
        (3, [[1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 0, 0]]),
        (7, [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
    ],
)
def test_ngrams_that_reach_into_padding_are_masked(n, expected):
    ids = np.array([[4, 5, 6, 0, 0], [4, 5, 6, 7, 8], [0, 0, 4, 5, 6]])
    layer = HashedNGramEmbedding(50, 2, n=n)
    mask = ops.convert_to_numpy(layer(ids)._keras_mask)
    assert mask.astype(int).tolist() == expected


@pytest.mark.parametrize("name", ["num_buckets", "output_dim", "n"])
def test_errors(name):
    arguments = {"num_buckets": 5, "output_dim": 2, "n": 2, name: 0}
    with pytest.raises(ValueError, match=f"{name} expected a positive integer.*{name}=0"):
        HashedNGramEmbedding(**arguments)
