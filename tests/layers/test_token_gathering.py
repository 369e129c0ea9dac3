"""Vectors picked by position."""

import keras
import numpy as np
import pytest

from keras_tx.layers.token_gathering import TokenGathering


def test_each_row_is_picked_from_its_own_sequence(vectors):
    sequences = vectors(3, 5, 2)
    positions = np.array([[0, 4, 4], [2, 1, 0], [3, 3, 3]])
    picked = np.asarray(TokenGathering()(sequences, positions))
    for row in range(3):
        for place in range(3):
            expected = sequences[row, positions[row, place]]
            np.testing.assert_array_equal(picked[row, place], expected)


@pytest.mark.parametrize("length", [1, 4])
def test_any_number_of_positions(vectors, length):
    layer = TokenGathering()
    assert layer(vectors(2, 3, 4), np.zeros((2, length), "int32")).shape == (2, length, 4)
    symbolic = layer(keras.Input((None, 4)), keras.Input((length,), dtype="int32"))
    assert symbolic.shape == (None, length, 4)


def test_the_mask_of_the_sequence_ends_here():
    ids, positions = (keras.Input((None,), dtype="int32") for _ in range(2))
    vectors = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    picked = TokenGathering()(vectors, positions)
    # A mask that travelled on would have the length of the sequence, not of the positions.
    pooled = keras.layers.GlobalAveragePooling1D()(picked)
    model = keras.Model([ids, positions], pooled)
    assert model([np.array([[3, 2, 0, 0]]), np.array([[0, 1]])]).shape == (1, 4)


def test_config_round_trip():
    layer = TokenGathering(name="mine")
    assert TokenGathering.from_config(layer.get_config()).get_config() == layer.get_config()


def test_positions_are_not_rounded():
    layer = TokenGathering(dtype="mixed_bfloat16")
    vectors = np.arange(1200, dtype="float32").reshape(1, 1200, 1)
    found = layer(vectors, np.array([[1001.0, 1003.0]], "float32"))
    expected = keras.ops.cast(np.array([[[1001.0], [1003.0]]]), "bfloat16")
    assert found.dtype == expected.dtype and (found == expected).numpy().all()
