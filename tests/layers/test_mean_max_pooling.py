"""Mean and maximum over real positions only."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import MeanMaxPooling1D

X = np.array(
    [[[1, -5], [3, -7], [9, 9]], [[2, 2], [4, 0], [6, -2]], [[8, 8], [8, 8], [8, 8]]], "float32"
)
MASK = np.array([[True, True, False], [True, True, True], [False, False, False]])


def test_numbers_by_hand():
    pooled = ops.convert_to_numpy(MeanMaxPooling1D()(X, mask=MASK))
    # Row 1's 9s are padding; negative maxima stay; a row of padding gives zeros.
    assert pooled.tolist() == [[2, -6, 3, -5], [4, 0, 6, 2], [0, 0, 0, 0]]


def test_numpy_twin_without_mask(vectors):
    x = vectors(3, 5, 4)
    expected = np.concatenate([x.mean(1), x.max(1)], axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(MeanMaxPooling1D()(x)), expected, atol=1e-6)


def test_a_mask_that_travels_is_the_mask_that_is_given(vectors):
    ids = np.array([[3, 1, 0, 0], [2, 2, 2, 2]])
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(ids)
    explicit = MeanMaxPooling1D()(ops.convert_to_numpy(embedded), mask=ids != 0)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(MeanMaxPooling1D()(embedded)), ops.convert_to_numpy(explicit)
    )


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_counts_beyond_its_own_integers(dtype):
    # bfloat16 cannot tell 600 from 601, and float16 holds no sum of 600 x 200.
    x = np.full((1, 601, 1), 200.0, "float32")
    mask = np.ones((1, 601), bool)
    mask[0, -1] = False
    pooled = ops.convert_to_numpy(ops.cast(MeanMaxPooling1D(dtype=dtype)(x, mask=mask), "float32"))
    assert pooled.tolist() == [[200.0, 200.0]]


def test_the_mask_ends_here():
    inputs = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    assert embedded._keras_mask is not None
    assert getattr(MeanMaxPooling1D()(embedded), "_keras_mask", None) is None
