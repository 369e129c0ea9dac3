"""What encoder and decoder share: arguments, widths and the residual connection."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import TransformerDecoder, TransformerEncoder
from keras_tx.layers.transformer_block import TransformerBlock

BLOCK = {"embed_dim": 8, "dense_dim": 16, "num_heads": 2}
both = pytest.mark.parametrize("block", [TransformerEncoder, TransformerDecoder])


@pytest.mark.parametrize("norm_first", [False, True])
def test_residual_connection(norm_first, vectors):
    block = TransformerBlock(**BLOCK, norm_first=norm_first)
    block._build_dropout()
    x = vectors(2, 3, 8)

    def double(x, training=False):
        return 2.0 * x

    def half(x):
        return 0.5 * x, "extra"

    got, extra = block._residual(x, double, half, training=False)
    # Pre-norm: x + half(double(x)) = 2x. Post-norm: double(x + half(x)) = 3x.
    np.testing.assert_allclose(ops.convert_to_numpy(got), (2 if norm_first else 3) * x, atol=1e-6)
    assert extra == ("extra",)


@both
def test_head_size_defaults_to_the_papers(block):
    assert block(**BLOCK).key_dim == 4
    assert block(**BLOCK, key_dim=8).key_dim == 8
    assert block(8, 16, 3, key_dim=5).key_dim == 5, "any number of heads when key_dim is given"


@both
def test_positional_arguments_are_the_books(block):
    layer = block(8, 16, 2)
    assert (layer.embed_dim, layer.dense_dim, layer.num_heads) == (8, 16, 2)


@both
@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"attention_dropout": 0.5}])
def test_dropout_acts_in_training_only(block, rates, vectors):
    layer = block(**BLOCK, **rates)
    x = vectors(2, 6, 8)
    quiet = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(quiet, ops.convert_to_numpy(layer(x, training=False)))
    assert not np.allclose(quiet, ops.convert_to_numpy(layer(x, training=True)))


@both
def test_children_take_the_dtype_of_their_parent(block, vectors):
    layer = block(**BLOCK, dtype="mixed_bfloat16")
    layer(vectors(1, 2, 8))
    children = [child for child in layer._flatten_layers(include_self=False)]
    assert {child.dtype_policy.name for child in children} == {"mixed_bfloat16"}


@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embed_dim": 0}, "embed_dim expected a positive integer. Received: embed_dim=0"),
        ({"dense_dim": "16"}, "dense_dim expected a positive integer. Received: dense_dim='16'"),
        ({"num_heads": 0}, "num_heads expected a positive integer. Received: num_heads=0"),
        ({"num_heads": 3}, "embed_dim expected a multiple .* embed_dim=8, num_heads=3"),
        ({"key_dim": 0}, "key_dim expected a positive integer. Received: key_dim=0"),
        ({"dropout": 1}, r"dropout expected a number in \[0, 1\). Received: dropout=1"),
        ({"attention_dropout": -0.1}, r"attention_dropout expected a number .*=-0.1"),
    ],
)
def test_errors(block, arguments, message):
    with pytest.raises(ValueError, match=message):
        block(**{**BLOCK, **arguments})


@both
def test_wrong_width(block):
    message = r"expected a last axis of embed_dim=8. Received: shape \(None, None, 6\)"
    with pytest.raises(ValueError, match=message):
        block(**BLOCK)(keras.Input((None, 6)))


@both
def test_dropout_acts_inside_the_feed_forward_too(block):
    layer = block(**BLOCK, dropout=0.5)
    x = np.random.default_rng(0).normal(size=(2, 6, 8)).astype("float32")
    layer(x)
    quiet = ops.convert_to_numpy(layer.feed_forward(x))
    assert not np.allclose(quiet, ops.convert_to_numpy(layer.feed_forward(x, training=True)))
