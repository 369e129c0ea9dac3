"""The Transformer decoder block."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.layers.multi_head_attention import Cache
from keras_tx.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="keras_tx")
class TransformerDecoder(TransformerBlock):
    """Causal self-attention, attention to a source, and a feed-forward network.

    Each sublayer has a residual connection and a normalization: post-norm by default,
    `norm_first=True` for pre-norm. Position `t` of the target sees targets up to `t`
    only. Cross-attention is masked by the *source's* padding (the book's 2nd edition
    takes the target's, which is wrong unless both have the same lengths). Keras masks
    on the tensors fill `target_mask` and `source_mask`; the target's passes through.

    Called without `source` the block is a decoder-only block, as in a language model;
    the first call settles which it is.

    Args:
        embed_dim: size of the vectors, `D`.
        dense_dim: inner size of the feed-forward network.
        num_heads: number of attention heads, `H`.
        key_dim: size of a head. Default `embed_dim // num_heads`.
        norm_first: pre-norm instead of post-norm. Default `False`.
        dropout: rate on the sublayers' outputs and inside the feed-forward network.
            Default 0.
        attention_dropout: rate on the attention weights. Default 0.
        activation: of the feed-forward network. Default `"relu"`.
        gated: whether the feed-forward network is gated. Default `False`.
        use_bias: whether projections have biases. Default `True`.
        epsilon: of the normalizations. Default 1e-5.

    Call arguments:
        target: `(B, Tt, D)`.
        source: encoder outputs `(B, Ts, Ds)`, or `None`.
        target_mask: `(B, Tt)`, `True` = attend, or `None`. One of shape `(B, Tt, Tk)` takes
            the causal mask's place: beam search has several hypotheses in the place of
            tokens, each of which sees its own past in the cache.
        source_mask: `(B, Ts)`, `True` = attend, or `None`.
        cache: what `start_cache` gave, or the last step returned. With it, `target` is
            the next token `(B, 1, D)`, and `source` is not needed.
        cache_index: scalar, the slot of that token in a cache of fixed length. Default
            `None`: the cache grows.
        in_place_cache: see `MultiHeadAttention`. Default `False`.
        mask: the mask that Keras fills in for a decoder-only block; used when
            `target_mask` is `None`.
        return_attention_scores: also return the cross-attention weights (those of
            self-attention in a decoder-only block). Default `False`.

    Returns:
        `(B, Tt, D)`, followed by the scores `(B, H, Tt, Ts)` if asked for, followed by
        the updated cache if one was given.

    Raises:
        ValueError: when sizes do not fit together.

    Example:
        >>> import numpy as np, keras_tx
        >>> decoder = keras_tx.layers.TransformerDecoder(8, dense_dim=16, num_heads=2)
        >>> tuple(decoder(np.ones((1, 3, 8), "float32"), np.ones((1, 5, 8), "float32")).shape)
        (1, 3, 8)

    Source: Chollet, *Deep Learning with Python*, 2nd edition, listing 11.33, and 3rd
    edition, chapter 15; Vaswani et al. 2017, section 3.1.
    """

    def build(self, target_shape: tuple, source_shape: tuple | None = None) -> None:
        self._check_width("target", target_shape)
        self.self_attention = self._build_attention("self_attention", target_shape)
        self.self_attention_norm = self._build_norm("self_attention_norm", target_shape)
        self.has_source = source_shape is not None
        if self.has_source:
            self.cross_attention = self._build_attention(
                "cross_attention", target_shape, source_shape
            )
            self.cross_attention_norm = self._build_norm("cross_attention_norm", target_shape)
        self.feed_forward = self._build_feed_forward(target_shape)
        self.feed_forward_norm = self._build_norm("feed_forward_norm", target_shape)
        self._build_dropout()
        self.built = True

    def call(
        self,
        target: Any,
        source: Any = None,
        target_mask: Any = None,
        source_mask: Any = None,
        cache: dict[str, Cache] | None = None,
        cache_index: Any = None,
        in_place_cache: bool = False,
        mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_source(source, cache)
        # Keras fills `mask`, not `target_mask`, when a layer is called on one tensor.
        target_mask = mask if target_mask is None else target_mask

        pattern = None
        if target_mask is not None and len(target_mask.shape) == 3:
            pattern, target_mask = target_mask, None

        def attend_to_target(x: Any) -> Any:
            return self.self_attention(
                x,
                value_mask=None if cache else target_mask,
                attention_mask=pattern,
                use_causal_mask=pattern is None,
                cache=cache and cache["target"],
                cache_index=cache_index,
                in_place_cache=in_place_cache,
                return_attention_scores=return_attention_scores,
                training=training,
            )

        def attend_to_source(x: Any) -> Any:
            return self.cross_attention(
                x,
                None if cache else source,
                value_mask=source_mask,
                cache=cache and cache["source"],
                return_attention_scores=return_attention_scores,
                training=training,
            )

        def transform(x: Any) -> Any:
            return self.feed_forward(x, training=training)

        x, extra = self._residual(target, self.self_attention_norm, attend_to_target, training)
        scores = extra[:1] if return_attention_scores else ()
        if cache:
            cache = {**cache, "target": extra[-1]}
        if self.has_source:
            x, extra = self._residual(x, self.cross_attention_norm, attend_to_source, training)
            scores = extra
        x, _ = self._residual(x, self.feed_forward_norm, transform, training)
        results = (x, *scores, *((cache,) if cache else ()))
        return results[0] if len(results) == 1 else results

    def start_cache(self, batch_size: Any, length: Any, source: Any = None) -> dict[str, Cache]:
        """The cache to decode `length` tokens with, 0 for one that grows.

        `source` `(B, Ts, Ds)` is projected once.
        """
        if not self.built:
            raise ValueError(
                f"Layer {self.name!r} expected to be built before its cache: call it, or build it. "
                "Received: a layer that is not"
            )
        self._check_source(source, cache=None)
        cache = {"target": self.self_attention.empty_cache(batch_size, length)}
        if self.has_source:
            cache["source"] = self.cross_attention.project_source(source)
        return cache

    def _check_source(self, source: Any, cache: Any) -> None:
        if self.has_source and source is None and not cache:
            raise ValueError(
                f"Layer {self.name!r} was built with a source and expected one, or a cache. "
                "Received: source=None, cache=None"
            )
        if not self.has_source and source is not None:
            raise ValueError(
                f"Layer {self.name!r} was built as a decoder-only block and expected no source. "
                f"Received: source of shape {tuple(source.shape)}"
            )

    def compute_mask(self, target: Any, previous_mask: Any = None) -> Any:
        return previous_mask
