"""What the Transformer encoder and decoder share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_tx.layers.byte_dropout import ByteDropout
from keras_tx.layers.feed_forward import FeedForward
from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.layers.multi_head_attention import MultiHeadAttention
from keras_tx.layers.validation import positive_integer, rate


class TransformerBlock(keras.layers.Layer):
    """Arguments, children and the residual connection of `TransformerEncoder` and
    `TransformerDecoder`; not used by itself.

    Post-norm: `y = norm(x + dropout(sublayer(x)))`. Pre-norm (`norm_first=True`):
    `y = x + dropout(sublayer(norm(x)))`; a stack of pre-norm blocks needs one more
    normalization at its end.
    """

    def __init__(
        self,
        embed_dim: int,
        dense_dim: int,
        num_heads: int,
        key_dim: int | None = None,
        norm_first: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation: Any = "relu",
        gated: bool = False,
        use_bias: bool = True,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.embed_dim = positive_integer("embed_dim", embed_dim)
        self.dense_dim = positive_integer("dense_dim", dense_dim)
        self.num_heads = positive_integer("num_heads", num_heads)
        if key_dim is None and embed_dim % num_heads:
            raise ValueError(
                "embed_dim expected a multiple of num_heads unless key_dim is given. "
                f"Received: embed_dim={embed_dim}, num_heads={num_heads}"
            )
        key_dim = embed_dim // num_heads if key_dim is None else key_dim
        self.key_dim = positive_integer("key_dim", key_dim)
        self.norm_first = norm_first
        self.dropout = rate("dropout", dropout)
        self.attention_dropout = rate("attention_dropout", attention_dropout)
        self.activation = keras.activations.get(activation)
        self.gated = gated
        self.use_bias = use_bias
        self.epsilon = epsilon

    def _check_width(self, name: str, shape: tuple) -> None:
        if shape[-1] != self.embed_dim:
            raise ValueError(
                f"{name} expected a last axis of embed_dim={self.embed_dim}. "
                f"Received: shape {tuple(shape)}"
            )

    def compute_output_shape(self, inputs_shape: tuple, *others: Any, **more: Any) -> tuple:
        """The shape of the vectors, for what wraps the layer; scores and cache have others."""
        return inputs_shape

    def compute_output_spec(self, *arguments: Any, **options: Any) -> Any:
        # Traced, not made of the shape above: there may be scores and a cache, too.
        return keras.Operation.compute_output_spec(self, *arguments, **options)

    def _build_attention(
        self, name: str, query_shape: tuple, value_shape: tuple | None = None
    ) -> MultiHeadAttention:
        attention = MultiHeadAttention(
            self.num_heads,
            self.key_dim,
            dropout=self.attention_dropout,
            use_bias=self.use_bias,
            dtype=self.dtype_policy,
            name=name,
        )
        attention.build(query_shape, value_shape)
        return attention

    def _build_feed_forward(self, shape: tuple) -> FeedForward:
        feed_forward = FeedForward(
            self.dense_dim,
            activation=self.activation,
            gated=self.gated,
            dropout=self.dropout,
            use_bias=self.use_bias,
            dtype=self.dtype_policy,
            name="feed_forward",
        )
        feed_forward.build(shape)
        return feed_forward

    def _build_norm(self, name: str, shape: tuple) -> LayerNormalization:
        norm = LayerNormalization(self.epsilon, dtype=self.dtype_policy, name=name)
        norm.build(shape)
        return norm

    def _build_dropout(self) -> None:
        self.dropout_layer = ByteDropout(self.dropout, dtype=self.dtype_policy)

    def _residual(
        self, x: Any, norm: keras.layers.Layer, sublayer: Callable, training: bool | None
    ) -> tuple[Any, tuple]:
        """One sublayer with its residual connection: the new `x`, and what else it returned."""
        outputs = sublayer(norm(x, training=training) if self.norm_first else x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        x = x + self.dropout_layer(outputs[0], training=training)
        return (x if self.norm_first else norm(x, training=training)), outputs[1:]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "embed_dim": self.embed_dim,
            "dense_dim": self.dense_dim,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "norm_first": self.norm_first,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "activation": keras.activations.serialize(self.activation),
            "gated": self.gated,
            "use_bias": self.use_bias,
            "epsilon": self.epsilon,
        }
