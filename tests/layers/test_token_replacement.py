"""Tokens replaced at random, in training alone."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers.token_replacement import TokenReplacement

IDS = np.tile(np.array([[7, 8, 3, 9, 0]], "int32"), (400, 1))


def test_the_share_is_the_rate_and_what_is_kept_stays():
    replaced = np.asarray(TokenReplacement(0.3, 50, kept_ids=[3], seed=1)(IDS, training=True))
    assert set(np.unique(replaced)) == {7, 8, 3, 9, 0, 50}
    np.testing.assert_array_equal(replaced[:, 2], 3)
    np.testing.assert_array_equal(replaced[:, 4], 0)
    share = np.mean(replaced[:, [0, 1, 3]] == 50)
    assert abs(share - 0.3) < 0.06  # Four standard deviations of 1,200 draws.
    untouched = replaced[:, [0, 1, 3]] != 50
    np.testing.assert_array_equal(replaced[:, [0, 1, 3]][untouched], IDS[:, [0, 1, 3]][untouched])


def test_nothing_happens_outside_of_training_or_without_a_rate():
    np.testing.assert_array_equal(np.asarray(TokenReplacement(0.9, 50)(IDS)), IDS)
    np.testing.assert_array_equal(np.asarray(TokenReplacement(0.0, 50)(IDS, training=True)), IDS)


def test_each_call_draws_anew():
    layer = TokenReplacement(0.5, 50, seed=2)
    first, second = (np.asarray(layer(IDS, training=True)) for _ in range(2))
    assert (first != second).any()


def test_large_ids_survive_half_precision():
    ids = np.array([[16001, 15999]])
    outputs = TokenReplacement(0.1, 50, dtype="mixed_bfloat16")(ids, training=False)
    np.testing.assert_array_equal(np.asarray(outputs), ids)


def test_config_and_symbolic_shape():
    layer = TokenReplacement(0.2, 50, [3, 4], seed=5, name="mine")
    again = TokenReplacement.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    output = layer(keras.Input((None,), dtype="int32"))
    assert output.shape == (None, None) and output.dtype == "int32"


@pytest.mark.parametrize("rate", [-0.1, 1.0, "much"])
def test_the_rate_is_checked(rate):
    with pytest.raises(ValueError, match=r"rate expected a number in \[0, 1\). Received: rate="):
        TokenReplacement(rate, 50)


def test_ids_as_floats_are_not_rounded_to_half_precision():
    layer = TokenReplacement(0.5, 1, dtype="mixed_bfloat16")
    assert ops.convert_to_numpy(layer(np.array([[257.0]], "float32"))).tolist() == [[257]]
