"""Multi-head attention with explicit masks and a key/value cache."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.attention_cache import Cache, append_to_cache, write_to_cache
from keras_tx.layers.byte_dropout import ByteDropout
from keras_tx.layers.dot_product_attention import dot_product_attention, mask_bias
from keras_tx.layers.validation import optional, positive_integer, rate


@keras.saving.register_keras_serializable(package="keras_tx")
class MultiHeadAttention(keras.layers.Layer):
    """Scaled dot-product attention over several heads.

    Computes `softmax(Q Kᵀ / √key_dim + mask) V` for each head and projects the
    joined heads to `output_dim`. Without `value` it is self-attention, and
    query, key and value come from **one** fused matrix product; with `value` it
    is cross-attention, and key and value share one. The kind is settled by the
    first call.

    Masks are boolean, `True` = attend. `value_mask` (padding of the attended
    sequence), `attention_mask` (any pattern) and `use_causal_mask` are combined
    with a logical and. A Keras mask that travels with the attended tensor takes the
    place of `value_mask` if that is not given. Rows of masked *queries* are computed
    all the same, their values mean nothing. A row in which everything is masked gives
    finite values.

    The layer stores no state between calls. To decode step by step, pass `cache` and
    take the updated cache from the result. A cache of length 0 (see `empty_cache`) grows
    by the tokens of each call; one of a fixed length, for backends that need static
    shapes, is written from slot `cache_index` on. For cross-attention pass the cache that
    `project_source` makes once for a source.

    Args:
        num_heads: number of heads, `H`.
        key_dim: size of each head for queries and keys, `K`. It may differ from
            `embed_dim // num_heads`.
        value_dim: size of each head for values, `V`. Defaults to `key_dim`.
        output_dim: size of the output. Defaults to the size of `query`.
        dropout: rate of dropout on the attention weights. Default 0.
        use_bias: whether the projections have biases. Default `True`.
        kernel_initializer: initializer of the projections. Default Glorot uniform.

    Call arguments:
        query: `(B, Tq, D)`.
        value: `(B, Tk, Ds)`, or `None` for self-attention (`Tk = Tq`).
        value_mask: `(B, Tk)`.
        attention_mask: `(Tq, Tk)`, `(B, Tq, Tk)` or `(B, 1 or H, Tq, Tk)`.
        use_causal_mask: whether position `i` sees positions `<= i` only.
        cache: `{"key": (B, H, K, L), "value": (B, H, L, V)}`. The mask is over what
            the cache holds afterwards: `Tk = L + Tq` if it grows, else `Tk = L`.
        cache_index: scalar, the slot of the first token in `query` in a cache of fixed
            length; slots behind the last one written are masked. Default `None`: the
            cache grows.
        in_place_cache: write into a cache of fixed length by `slice_update`, which is fast
            under XLA and JAX, instead of a select, which runs everywhere. Default `False`.
        mask, query_mask: the mask that Keras fills in for self-attention (`query_mask`
            when another tensor comes with `query`); used when `value_mask` is `None`.
        return_attention_scores: also return the weights `(B, H, Tq, Tk)`.

    Returns:
        `(B, Tq, output_dim)`, followed by the scores if asked for, followed by
        the updated cache in self-attention with a cache.

    Raises:
        ValueError: when sizes are not positive, when a layer built for
            self-attention gets `value`, or when an index comes without a cache.

    Example:
        >>> import numpy as np, keras_tx
        >>> attention = keras_tx.layers.MultiHeadAttention(num_heads=2, key_dim=4)
        >>> tuple(attention(np.ones((1, 3, 8), "float32"), use_causal_mask=True).shape)
        (1, 3, 8)

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        output_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_heads = positive_integer("num_heads", num_heads)
        self.key_dim = positive_integer("key_dim", key_dim)
        self.value_dim = positive_integer("value_dim", key_dim if value_dim is None else value_dim)
        self.output_dim = optional(positive_integer, "output_dim", output_dim)
        self.dropout = rate("dropout", dropout)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape: tuple, value_shape: tuple | None = None) -> None:
        key_size = self.num_heads * self.key_dim
        value_size = self.num_heads * self.value_dim
        self.is_self_attention = value_shape is None
        if self.is_self_attention:
            self.query_key_value = self._dense(2 * key_size + value_size, "query_key_value")
            self.query_key_value.build(query_shape)
        else:
            self.query = self._dense(key_size, "query")
            self.query.build(query_shape)
            self.key_value = self._dense(key_size + value_size, "key_value")
            self.key_value.build(value_shape)
        self.output_projection = self._dense(self.output_dim or query_shape[-1], "output")
        self.output_projection.build((*query_shape[:-1], value_size))
        self.dropout_layer = ByteDropout(self.dropout, dtype=self.dtype_policy)
        self.built = True

    def compute_output_shape(self, query_shape: tuple, *others: Any, **more: Any) -> tuple:
        """The shape of the vectors, for what wraps the layer; scores and cache have others."""
        return (*query_shape[:-1], self.output_dim or query_shape[-1])

    def compute_output_spec(self, *arguments: Any, **options: Any) -> Any:
        # Traced, not made of the shape above: there may be scores and a cache, too.
        return keras.Operation.compute_output_spec(self, *arguments, **options)

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        # A fresh initializer each time: one seeded object would repeat its values.
        config = keras.initializers.serialize(self.kernel_initializer)
        return keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.deserialize(config),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(
        self,
        query: Any,
        value: Any = None,
        value_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
        cache: Cache | None = None,
        cache_index: Any = None,
        in_place_cache: bool = False,
        mask: Any = None,
        query_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_call(query, value, cache, cache_index)
        if self.is_self_attention:
            if value_mask is None and cache is None:
                value_mask = query_mask if mask is None else mask
            queries, keys, values = self._project_self(query)
        else:
            queries = self._split_heads(_project(self.query, query), query, self.key_dim)
            source = self.project_source(value) if cache is None else cache
            keys, values = source["key"], source["value"]

        first, written = 0, None  # Slots of the first query and behind the last one.
        if self.is_self_attention and cache is not None:
            new = {"key": keys, "value": values}
            if cache_index is None:
                first = ops.shape(cache["value"])[2]
                cache = append_to_cache(cache, new)
            else:
                first = ops.cast(cache_index, "int32")
                written = first + query.shape[1]
                cache = write_to_cache(cache, new, first, in_place_cache)
            keys, values = cache["key"], cache["value"]

        # The newest token alone sees all that a growing cache holds.
        causal = use_causal_mask and not (cache and cache_index is None and query.shape[1] == 1)
        sizes = ops.shape(queries)[2], ops.shape(keys)[3]
        mask = _join_masks(sizes, value_mask, attention_mask, causal, first, written)
        queries = queries * self.key_dim**-0.5
        bias = None if mask is None else mask_bias(mask, queries.dtype)
        if training and not self.dropout and not return_attention_scores:
            heads = dot_product_attention(queries, keys, values, bias)
        else:
            # (B, H, Tq, K) x (B, H, K, Tk) -> (B, H, Tq, Tk)
            scores = ops.matmul(queries, keys)
            weights = ops.softmax(scores if bias is None else scores + bias, axis=-1)
            # (B, H, Tq, Tk) x (B, H, Tk, V) -> (B, H, Tq, V)
            heads = ops.matmul(self.dropout_layer(weights, training=training), values)
        # (B, H, Tq, V) -> (B, Tq, H * V)
        if query.shape[1] != 1:
            heads = ops.transpose(heads, (0, 2, 1, 3))
        heads = ops.reshape(heads, (-1, self.num_heads * self.value_dim))
        outputs = self.output_projection(heads)
        outputs = ops.reshape(outputs, (-1, ops.shape(query)[1], outputs.shape[-1]))
        results = [outputs]
        if return_attention_scores:
            results.append(weights)
        if self.is_self_attention and cache is not None:
            results.append(cache)
        return results[0] if len(results) == 1 else tuple(results)

    def project_source(self, value: Any) -> Cache:
        """Keys and values of an attended sequence `(B, Tk, Ds)`, made once for many queries."""
        size = self.num_heads * self.key_dim
        keys, values = ops.split(_project(self.key_value, value), [size], axis=-1)
        return {
            "key": self._split_keys(keys, value),
            "value": self._split_heads(values, value, self.value_dim),
        }

    def empty_cache(self, batch_size: Any, length: Any) -> Cache:
        """A zero-filled self-attention cache for `length` positions; 0 for one that grows."""
        heads = (batch_size, self.num_heads)
        return {
            "key": ops.zeros((*heads, self.key_dim, length), self.compute_dtype),
            "value": ops.zeros((*heads, length, self.value_dim), self.compute_dtype),
        }

    def _project_self(self, query: Any) -> tuple[Any, Any, Any]:
        size = self.num_heads * self.key_dim
        projected = _project(self.query_key_value, query)
        queries, keys, values = ops.split(projected, [size, 2 * size], axis=-1)
        return (
            self._split_heads(queries, query, self.key_dim),
            self._split_keys(keys, query),
            self._split_heads(values, query, self.value_dim),
        )

    def _split_heads(self, x: Any, origin: Any, size: int) -> Any:
        # (B * T, H * size) -> (B, H, T, size)
        if origin.shape[1] == 1:  # One token: its values are in that order as they are.
            return ops.reshape(x, (-1, self.num_heads, 1, size))
        x = ops.reshape(x, (-1, ops.shape(origin)[1], self.num_heads, size))
        return ops.transpose(x, (0, 2, 1, 3))

    def _split_keys(self, x: Any, origin: Any) -> Any:
        # (B * T, H * K) -> (B, H, K, T): keys are kept transposed, as the product needs them.
        if origin.shape[1] == 1:
            return ops.reshape(x, (-1, self.num_heads, self.key_dim, 1))
        x = ops.reshape(x, (-1, ops.shape(origin)[1], self.num_heads, self.key_dim))
        return ops.transpose(x, (0, 2, 3, 1))

    def _check_call(self, query: Any, value: Any, cache: Any, cache_index: Any) -> None:
        if self.is_self_attention and value is not None:
            raise ValueError(
                f"Layer {self.name!r} was built for self-attention and expected no value. "
                f"Received: value of shape {tuple(value.shape)}"
            )
        if not self.is_self_attention and value is None and cache is None:
            raise ValueError(
                f"Layer {self.name!r} was built for cross-attention and expected a value or a "
                "cache. Received: value=None, cache=None"
            )
        if not self.is_self_attention and cache_index is not None:
            raise ValueError(
                f"Layer {self.name!r} was built for cross-attention and expected no cache_index. "
                f"Received: cache_index={cache_index}"
            )
        if cache_index is not None and cache is None:
            raise ValueError(
                "cache_index expected a cache beside it. "
                f"Received: cache=None, cache_index={cache_index}"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_dim": self.output_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _project(dense: keras.layers.Dense, x: Any) -> Any:
    # (B, T, D) -> (B * T, units): one plain matrix product, without the many small
    # operations that a product of other ranks brings with it.
    return dense(ops.reshape(x, (-1, x.shape[-1])))


def _join_masks(
    sizes: tuple, value_mask: Any, attention_mask: Any, causal: bool, first: Any, written: Any
) -> Any:
    """All masks joined to one that broadcasts to `(B, H, Tq, Tk)`, or `None`."""
    masks = []
    if value_mask is not None:
        masks.append(ops.cast(value_mask, "bool")[:, None, None, :])
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")
        rank = len(attention_mask.shape)
        masks.append(attention_mask[:, None] if rank == 3 else attention_mask)
    if causal:
        rows, columns = (ops.arange(size, dtype="int32") for size in sizes)
        masks.append(columns[None, :] <= rows[:, None] + first)
    elif written is not None:
        masks.append(ops.arange(sizes[1], dtype="int32") < written)
    joined = None
    for mask in masks:
        joined = mask if joined is None else ops.logical_and(joined, mask)
    return joined
