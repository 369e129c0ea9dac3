"""The encoder block against NumPy and against KerasHub's."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import TransformerEncoder

PADDING = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
either_norm = pytest.mark.parametrize("norm_first", [False, True], ids=["post", "pre"])


def numbers(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


@either_norm
@pytest.mark.parametrize("key_dim", [None, 8, 3])
@pytest.mark.parametrize(("activation", "gated"), [("relu", False), ("silu", True)])
def test_numpy_twin(
    norm_first, key_dim, activation, gated, vectors, randomize,
    attend_by_loops, norm_twin, feed_forward_twin,
):  # fmt: skip
    layer = TransformerEncoder(
        8, 16, 2, key_dim=key_dim, norm_first=norm_first, activation=activation, gated=gated
    )
    x = vectors(2, 4, 8)
    layer.build(x.shape)
    randomize(layer)
    seen = np.broadcast_to(PADDING[:, None], (2, 4, 4))
    attention_norm, feed_forward_norm = layer.self_attention_norm, layer.feed_forward_norm
    if norm_first:
        inner = norm_twin(attention_norm, x)
        y = x + attend_by_loops(layer.self_attention, inner, mask=seen)
        inner = norm_twin(feed_forward_norm, y)
        expected = y + feed_forward_twin(layer.feed_forward, inner, activation)
    else:
        y = norm_twin(attention_norm, x + attend_by_loops(layer.self_attention, x, mask=seen))
        inner = feed_forward_twin(layer.feed_forward, y, activation)
        expected = norm_twin(feed_forward_norm, y + inner)
    got = numbers(layer(x, source_mask=PADDING))
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)


@either_norm
def test_keras_hub_with_our_weights(norm_first, vectors, randomize, unfused):
    x = vectors(2, 4, 8)
    ours = TransformerEncoder(8, 16, 2, norm_first=norm_first)
    ours.build(x.shape)
    randomize(ours)
    theirs = keras_hub.layers.TransformerEncoder(16, 2, normalize_first=norm_first)
    theirs.build(x.shape)
    w = unfused(ours.self_attention)
    names = ["query", "key", "value", "output"]
    theirs._self_attention_layer.set_weights([w[n + b] for n in names for b in ("", "_bias")])
    theirs._self_attention_layer_norm.set_weights(ours.self_attention_norm.get_weights())
    theirs._feedforward_intermediate_dense.set_weights(ours.feed_forward.up.get_weights())
    theirs._feedforward_output_dense.set_weights(ours.feed_forward.down.get_weights())
    theirs._feedforward_layer_norm.set_weights(ours.feed_forward_norm.get_weights())
    expected = theirs(x, padding_mask=PADDING)
    got = ours(x, source_mask=PADDING)
    np.testing.assert_allclose(numbers(got), numbers(expected), atol=1e-5)


@either_norm
def test_scores_on_request(norm_first, vectors):
    layer, x = TransformerEncoder(8, 16, 2, norm_first=norm_first), vectors(2, 4, 8)
    outputs, scores = layer(x, source_mask=PADDING, return_attention_scores=True)
    np.testing.assert_array_equal(numbers(outputs), numbers(layer(x, source_mask=PADDING)))
    assert scores.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(numbers(scores).sum(-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(
        numbers(scores) > 0, np.broadcast_to(PADDING[:, None, None], scores.shape)
    )


def test_both_names_of_the_mask(vectors):
    layer, x = TransformerEncoder(8, 16, 2), vectors(2, 4, 8)
    np.testing.assert_array_equal(
        numbers(layer(x, mask=PADDING)), numbers(layer(x, source_mask=PADDING))
    )


def test_it_may_be_wrapped():
    """Over the sentences of a document, of which each is read by itself."""
    block = TransformerEncoder(8, 16, 2)
    document = keras.Input((5, 6, 8))
    model = keras.Model(document, keras.layers.TimeDistributed(block)(document))
    given = np.random.default_rng(0).normal(size=(2, 5, 6, 8)).astype("float32")
    assert model.output_shape == (None, 5, 6, 8)
    np.testing.assert_allclose(model(given)[:, 3], block(given[:, 3]), atol=1e-5)
    assert [tuple(x.shape) for x in block(document[:, 0], return_attention_scores=True)] == [
        (None, 6, 8), (None, 2, 6, 6)
    ]  # fmt: skip
