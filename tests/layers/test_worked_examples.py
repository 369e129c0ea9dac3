"""The sums that the field teaches attention with, done by our layers.

The numbers are arithmetic anyone can redo on paper; where notes in circulation disagree,
the sums here hold.
"""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_tx.layers import (
    MultiHeadAttention,
    SinusoidalPositionalEncoding,
    TransformerDecoder,
    TransformerEncoder,
)


def numbers(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


def softmax(x) -> np.ndarray:
    exps = np.exp(x)
    return exps / exps.sum(-1, keepdims=True)


def identity_attention(size: int, cross: bool = False) -> MultiHeadAttention:
    """One head whose projections change nothing."""
    layer = MultiHeadAttention(num_heads=1, key_dim=size, use_bias=False)
    layer.build((1, None, size), (1, None, size) if cross else None)
    one = np.eye(size)
    kernels = [one, np.hstack([one, one])] if cross else [np.hstack([one, one, one])]
    layer.set_weights([*kernels, one])
    return layer


def test_the_cat_sat():
    the, cat, sat = [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1]
    x = np.array([[the, cat, sat]], "float32")
    layer = identity_attention(4)
    outputs, weights = layer(x, return_attention_scores=True)
    outputs, weights = numbers(outputs)[0], numbers(weights)[0, 0]

    raw = np.array([[2, 0, 2], [0, 2, 2], [2, 2, 4]])
    np.testing.assert_array_equal(x[0] @ x[0].T, raw)
    # The logarithm takes softmax back, up to a constant a row: what is left is raw / √4.
    logs = np.log(weights)
    np.testing.assert_allclose(logs - logs[:, :1], (raw - raw[:, :1]) / 2, atol=1e-5)

    np.testing.assert_allclose(weights[0], [0.4223, 0.1554, 0.4223], atol=5e-5)
    np.testing.assert_allclose(weights[1], [0.1554, 0.4223, 0.4223], atol=5e-5)
    np.testing.assert_allclose(weights[2], [0.2119, 0.2119, 0.5761], atol=5e-5)
    # "The": 0.4223 [1,0,1,0] + 0.1554 [0,1,0,1] + 0.4223 [1,1,1,1]
    np.testing.assert_allclose(outputs[0], [0.8446, 0.5777, 0.8446, 0.5777], atol=5e-5)


def test_i_like_cats():
    q = np.array([[[1.3, 0.8], [0.7, 3.5], [1.9, 0.1]]], "float32")
    k = np.array([[[0.6, 2.4], [0.8, 1.7], [2.5, 0.3]]], "float32")
    layer = identity_attention(2, cross=True)
    projected = layer.project_source(k)
    np.testing.assert_allclose(numbers(projected["key"])[0, 0], k[0].T, atol=1e-6)

    raw = np.array([[2.7, 2.4, 3.49], [8.82, 6.51, 2.8], [1.38, 1.69, 4.78]])
    np.testing.assert_allclose(q[0] @ numbers(projected["key"])[0, 0], raw, atol=1e-5)
    _, weights = layer(q, k, return_attention_scores=True)
    np.testing.assert_allclose(numbers(weights)[0, 0], softmax(raw / np.sqrt(2)), atol=1e-5)


def test_scaling_softens():
    # Scores 6 and 4: a query of ones with keys of 1.5s and of 1s, four wide.
    query = np.ones((1, 1, 4), "float32")
    keys = np.array([[[1.5] * 4, [1.0] * 4]], "float32")
    np.testing.assert_array_equal(query[0] @ keys[0].T, [[6, 4]])
    np.testing.assert_allclose(softmax(np.array([6, 4])), [0.88, 0.12], atol=5e-3)

    _, weights = identity_attention(4, cross=True)(query, keys, return_attention_scores=True)
    np.testing.assert_allclose(numbers(weights)[0, 0, 0], [0.73, 0.27], atol=5e-3)
    np.testing.assert_allclose(numbers(weights)[0, 0, 0], softmax(np.array([3, 2])), atol=1e-6)


def test_positional_encoding_of_four_places():
    got = numbers(SinusoidalPositionalEncoding()(np.zeros((1, 2, 4), "float32")))[0]
    np.testing.assert_allclose(got[0], [0, 1, 0, 1], atol=1e-7)
    np.testing.assert_allclose(got[1], [0.8415, 0.5403, 0.01, 0.99995], atol=5e-5)
    np.testing.assert_allclose(got[1], [np.sin(1), np.cos(1), np.sin(0.01), np.cos(0.01)], 1e-6)


def test_layer_norm_of_2_4_6_8():
    # Blocks whose sublayers give nothing: only their normalizations are left, and the
    # second finds what the first gave already normalized. Mean 5, variance 5.
    x = np.array([[[2, 4, 6, 8]]], "float32")
    expected = [-1.342, -0.447, 0.447, 1.342]
    for layer in (TransformerEncoder(4, 8, 1), TransformerDecoder(4, 8, 1)):
        layer.build(x.shape)
        layer.self_attention.set_weights([0 * w for w in layer.self_attention.get_weights()])
        layer.feed_forward.set_weights([0 * w for w in layer.feed_forward.get_weights()])
        np.testing.assert_allclose(numbers(layer(x))[0, 0], expected, atol=5e-4)


class TestDecoderExample:
    """Three tokens and a padded one through masked self-attention."""

    x = np.array(
        [[[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8], [0.9, 1.0, 1.1, 1.2], [0, 0, 0, 0]]],
        "float32",
    )
    padding = np.array([[True, True, True, False]])
    raw = np.array(
        [[0.30, 0.70, 1.10, 0], [0.70, 1.74, 2.78, 0], [1.10, 2.78, 4.46, 0], [0, 0, 0, 0]]
    )
    mask = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0]])
    # Row 2: e^.35 and e^.87 over their sum; row 3: e^.55, e^1.39, e^2.23; row 4, whose
    # own vector is zero, takes the plain mean of what it may see.
    weights = np.array(
        [[1, 0, 0, 0], [0.3729, 0.6271, 0, 0], [0.1152, 0.2668, 0.6180, 0], [1 / 3] * 3 + [0]]
    )
    outputs = np.array(
        [
            [0.1, 0.2, 0.3, 0.4],
            [0.3509, 0.4509, 0.5509, 0.6509],
            [0.7011, 0.8011, 0.9011, 1.0011],
            [0.5, 0.6, 0.7, 0.8],
        ]
    )

    def test_raw_scores(self):
        key = numbers(identity_attention(4, cross=True).project_source(self.x)["key"])[0, 0]
        np.testing.assert_allclose(self.x[0] @ key, self.raw, atol=1e-6)

    def test_mask_scaling_softmax_and_weighted_sum(self):
        outputs, weights = identity_attention(4)(
            self.x, value_mask=self.padding, use_causal_mask=True, return_attention_scores=True
        )
        weights = numbers(weights)[0, 0]
        np.testing.assert_array_equal(weights > 0, self.mask > 0)
        exps = np.exp(self.raw / 2) * self.mask
        np.testing.assert_allclose(weights, exps / exps.sum(-1, keepdims=True), atol=1e-6)
        np.testing.assert_allclose(weights, self.weights, atol=5e-5)
        np.testing.assert_allclose(numbers(outputs)[0], self.outputs, atol=5e-5)

    @pytest.mark.parametrize("token_by_token", [False, True])
    def test_inside_the_decoder_block(self, token_by_token):
        block = TransformerDecoder(4, 8, 1, use_bias=False)
        block.build(self.x.shape)
        one = np.eye(4)
        block.self_attention.set_weights([np.hstack([one, one, one]), one])
        if token_by_token:
            # Without the padded token: the cache holds real tokens only.
            cache, rows = block.start_cache(1, 3), []
            for t in range(3):
                _, row, cache = block(
                    self.x[:, t : t + 1], cache=cache, cache_index=t, return_attention_scores=True
                )
                rows.append(numbers(row)[0, 0, 0])
            np.testing.assert_allclose(rows, self.weights[:3, :3], atol=5e-5)
        else:
            _, weights = block(self.x, target_mask=self.padding, return_attention_scores=True)
            np.testing.assert_allclose(numbers(weights)[0, 0], self.weights, atol=5e-5)
