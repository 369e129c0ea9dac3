"""Two tables side by side, one of them trained."""

import keras
import numpy as np
import pytest

from keras_tx.layers.partly_frozen_embedding import PartlyFrozenEmbedding

IDS = np.array([[3, 1, 0], [2, 2, 2]])


def test_it_looks_up_in_both_tables():
    layer = PartlyFrozenEmbedding(5, 2, 3, frozen_dtype="float16")
    frozen, trained = np.arange(10).reshape(5, 2) / 4, np.arange(15).reshape(5, 3) / 3
    layer.frozen.assign(frozen)
    layer.trained.assign(trained)
    found = layer(IDS)
    expected = np.concatenate([frozen[IDS], trained[IDS]], axis=-1)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    assert keras.backend.standardize_dtype(layer.frozen.dtype) == "float16"
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(np.asarray(layer.compute_mask(IDS)), IDS != 0)


def test_training_leaves_the_first_table_as_it_is():
    layer = PartlyFrozenEmbedding(5, 2, 3)
    layer.frozen.assign(np.ones((5, 2)))
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, keras.layers.Dense(1)(layer(ids)))
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    before = np.array(layer.trained)
    model.fit(IDS, np.ones((2, 3, 1)), verbose=0)
    np.testing.assert_array_equal(np.array(layer.frozen), np.ones((5, 2)))
    changed = (np.array(layer.trained) != before).any(axis=1)
    # The tokens of the batch: what is padding has no loss, and no other one has come.
    assert changed.tolist() == [False, True, True, True, False]


def test_wrong_sizes():
    for sizes in ((0, 2, 3), (5, 0, 3), (5, 2, -1)):
        with pytest.raises(ValueError, match="expected a positive integer"):
            PartlyFrozenEmbedding(*sizes)


def test_ids_may_come_as_floats():
    layer = PartlyFrozenEmbedding(50, 3, 2)
    ids = np.array([[7, 8, 0]])
    np.testing.assert_array_equal(layer(ids.astype("float32")), layer(ids))
