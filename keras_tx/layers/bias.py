"""A bias by itself."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_tx")
class Bias(keras.layers.Layer):
    """Adds a learned vector to the last axis.

    For scores that are products with a table which belongs to another layer, as with tied
    embeddings: the bias learns how frequent each token is. A Keras mask passes through.

    Call arguments:
        inputs: `(…, D)`.

    Returns:
        `(…, D)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.bias import Bias
        >>> bias = Bias()
        >>> tuple(bias(np.ones((1, 2, 3), "float32")).shape), bias.count_params()
        ((1, 2, 3), 3)

    Source: Devlin et al. 2019, "BERT": the output layer of its reference implementation.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape: tuple) -> None:
        self.bias = self.add_weight(shape=(inputs_shape[-1],), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs + self.bias

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape
