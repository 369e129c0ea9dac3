"""Pooling for bags of features."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class RootPooling1D(keras.layers.Layer):
    """The sum over the unmasked positions, divided by the square root of their number.

    With one weight for each n-gram this is a linear classifier on n-gram counts of unit
    length, the form in which long and short texts are comparable. A mean instead would
    shrink what each n-gram can say by the length of the text. The mask ends here.

    Args:
        scale: fixed factor on the result: it works like a higher learning rate for what is
            pooled, which bags of rare features need. Default 1.

    Call arguments:
        inputs: `(B, T, D)`.
        mask: `(B, T)`, `True` = counts, or `None`; filled by Keras.

    Returns:
        `(B, D)`; zeros for a row in which everything is masked.

    Example:
        >>> import numpy as np, keras_tx
        >>> vectors = np.array([[[1.0], [3.0], [2.0], [2.0], [9.0]]], "float32")
        >>> mask = np.array([[1, 1, 1, 1, 0]])
        >>> np.asarray(keras_tx.layers.RootPooling1D()(vectors, mask=mask)).tolist()
        [[4.0]]

    Source: the square-root-of-n pooling of Cer et al. 2018, "Universal Sentence Encoder",
    section 3.2; linear n-grams beside a network: Cheng et al. 2016, "Wide & Deep Learning".
    """

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.scale = float(scale)
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        mask = ops.ones(ops.shape(inputs)[:2], "bool") if mask is None else ops.cast(mask, "bool")
        # Summed and counted in float32: half precision cannot hold every count above 256.
        total = ops.sum(ops.where(mask[..., None], ops.cast(inputs, "float32"), 0.0), axis=1)
        count = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)
        pooled = total * (self.scale * ops.rsqrt(ops.maximum(count, 1.0)))
        return ops.cast(pooled, inputs.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], inputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}
