"""Pooled n-grams: against a slow twin, and what a text's vector may depend on."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import HashedNGramPooling


def twin_buckets(row, orders, num_buckets):
    """The buckets of one text, n-gram by n-gram, in Python's own whole numbers."""

    def mixed(number):
        number = number * 0x9E3779B1 % 2**32
        return number ^ (number >> 15)

    buckets = set()
    for order in orders:
        for start in range(len(row) - order + 1):
            ngram = [int(number) for number in row[start : start + order]]
            if 0 not in ngram:
                number = 0
                for token in ngram:
                    number = mixed(number ^ token)
                buckets.add(mixed(number ^ (order * 0x85EBCA6B % 2**32)) % num_buckets)
    return sorted(buckets)


def pool(layer, ids) -> np.ndarray:
    return ops.convert_to_numpy(layer(np.asarray(ids, "int32")))


@pytest.mark.parametrize("orders", [(1,), (2,), (1, 2, 3), (3, 1), (5,)])
@pytest.mark.parametrize("num_buckets", [7, 1000, 2**22])
def test_buckets_and_sums_are_those_of_the_twin(orders, num_buckets):
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 30, (4, 12)) * np.array([1, 1, 999_983, 70_000_000])[:, None]
    ids[1, 7:] = 0
    ids[3, 2:5] = 0  # Padding inside a text cuts it, too.
    layer = HashedNGramPooling(num_buckets, 2, orders)
    layer.build((None, None))
    table = generator.normal(size=(num_buckets, 2)).astype("float32")
    layer.set_weights([table, np.array([0.5, -1.0])])
    found = ops.convert_to_numpy(layer.buckets(ids.astype("int32")))
    assert found.shape == (4, 12 * len(orders))
    pooled = pool(layer, ids)
    for row, buckets, vector in zip(ids, found, pooled, strict=True):
        expected = twin_buckets(row, orders, num_buckets)
        assert sorted(buckets[buckets < num_buckets]) == expected
        sums = table[expected].sum(axis=0) / max(len(expected), 1) ** 0.5 + [0.5, -1.0]
        np.testing.assert_allclose(vector, sums, atol=1e-5)


def test_a_text_without_ngrams_gives_the_bias():
    layer = HashedNGramPooling(50, 1, (2, 3), embeddings_initializer="ones")
    layer.build((None, None))
    layer.bias.assign([0.25])
    np.testing.assert_array_equal(pool(layer, [[0, 0, 0], [7, 0, 0]]), [[0.25], [0.25]])


def test_how_often_and_where_does_not_count_but_order_does():
    layer = HashedNGramPooling(1009, 4, (1, 2), embeddings_initializer="uniform")
    once, again, padded = pool(layer, [[5, 6, 5, 0, 0], [5, 6, 5, 6, 5], [6, 5, 6, 0, 0]])
    np.testing.assert_allclose(once, again, atol=1e-6)
    np.testing.assert_allclose(once, padded, atol=1e-6)
    pairs = HashedNGramPooling(1009, 4, (2,), embeddings_initializer="uniform")
    one, other = pool(pairs, [[5, 6], [6, 5]])
    assert np.abs(one - other).max() > 1e-3


def test_padding_changes_nothing():
    layer = HashedNGramPooling(1009, 4, (1, 2, 3), embeddings_initializer="uniform")
    ids = np.random.default_rng(1).integers(1, 9, (3, 6))
    padded = np.pad(ids, [(0, 0), (0, 5)])
    np.testing.assert_allclose(pool(layer, ids), pool(layer, padded), atol=1e-6)


def test_ngrams_spread_over_the_buckets():
    pairs = np.array([[a, b] for a in range(1, 60) for b in range(1, 60)], "int32")
    layer = HashedNGramPooling(1024, 1, (2,))
    buckets = ops.convert_to_numpy(layer.buckets(pairs))[:, 0]
    counts = np.bincount(buckets, minlength=1024)
    # 3481 pairs over 1024 buckets: 3.4 each; chance alone rarely goes beyond 14.
    assert counts.max() <= 14
    assert (counts > 0).mean() > 0.9


def test_a_small_table_is_summed_in_full_precision():
    layer = HashedNGramPooling(
        5000, 1, (1,), embeddings_initializer="ones", embeddings_dtype="float16", dtype="float32"
    )
    pooled = pool(layer, [np.arange(1, 4001)])
    assert layer.embeddings.dtype == "float16" and pooled.dtype == "float32"
    buckets = len(twin_buckets(range(1, 4001), (1,), 5000))
    np.testing.assert_allclose(pooled, [[buckets**0.5]], rtol=1e-6)


@pytest.mark.parametrize("name", ["num_buckets", "output_dim", "orders"])
def test_errors(name):
    bad = (1, 0) if name == "orders" else 0
    arguments = {"num_buckets": 5, "output_dim": 2, "orders": (2,), name: bad}
    with pytest.raises(ValueError, match=f"{name} expected a positive integer.*{name}=0"):
        HashedNGramPooling(**arguments)
    with pytest.raises(ValueError, match=r"orders expected at least one. Received: orders=\(\)"):
        HashedNGramPooling(5, 2, ())


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_ids_may_come_as_floats_in_half_precision(dtype):
    layer = HashedNGramPooling(9999, 2, (1, 2), "random_normal", dtype=dtype)
    ids = np.array([[1001, 2003, 3005, 4007]])  # None of them is a number of half precision.
    inputs = keras.Input((None,))
    found = keras.Model(inputs, layer(inputs))(ids.astype("float32"))
    np.testing.assert_array_equal(found, layer(ids))
