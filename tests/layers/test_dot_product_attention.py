"""Attention with its own gradient, against NumPy and against the backend's gradient."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import MultiHeadAttention
from keras_tx.layers.dot_product_attention import dot_product_attention, mask_bias

RANDOM = np.random.default_rng(9)
# Two sentences, two heads, three queries, four keys, heads of two and of three values.
SHAPES = ((2, 2, 3, 2), (2, 2, 2, 4), (2, 2, 4, 3))
SLOPES = RANDOM.normal(size=(2, 2, 3, 3))
# Of the second sentence the last key does not count.
MASK = np.ones((2, 1, 1, 4), bool)
MASK[1, 0, 0, 3] = False


def twin(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    scores = np.where(MASK, queries @ keys, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ values


@pytest.fixture
def heads() -> list[np.ndarray]:
    return [RANDOM.normal(size=shape) for shape in SHAPES]


def test_it_gives_what_numpy_gives(heads):
    single = [array.astype("float32") for array in heads]
    outputs = dot_product_attention(*single, mask_bias(MASK, "float32"))
    np.testing.assert_allclose(outputs, twin(*heads), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_is_masked_has_a_weight_of_exactly_zero(dtype):
    bias = mask_bias(np.array([True, False]), dtype)
    assert keras.backend.standardize_dtype(bias.dtype) == dtype
    weights = ops.softmax(bias + ops.cast([-50.0, 50.0], dtype))
    assert ops.convert_to_numpy(ops.cast(weights, "float32")).tolist() == [1.0, 0.0]


def test_the_gradients_are_those_of_the_formula(heads, gradients, differences):
    """Central differences of NumPy's attention, in double precision."""

    def weighted(*arrays: np.ndarray) -> float:
        return float((twin(*arrays) * SLOPES).sum())

    def ours(*arrays: object) -> object:
        outputs = dot_product_attention(*arrays, mask_bias(MASK, "float32"))
        return ops.sum(outputs * SLOPES.astype("float32"))

    found = gradients(ours, *(array.astype("float32") for array in heads))
    for place, gradient in enumerate(found):
        np.testing.assert_allclose(gradient, differences(weighted, heads, place), atol=1e-5)
    # Nothing comes back to the key that does not count, and to its values.
    assert not found[1][1, :, :, 3].any() and not found[2][1, :, 3].any()


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-6), ("float64", 1e-12), ("mixed_bfloat16", 0.05)],
)
@pytest.mark.parametrize("is_cross_attention", [False, True])
def test_training_has_the_gradients_that_the_backend_finds(
    dtype, tolerance, is_cross_attention, vectors, randomize, gradients
):
    """With the weights asked for, the attention is not this function, but plain operations."""
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no double precision unless it is asked to")
    attention = MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4, dtype=dtype)
    inputs = [vectors(2, 5, 6), *([vectors(2, 7, 6, seed=1)] if is_cross_attention else [])]
    inputs = [array.astype("float64" if dtype == "float64" else "float32") for array in inputs]
    attention.build(*(array.shape for array in inputs))
    randomize(attention)
    length = inputs[-1].shape[1]
    mask = np.arange(length) < np.array([[length], [length - 2]])

    def loss(return_attention_scores: bool) -> object:
        def square(*arrays: object) -> object:
            results = attention(
                *arrays,
                value_mask=mask,
                use_causal_mask=not is_cross_attention,
                return_attention_scores=return_attention_scores,
                training=True,
            )
            outputs = results[0] if return_attention_scores else results
            return ops.sum(ops.square(ops.cast(outputs, inputs[0].dtype)))

        return square

    found, expected = (gradients(loss(by_backend), *inputs) for by_backend in (False, True))
    for ours, theirs in zip(found, expected, strict=True):
        largest = np.abs(theirs).max()
        assert largest > 0.1
        np.testing.assert_allclose(ours / largest, theirs / largest, atol=tolerance)
