"""Root pooling against hand-worked numbers, and its mask."""

import keras
import numpy as np
from keras import ops

from keras_tx.layers import PositionalEmbedding, RootPooling1D


def test_sum_over_the_root_of_the_count_by_hand():
    vectors = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 0.0], [7.0, 2.0]]], "float32")
    pooled = ops.convert_to_numpy(RootPooling1D()(vectors))
    np.testing.assert_allclose(pooled, [[16 / 2, 8 / 2]])
    pooled = ops.convert_to_numpy(RootPooling1D(scale=3.0)(vectors))
    np.testing.assert_allclose(pooled, [[24, 12]])


def test_masked_positions_do_not_count():
    vectors = np.array([[[1.0], [3.0], [99.0]], [[5.0], [6.0], [7.0]]], "float32")
    mask = np.array([[True, True, False], [False, False, False]])
    pooled = ops.convert_to_numpy(RootPooling1D()(vectors, mask=mask))
    np.testing.assert_allclose(pooled, [[4 / np.sqrt(2)], [0.0]], rtol=1e-6)


def test_a_mask_that_travels_with_the_tensor_is_used():
    ids = keras.Input((None,), dtype="int32")
    embed = PositionalEmbedding(8, 10, 4)
    network = keras.Model(ids, RootPooling1D()(embed(ids)))
    short = ops.convert_to_numpy(network(np.array([[4, 5]])))
    padded = ops.convert_to_numpy(network(np.array([[4, 5, 0, 0]])))
    np.testing.assert_allclose(padded, short, rtol=1e-6)


def test_half_precision_counts_long_texts():
    vectors = np.ones((1, 1000, 1), "float32")
    pooled = RootPooling1D(dtype="bfloat16")(ops.cast(vectors, "bfloat16"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(pooled, "float32")), [[1000**0.5]], rtol=1e-2
    )
