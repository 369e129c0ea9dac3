"""The optimizers: which weights take which steps."""

import keras
import numpy as np
import pytest

from keras_tx.models import translation_network
from keras_tx.training import HalfPrecisionMuon, TrainingOptions, new_optimizer

RATE = 0.01


@pytest.fixture(scope="module")
def network():
    return translation_network(
        source_vocabulary_size=11,
        target_vocabulary_size=9,
        sequence_length=8,
        positions="learned",
        embed_dim=8,
        dense_dim=12,
        num_heads=2,
        num_encoder_layers=1,
        num_decoder_layers=1,
    )


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_muon_steps_are_orthogonal_for_kernels_and_adams_for_all_else(network, precision):
    options = TrainingOptions(total_steps=1, clip_norm=None)
    optimizer = new_optimizer("muon", RATE, options, precision)
    generator = np.random.default_rng(0)
    before = [np.array(weight) for weight in network.trainable_variables]
    gradients = [generator.normal(size=weight.shape).astype("float32") for weight in before]
    optimizer.apply(
        [keras.ops.convert_to_tensor(g) for g in gradients], network.trainable_variables
    )
    kernels = 0
    for variable, old, gradient in zip(network.trainable_variables, before, gradients, strict=True):
        step = (old - np.array(variable)) / RATE
        if len(old.shape) == 2 and "embedding" not in variable.path:
            kernels += 1
            # 0.2 √(longer side) times a matrix whose singular values are all near 1.
            sizes = np.linalg.svd(step, compute_uv=False) / (0.2 * np.sqrt(max(old.shape)))
            assert 0.5 < sizes.min() and sizes.max() < 1.4, variable.path
        else:  # Adam's first step, without any decay: the gradient's sign.
            np.testing.assert_allclose(step, np.sign(gradient), atol=0.01, err_msg=variable.path)
    # Queries, keys and values of self-attention share one kernel, keys and values of the other
    # attention too: 2 kernels and 2 of the feed-forward; in a decoder 3 more.
    assert kernels == 4 + 7
    tables = [v.path for v in network.trainable_variables if "embedding" in v.path]
    assert len(tables) == 4  # Tokens and positions, of both languages.


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_clipping_and_moving_average_are_the_options(name):
    options = TrainingOptions(total_steps=1, clip_norm=0.5, average="ema", ema_momentum=0.9)
    optimizer = new_optimizer(name, RATE, options)
    assert optimizer.global_clipnorm == 0.5
    assert optimizer.use_ema and optimizer.ema_momentum == 0.9
    assert optimizer.ema_overwrite_frequency is None
    assert not new_optimizer(name, RATE, TrainingOptions(total_steps=1)).use_ema


def test_half_precision_is_near_the_whole_and_leaves_the_weights_whole():
    generator = np.random.default_rng(2)
    for scale in (1e-6, 1.0, 1e6):
        matrix = (scale * generator.normal(size=(48, 32))).astype("float32")
        whole, half = (
            np.array(kind().zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(matrix), 5))
            for kind in (keras.optimizers.Muon, HalfPrecisionMuon)
        )
        assert half.dtype == np.float32
        error = np.linalg.norm(half - whole) / np.linalg.norm(whole)
        assert 0 < error < 0.1, scale


def test_an_unknown_one():
    with pytest.raises(ValueError, match=r"\('adam', 'muon'\). Received: optimizer='sgd'"):
        new_optimizer("sgd", RATE, TrainingOptions(total_steps=1))


def test_what_decays():
    """Without a gradient nothing else is left."""
    kernel, vector = (np.full(shape, 100.0, "float32") for shape in ((3, 3), (3,)))
    for name, decay in (("adam", 0), ("muon", 0.004)):
        variables = [keras.Variable(kernel), keras.Variable(vector)]
        optimizer = new_optimizer(name, RATE, TrainingOptions(total_steps=1, clip_norm=None))
        optimizer.apply([np.zeros_like(kernel), np.zeros_like(vector)], variables)
        np.testing.assert_array_equal(variables[0], kernel)
        np.testing.assert_allclose(variables[1], vector * (1 - RATE * decay), rtol=1e-6)


@pytest.mark.parametrize(("name", "beta"), [("adam", "beta_2"), ("muon", "adam_beta_2")])
def test_the_second_moment_is_that_of_transformers(name, beta):
    optimizer = new_optimizer(name, RATE, TrainingOptions(total_steps=1))
    assert getattr(optimizer, beta) == 0.98 and optimizer.epsilon == 1e-9
