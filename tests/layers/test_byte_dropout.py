"""Dropout by bytes: shares, scale, gradients and shapes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.layers.byte_dropout import ByteDropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("width", [1, 6, 64])
def test_the_share_is_the_rate_and_the_rest_is_scaled(rate, width):
    inputs = np.ones((60_000 // width, width), "float32")
    outputs = np.asarray(ByteDropout(rate, seed=3)(inputs, training=True))
    rounded = round(rate * 256) / 256
    # Five standard deviations.
    assert abs(np.mean(outputs == 0) - rounded) < 5 * np.sqrt(rate * (1 - rate) / outputs.size)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / (1 - rounded), rtol=1e-6)


def test_the_bytes_of_a_number_are_independent():
    kept = np.asarray(ByteDropout(0.5, seed=4)(np.ones((50_000, 8)), training=True)) != 0
    correlations = np.corrcoef(kept.T)
    assert np.abs(correlations - np.eye(8)).max() < 5 / np.sqrt(50_000)


def test_nothing_happens_outside_of_training_or_without_a_rate():
    inputs = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    np.testing.assert_array_equal(np.asarray(ByteDropout(0.5)(inputs)), inputs)
    np.testing.assert_array_equal(np.asarray(ByteDropout(0.0)(inputs, training=True)), inputs)


@pytest.mark.parametrize(("rate", "least", "most"), [(1e-4, 0, 0.01), (1.0, 0.99, 0.999)])
def test_the_smallest_and_the_largest_rate_drop_some_and_keep_some(rate, least, most):
    outputs = np.asarray(ByteDropout(rate, seed=1)(np.ones((1000, 64)), training=True))
    assert np.isfinite(outputs).all()
    assert least < np.mean(outputs == 0) < most


def test_each_call_draws_anew_and_a_seed_repeats_them():
    inputs = np.ones((8, 8), "float32")
    layer, again = ByteDropout(0.5, seed=2), ByteDropout(0.5, seed=2)
    first, second = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(np.asarray(again(inputs, training=True)), first)


def test_the_gradient_goes_where_the_values_went(gradients):
    inputs = np.full((20, 7), 3.0, "float32")

    def drop(x):
        return ByteDropout(0.3, seed=5)(x, training=True)

    (gradient,) = gradients(lambda x: keras.ops.sum(drop(x)), inputs)
    assert (gradient == 0).any()
    np.testing.assert_allclose(gradient, np.asarray(drop(inputs)) / 3, rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX knows all shapes")
def test_it_keeps_half_precision_and_unknown_shapes():
    layer = ByteDropout(0.3, dtype="mixed_bfloat16")

    @tf.function(input_signature=[tf.TensorSpec([None, None, 6], tf.bfloat16)])
    def run(inputs):
        return layer(inputs, training=True)

    outputs = run(tf.ones((3, 5, 6), tf.bfloat16))
    assert outputs.shape == (3, 5, 6)
    assert outputs.dtype == tf.bfloat16


def test_config_mask_and_symbolic_shape():
    layer = ByteDropout(0.2, seed=5, name="mine")
    assert ByteDropout.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer(keras.Input((None, 3))).shape == (None, None, 3)
    assert layer.supports_masking


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_the_rate_is_checked(rate):
    with pytest.raises(ValueError, match="rate"):
        ByteDropout(rate)


def test_a_shape_for_the_noise_is_refused():
    with pytest.raises(TypeError, match="noise_shape"):
        ByteDropout(0.1, noise_shape=(None, 1))
