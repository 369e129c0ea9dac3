"""The Transformer encoder block."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="keras_tx")
class TransformerEncoder(TransformerBlock):
    """Self-attention and a feed-forward network, each with residual and normalization.

    Post-norm by default, as in the book and the paper: `x = norm(x + attention(x))`,
    `x = norm(x + feed_forward(x))`; `norm_first=True` normalizes the inputs of the
    sublayers instead. Positions that `source_mask` marks `False` are attended by
    nobody. A Keras mask on `source` takes its place if it is not given, and passes through.

    Args:
        embed_dim: size of the vectors, `D`.
        dense_dim: inner size of the feed-forward network.
        num_heads: number of attention heads, `H`.
        key_dim: size of a head. Default `embed_dim // num_heads` (the paper, the book's
            3rd edition); the 2nd edition uses `embed_dim`.
        norm_first: pre-norm instead of post-norm. Default `False`.
        dropout: rate on the sublayers' outputs and inside the feed-forward network.
            Default 0.
        attention_dropout: rate on the attention weights. Default 0.
        activation: of the feed-forward network. Default `"relu"`.
        gated: whether the feed-forward network is gated. Default `False`.
        use_bias: whether projections have biases. Default `True`.
        epsilon: of the normalizations. Default 1e-5.

    Call arguments:
        source: `(B, T, D)`.
        source_mask: `(B, T)`, `True` = attend, or `None`.
        mask: the mask that Keras fills in; used when `source_mask` is `None`.
        return_attention_scores: also return the weights. Default `False`.

    Returns:
        `(B, T, D)`, or `((B, T, D), (B, H, T, T))` with the scores.

    Raises:
        ValueError: when sizes do not fit together.

    Example:
        >>> import numpy as np, keras_tx
        >>> encoder = keras_tx.layers.TransformerEncoder(8, dense_dim=16, num_heads=2)
        >>> tuple(encoder(np.ones((1, 3, 8), "float32")).shape)
        (1, 3, 8)

    Source: Chollet, *Deep Learning with Python*, 2nd edition, listing 11.21, and 3rd
    edition, chapter 15; Vaswani et al. 2017, section 3.1.
    """

    def build(self, source_shape: tuple) -> None:
        self._check_width("source", source_shape)
        self.self_attention = self._build_attention("self_attention", source_shape)
        self.self_attention_norm = self._build_norm("self_attention_norm", source_shape)
        self.feed_forward = self._build_feed_forward(source_shape)
        self.feed_forward_norm = self._build_norm("feed_forward_norm", source_shape)
        self._build_dropout()
        self.built = True

    def call(
        self,
        source: Any,
        source_mask: Any = None,
        mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        # Keras fills `mask`, not `source_mask`, when a layer is called on one tensor.
        source_mask = mask if source_mask is None else source_mask

        def attend(x: Any) -> Any:
            return self.self_attention(
                x,
                value_mask=source_mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )

        def transform(x: Any) -> Any:
            return self.feed_forward(x, training=training)

        x, scores = self._residual(source, self.self_attention_norm, attend, training)
        x, _ = self._residual(x, self.feed_forward_norm, transform, training)
        return (x, *scores) if return_attention_scores else x

    def compute_mask(self, source: Any, previous_mask: Any = None) -> Any:
        return previous_mask
