"""Pooling of a sequence to one vector that leaves padding out."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class MeanMaxPooling1D(keras.layers.Layer):
    """The mean and the maximum over the unmasked positions, joined.

    Keras' own `GlobalMaxPooling1D` lets padding into the maximum; this layer does not.
    A row in which everything is masked gives zeros. The mask ends here.

    Call arguments:
        inputs: `(B, T, D)`.
        mask: `(B, T)`, `True` = counts, or `None`; filled by Keras.

    Returns:
        `(B, 2 * D)`: means, then maxima.

    Example:
        >>> import numpy as np, keras_tx
        >>> vectors = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> pooled = keras_tx.layers.MeanMaxPooling1D()(vectors, mask=np.array([[1, 1, 0]]))
        >>> np.asarray(pooled).tolist()
        [[2.0, 3.0]]

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text
    Classification", section 3.3 (concat pooling).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.concatenate([ops.mean(inputs, axis=1), ops.max(inputs, axis=1)], axis=-1)
        mask = ops.cast(mask, "bool")[:, :, None]  # (B, T, 1)
        # Counted in float32: half precision cannot hold every count above 256.
        count = ops.maximum(ops.sum(ops.cast(mask, "float32"), axis=1), 1.0)
        total = ops.sum(ops.where(mask, ops.cast(inputs, "float32"), 0.0), axis=1)
        mean = ops.cast(total / count, inputs.dtype)
        lowest = -3e4 if inputs.dtype == "float16" else -1e9
        highest = ops.max(ops.where(mask, inputs, ops.cast(lowest, inputs.dtype)), axis=1)
        highest = ops.where(ops.any(mask, axis=1), highest, ops.zeros_like(highest))
        return ops.concatenate([mean, highest], axis=-1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], 2 * inputs_shape[-1])
