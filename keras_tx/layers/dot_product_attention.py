"""Attention of projected heads, with its gradient written out."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.written_gradient import written_gradient


def dot_product_attention(queries: Any, keys: Any, values: Any, bias: Any = None) -> Any:
    """`softmax(Q K + bias) V` for training, where the softmax's gradient is the costly part.

    With weights `P`, outputs `O = P V` and the gradient `dO` of these, the gradient for the scores
    is `P (dP - sum(dP P))`, where `dP = dO Vᵀ` and the sum is over what a query attends. That sum
    is the one of `dO O` over a head's values: so no product of the weights' size is made for it.

    Args:
        queries: `(B, H, Tq, K)`, scaled.
        keys: `(B, H, K, Tk)`, transposed as `MultiHeadAttention` keeps them.
        values: `(B, H, Tk, V)`.
        bias: added to the scores, what broadcasts to `(B, H, Tq, Tk)`, or `None` (default). It
            gets no gradient.

    Returns:
        `(B, H, Tq, V)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.dot_product_attention import dot_product_attention
        >>> one = np.ones((1, 1, 2, 2), "float32")
        >>> np.asarray(dot_product_attention(one, one, one)).tolist()
        [[[[1.0, 1.0], [1.0, 1.0]]]]

    Source: Vaswani et al. 2017, section 3.2.1; the sum: Dao et al. 2022, "FlashAttention",
    appendix B.2.
    """

    @written_gradient
    def attended(queries: Any, keys: Any, values: Any, *bias: Any) -> Any:
        scores = ops.matmul(queries, keys)
        weights = ops.softmax(sum(bias, start=scores), axis=-1)
        outputs = ops.matmul(weights, values)

        def gradient(upstream: Any) -> Any:
            products = ops.cast(upstream, wide) * ops.cast(outputs, wide)
            sums = ops.cast(ops.sum(products, axis=-1, keepdims=True), weights.dtype)
            slopes = weights * (ops.matmul(upstream, _transposed(values)) - sums)
            return (
                ops.matmul(slopes, _transposed(keys)),
                ops.matmul(_transposed(queries), slopes),
                # Not the large factor is transposed, but the small one and the result.
                _transposed(ops.matmul(_transposed(upstream), weights)),
                *(ops.zeros_like(part) for part in bias),
            )

        return outputs, gradient

    wide = keras.backend.result_type(queries.dtype, "float32")
    return attended(queries, keys, values, *([] if bias is None else [bias]))


def mask_bias(mask: Any, dtype: str) -> Any:
    """What is added to scores: 0 where `mask` is `True`, elsewhere a number whose exp() is 0.

    An addition, unlike a choice, can be fused with the product before it.
    """
    return ops.cast(ops.where(mask, 0.0, -3e4 if dtype == "float16" else -1e9), dtype)


def _transposed(matrices: Any) -> Any:
    return ops.transpose(matrices, (0, 1, 3, 2))
