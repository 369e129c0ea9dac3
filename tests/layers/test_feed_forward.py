"""The position-wise network against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_tx.layers import FeedForward


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
@pytest.mark.parametrize("gated", [False, True])
def test_numpy_twin(activation, gated, vectors, randomize, feed_forward_twin):
    layer = FeedForward(6, activation=activation, gated=gated, output_dim=3)
    x = vectors(2, 4, 5)
    layer.build(x.shape)
    randomize(layer)
    got = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(got, feed_forward_twin(layer, x, activation), atol=1e-5)


def test_positions_do_not_see_each_other(vectors):
    layer = FeedForward(6, gated=True)
    x = vectors(1, 4, 5)
    changed = x.copy()
    changed[0, 2] += 1.0
    before, after = (ops.convert_to_numpy(layer(inputs)) for inputs in (x, changed))
    same = np.array([True, True, False, True])
    np.testing.assert_allclose(before[0, same], after[0, same], atol=1e-6)
    assert not np.allclose(before[0, 2], after[0, 2])


def test_inputs_of_any_rank(vectors):
    layer = FeedForward(6)
    x = vectors(2, 3, 4, 5)
    whole = ops.convert_to_numpy(layer(x))
    rows = ops.convert_to_numpy(layer(x.reshape(-1, 5)))
    np.testing.assert_allclose(whole.reshape(-1, 5), rows, atol=1e-6)


def test_dropout_acts_in_training_only(vectors):
    layer = FeedForward(64, dropout=0.5)
    x = vectors(2, 3, 8)
    quiet = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(quiet, ops.convert_to_numpy(layer(x, training=False)))
    assert not np.allclose(quiet, ops.convert_to_numpy(layer(x, training=True)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dense_dim": 0}, r"dense_dim expected a positive integer. Received: dense_dim=0"),
        ({"dense_dim": 4, "output_dim": 0}, r"output_dim expected a positive .*: output_dim=0"),
        ({"dense_dim": 4, "dropout": 1.0}, r"dropout expected a number in \[0, 1\).*dropout=1.0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeedForward(**arguments)
