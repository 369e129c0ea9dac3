"""Layer normalization that trains faster."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import ops

from keras_tx.layers.onednn import has_onednn_kernels, onednn_normalization
from keras_tx.layers.written_gradient import written_gradient


@keras.saving.register_keras_serializable(package="keras_tx")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` of the last axis, with its gradient written out.

    `y = γ (x - mean) / sqrt(variance + ε) + β`. Keras' form makes several arrays of the inputs'
    size, and its derivative as many again, which a processor's memory pays for. With the
    normalized inputs `n`, the gradient for `x` is

    `(g - mean(g) - n mean(g n)) / sqrt(variance + ε)`, where `g = γ dy`,

    so that `n` is all that a step must keep; sums over rows and columns are matrix products.
    Outside of training it is oneDNN's kernel, where TensorFlow has that; else, and for one token
    at a time, the formula as it stands, in fewer operations than Keras' form: in a search, which
    normalizes a few rows thousands of times, their number is what counts.

    Args:
        epsilon: `ε`. Default 1e-3.
        **kwargs: of `keras.layers.Layer`. With `dtype="bfloat16"` the weights stay in float32,
            in which they are needed.

    Call arguments:
        inputs: `(…, D)`, floats. Computed in float32 at least.
        training: whether to use the gradient described; without it, the backend finds one.

    Returns:
        Of the shape of the inputs, in the layer's compute type.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.layer_normalization import LayerNormalization
        >>> outputs = LayerNormalization()(np.array([[1.0, 3.0], [5.0, 5.0]]), training=True)
        >>> np.asarray(outputs).round(2).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]

    Source: Ba et al. 2016, "Layer Normalization".
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any) -> None:
        # Named, so that other values for them are an error: `normalize` knows no others.
        super().__init__(axis=-1, epsilon=epsilon, center=True, scale=True, **kwargs)
        if self.dtype_policy.name == "bfloat16":
            self.dtype_policy = "mixed_bfloat16"

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            return normalize(inputs, self.gamma, self.beta, self.epsilon, self.compute_dtype)
        if self._kernel_pays(inputs):
            return normalize_by_kernel(
                ops.cast(inputs, self.compute_dtype), self.gamma, self.beta, self.epsilon
            )
        wide = keras.backend.result_type(inputs.dtype, "float32")
        rows, _ = normalized_rows(ops.cast(inputs, wide), self.epsilon)
        outputs = rows * ops.cast(self.gamma, wide) + ops.cast(self.beta, wide)
        return ops.cast(outputs, self.compute_dtype)

    def _kernel_pays(self, inputs: Any) -> bool:
        kinds = ("float32", "bfloat16")
        if len(inputs.shape) not in (2, 3) or self.compute_dtype not in kinds:
            return False
        # It takes a while to start: longer than the formula for a few rows takes.
        one_token = len(inputs.shape) == 3 and inputs.shape[1] == 1
        return not one_token and inputs.shape[-1] is not None and has_onednn_kernels()

    def get_config(self) -> dict[str, Any]:
        config = keras.layers.Layer.get_config(self)
        return {**config, "epsilon": self.epsilon}


def normalized_rows(rows: Any, epsilon: float) -> tuple[Any, Any]:
    """`(x - mean) / sqrt(variance + ε)` of rows `(…, D)`, and `1 / sqrt(variance + ε)` `(…, 1)`."""
    centered = rows - ops.mean(rows, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
    inverse = ops.rsqrt(variance + epsilon)
    return centered * inverse, inverse


def normalize(inputs: Any, gamma: Any, beta: Any, epsilon: float, dtype: str) -> Any:
    """The rows of `inputs (…, D)` normalized, scaled by `gamma (D,)`, moved by `beta (D,)`."""

    @written_gradient
    def normalized(inputs: Any, gamma: Any, beta: Any) -> Any:
        found = normalized_rows(_rows(inputs), epsilon)
        outputs = ops.cast(found[0] * gamma + beta, dtype)
        gradient = functools.partial(_gradients, inputs, gamma, found)
        return ops.reshape(outputs, ops.shape(inputs)), gradient

    return normalized(*_tensors(inputs, gamma, beta))


def normalize_by_kernel(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """The same by oneDNN. The gradient computes anew what the kernel keeps for itself."""

    @written_gradient
    def normalized(inputs: Any, gamma: Any, beta: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return _gradients(inputs, gamma, normalized_rows(_rows(inputs), epsilon), upstream)

        weights = (ops.cast(weight, inputs.dtype) for weight in (gamma, beta))
        return onednn_normalization(inputs, *weights, epsilon), gradient

    return normalized(*_tensors(inputs, gamma, beta))


def _tensors(inputs: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
    inputs = ops.convert_to_tensor(inputs)
    wide = keras.backend.result_type(inputs.dtype, "float32")
    return inputs, *(ops.cast(ops.convert_to_tensor(one), wide) for one in (gamma, beta))


def _rows(inputs: Any) -> Any:
    wide = keras.backend.result_type(inputs.dtype, "float32")
    return ops.cast(ops.reshape(inputs, (-1, inputs.shape[-1])), wide)


def _gradients(inputs: Any, gamma: Any, found: tuple[Any, Any], upstream: Any) -> tuple:
    """The gradients for inputs, `γ` and `β`; `found` is what `normalized_rows` gives."""
    rows, inverse = found
    slopes = ops.cast(ops.reshape(upstream, (-1, inputs.shape[-1])), rows.dtype)
    products = slopes * rows
    every_row = ops.ones((1, ops.shape(rows)[0]), rows.dtype)
    shares = (gamma / inputs.shape[-1])[:, None]
    changes = slopes * gamma - ops.matmul(slopes, shares)
    changes = (changes - rows * ops.matmul(products, shares)) * inverse
    return (
        ops.reshape(ops.cast(changes, inputs.dtype), ops.shape(inputs)),
        ops.matmul(every_row, products)[0],
        ops.matmul(every_row, slopes)[0],
    )
