"""The position-wise feed-forward network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.byte_dropout import ByteDropout
from keras_tx.layers.gelu import gelu
from keras_tx.layers.validation import optional, positive_integer, rate


@keras.saving.register_keras_serializable(package="keras_tx")
class FeedForward(keras.layers.Layer):
    """Two dense layers applied to each position alike, plain or gated.

    Plain: `activation(x W_up + b) W_down + b`. Gated:
    `(activation(x W_gate + b) · (x W_up + b)) W_down + b`, where gate and up come from
    one fused product. A Keras mask passes through.

    Args:
        dense_dim: size of the inner layer, `F`.
        activation: any Keras activation, e.g. `"relu"` (default), `"gelu"`, `"silu"`.
        gated: whether a second inner projection is gated by the first. Default `False`.
        dropout: rate of dropout on the inner layer. Default 0.
        output_dim: size of the output. Defaults to the size of the inputs.
        use_bias: whether the projections have biases. Default `True`.

    Call arguments:
        inputs: `(B, T, D)`, or any shape with `D` as last axis.

    Returns:
        `(B, T, output_dim)`.

    Raises:
        ValueError: when a size is not positive or a rate is outside [0, 1).

    Example:
        >>> import numpy as np, keras_tx
        >>> feed_forward = keras_tx.layers.FeedForward(16, activation="gelu", gated=True)
        >>> tuple(feed_forward(np.ones((1, 3, 8), "float32")).shape)
        (1, 3, 8)

    Source: Vaswani et al. 2017, section 3.3; gated: Shazeer 2020, "GLU Variants Improve
    Transformer".
    """

    def __init__(
        self,
        dense_dim: int,
        activation: Any = "relu",
        gated: bool = False,
        dropout: float = 0.0,
        output_dim: int | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dense_dim = positive_integer("dense_dim", dense_dim)
        self.activation = keras.activations.get(activation)
        self.gated = gated
        self.dropout = rate("dropout", dropout)
        self.output_dim = optional(positive_integer, "output_dim", output_dim)
        self.use_bias = use_bias

    def build(self, inputs_shape: tuple) -> None:
        self.up = keras.layers.Dense(
            self.dense_dim * (2 if self.gated else 1),
            use_bias=self.use_bias,
            dtype=self.dtype_policy,
            name="gate_up" if self.gated else "up",
        )
        self.up.build(inputs_shape)
        self.dropout_layer = ByteDropout(self.dropout, dtype=self.dtype_policy)
        self.down = keras.layers.Dense(
            self.output_dim or inputs_shape[-1],
            use_bias=self.use_bias,
            dtype=self.dtype_policy,
            name="down",
        )
        self.down.build((*inputs_shape[:-1], self.dense_dim))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        # One row for each position: plain matrix products, without the many small operations
        # that a product of other ranks brings with it.
        hidden = self.up(ops.reshape(inputs, (-1, inputs.shape[-1])))
        # Outside of training the kernel library fuses product, bias and Keras' activation.
        is_gelu = self.activation is keras.activations.gelu
        activation = gelu if training and is_gelu else self.activation
        if self.gated:
            gate, up = hidden[..., : self.dense_dim], hidden[..., self.dense_dim :]
            hidden = activation(gate) * up
        else:
            hidden = activation(hidden)
        outputs = self.down(self.dropout_layer(hidden, training=training))
        # One size may be unknown; only for several does the graph have to find them out.
        sizes = [-1 if size is None else size for size in inputs.shape[:-1]]
        if sizes.count(-1) > 1:
            sizes = ops.shape(inputs)[:-1]
        return ops.reshape(outputs, (*sizes, outputs.shape[-1]))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.output_dim or inputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dense_dim": self.dense_dim,
            "activation": keras.activations.serialize(self.activation),
            "gated": self.gated,
            "dropout": self.dropout,
            "output_dim": self.output_dim,
            "use_bias": self.use_bias,
        }
