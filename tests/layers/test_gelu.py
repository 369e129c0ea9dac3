"""GELU with its own gradient, against NumPy and against Keras' function."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import FeedForward
from keras_tx.layers.gelu import gelu

POINTS = np.array([-30.0, -8.0, -2.5, -0.7, -1e-3, 0.0, 1e-3, 0.3, 1.9, 6.0, 40.0])


def twin(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * np.vectorize(math.erfc)(-x / math.sqrt(2))


def test_it_gives_what_numpy_gives():
    np.testing.assert_allclose(gelu(POINTS.astype("float32")), twin(POINTS), atol=1e-6, rtol=1e-6)


def test_the_gradient_is_that_of_the_formula(gradients, differences):
    def total(x: np.ndarray) -> float:
        return float(twin(x).sum())

    (found,) = gradients(lambda x: ops.sum(gelu(x)), POINTS.astype("float32"))
    np.testing.assert_allclose(found, differences(total, [POINTS], 0), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_it_gives_what_keras_gives_in_each_precision(dtype, gradients):
    def ours(x: object) -> object:
        return gelu(ops.cast(x, dtype))

    def theirs(x: object) -> object:
        return keras.activations.gelu(ops.cast(x, dtype), approximate=False)

    points = POINTS.astype("float32")
    outputs, expected = ours(points), theirs(points)
    assert keras.backend.standardize_dtype(outputs.dtype) == dtype
    last_bits = {"float16": 2**-9, "bfloat16": 2**-6, "float32": 1e-6}[dtype]
    outputs, expected = (ops.convert_to_numpy(ops.cast(y, "float32")) for y in (outputs, expected))
    np.testing.assert_allclose(outputs, expected, atol=last_bits, rtol=last_bits)

    def total(function: object) -> object:
        return lambda x: ops.sum(ops.cast(function(x), "float32"))

    (found,), (expected,) = (gradients(total(function), points) for function in (ours, theirs))
    np.testing.assert_allclose(found, expected, atol=2 * last_bits)


@pytest.mark.parametrize("gated", [False, True])
def test_a_feed_forward_network_learns_by_it_what_it_learns_without(
    gated, vectors, randomize, gradients
):
    layer = FeedForward(8, activation="gelu", gated=gated)
    inputs = vectors(2, 3, 4)
    layer.build(inputs.shape)
    randomize(layer)

    def loss(training: bool) -> object:
        return lambda x: ops.sum(ops.square(layer(x, training=training)))

    (found,), (expected,) = (gradients(loss(training), inputs) for training in (True, False))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
