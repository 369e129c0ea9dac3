"""Layer normalization that trains faster."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.written_gradient import written_gradient


@keras.saving.register_keras_serializable(package="keras_tx")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` of the last axis, with its gradient written out.

    `y = γ (x - mean) / sqrt(variance + ε) + β`. Keras' form makes several arrays of the inputs'
    size, and its derivative as many again, which a processor's memory pays for. With the
    normalized inputs `n`, the gradient for `x` is

    `(g - mean(g) - n mean(g n)) / sqrt(variance + ε)`, where `g = γ dy`,

    so that `n` is all that a step must keep; sums over rows and columns are matrix products.
    Outside of training it is the formula as it stands, in fewer operations than Keras' form: in a
    search, which normalizes a few rows thousands of times, their number is what counts.

    Args:
        epsilon: `ε`. Default 1e-3.
        **kwargs: of `keras.layers.Layer`.

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

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            return normalize(inputs, self.gamma, self.beta, self.epsilon, self.compute_dtype)
        wide = keras.backend.result_type(inputs.dtype, "float32")
        rows, _ = normalized_rows(ops.cast(inputs, wide), self.epsilon)
        outputs = rows * ops.cast(self.gamma, wide) + ops.cast(self.beta, wide)
        return ops.cast(outputs, self.compute_dtype)

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
        size = inputs.shape[-1]
        rows, inverse = normalized_rows(ops.cast(ops.reshape(inputs, (-1, size)), wide), epsilon)
        outputs = ops.cast(rows * gamma + beta, dtype)

        def gradient(upstream: Any) -> Any:
            slopes = ops.cast(ops.reshape(upstream, (-1, size)), wide)
            products = slopes * rows
            every_row = ops.ones((1, ops.shape(rows)[0]), wide)
            shares = (gamma / size)[:, None]
            changes = slopes * gamma - ops.matmul(slopes, shares)
            changes = (changes - rows * ops.matmul(products, shares)) * inverse
            return (
                ops.reshape(ops.cast(changes, inputs.dtype), ops.shape(inputs)),
                ops.matmul(every_row, products)[0],
                ops.matmul(every_row, slopes)[0],
            )

        return ops.reshape(outputs, ops.shape(inputs)), gradient

    wide = keras.backend.result_type(inputs.dtype, "float32")
    gamma, beta = (ops.cast(ops.convert_to_tensor(weight), wide) for weight in (gamma, beta))
    return normalized(inputs, gamma, beta)
