"""A vector for what stands around each token, whatever its order."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.validation import positive_integer


@keras.saving.register_keras_serializable(package="keras_tx")
class RegionEmbedding(keras.layers.Layer):
    """The sum of the token vectors in a window around each position, with a bias and ReLU.

    This is a convolution over bags of tokens: "not a good film" and "a film not good" are the
    same region. It costs a sum a token where a convolution over the order of tokens costs a
    matrix product, and finds more in few texts. Padding adds nothing.

        `outputs[t] = relu(bias + sum(inputs[t - (R - 1) // 2 ... t + R // 2]))`

    and with `normalize` divided by `sqrt(1 + |outputs[t]|²)`.

    Args:
        region_size: tokens of a window, `R`. Of an even number the longer half comes behind.
        activation: default `"relu"`; `None` for none.
        normalize: whether vectors get a length below 1. Default `True`.

    Call arguments:
        inputs: token vectors `(B, T, D)`.
        mask: `(B, T)`, `True` = a token, or `None`; filled by Keras.

    Returns:
        `(B, T, D)`; what stands at padding is to be left out by what follows.

    Raises:
        ValueError: when `region_size` is not a positive integer.

    Example:
        >>> import numpy as np, keras_tx
        >>> region = keras_tx.layers.RegionEmbedding(3, normalize=False)
        >>> vectors = np.array([[[1.0], [2.0], [4.0], [9.0]]], "float32")
        >>> np.asarray(region(vectors, mask=np.array([[1, 1, 1, 0]])))[0, :3, 0].tolist()
        [3.0, 7.0, 6.0]

    Source: Johnson and Zhang 2015, "Semi-supervised Convolutional Neural Networks for Text
    Categorization via Region Embedding", sections 1.1 and 3.
    """

    def __init__(
        self,
        region_size: int = 5,
        activation: Any = "relu",
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.region_size = positive_integer("region_size", region_size)
        self.activation = keras.activations.get(activation)
        self.normalize = normalize
        self.supports_masking = True

    def build(self, inputs_shape: tuple) -> None:
        self.bias = self.add_weight(shape=(inputs_shape[-1],), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is not None:
            inputs = ops.where(ops.cast(mask, "bool")[:, :, None], inputs, 0)
        before = (self.region_size - 1) // 2
        regions = window_sum(inputs, -before, self.region_size - 1 - before)
        regions = self.activation(regions + self.bias)
        if self.normalize:
            regions *= ops.rsqrt(1 + ops.sum(ops.square(regions), axis=-1, keepdims=True))
        return regions

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "region_size": self.region_size,
            "activation": keras.activations.serialize(self.activation),
            "normalize": self.normalize,
        }


def window_sum(vectors: Any, first: int, last: int) -> Any:
    """For each position the sum of the vectors from `first` to `last` places after it.

    Args:
        vectors: `(B, T, D)`; beyond both ends there are zeros.
        first, last: places relative to the position, `first <= last`.

    Returns:
        `(B, T, D)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.region_embedding import window_sum
        >>> np.asarray(window_sum(np.array([[[1.0], [2.0], [4.0]]]), 1, 2))[0, :, 0].tolist()
        [6.0, 4.0, 0.0]
    """
    length, before = ops.shape(vectors)[1], max(-first, 0)
    padded = ops.pad(vectors, ((0, 0), (before, max(last, 0)), (0, 0)))
    total = None
    for place in range(first + before, last + before + 1):
        part = padded[:, place : place + length]
        total = part if total is None else total + part
    return total
