"""The loss of a masked language model over the vocabulary, with its gradient written out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


@jax.custom_vjp
def guessing_loss(
    vectors: jax.Array, table: jax.Array, bias: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The mean cross-entropy of labels `(M,)`, and the share of them with the highest score.

    Scores are products of vectors `(M, D)`, in half precision, with a table `(N, D)`, summed in
    float32. The slopes of the scores, `(M, N)`, are the largest array of a step: they are made in
    half precision at once, which the automatic derivative of such a product would not do.
    """
    return _forward(vectors, table, bias, labels)[0]


def _padded(table: jax.Array, dtype: Any) -> jax.Array:
    # Tensor cores want sizes that 64 divides.
    return jnp.pad(table.astype(dtype), ((0, -len(table) % 64), (0, 0)))


def _forward(vectors: jax.Array, table: jax.Array, bias: jax.Array, labels: jax.Array) -> Any:
    rows = _padded(table, vectors.dtype)
    logits = jnp.matmul(vectors, rows.T, preferred_element_type=jnp.float32)
    logits = logits + jnp.pad(bias, (0, len(rows) - len(table)), constant_values=-1e9)
    totals = jax.nn.logsumexp(logits, axis=1)
    chosen = jnp.sum(jnp.where(_is_label(labels, logits), logits, 0), axis=1)
    right = jnp.mean(jnp.argmax(logits, axis=1) == labels)
    return (jnp.mean(totals - chosen), right), (vectors, table, bias, labels, logits, totals)


def _is_label(labels: jax.Array, logits: jax.Array) -> jax.Array:
    return jnp.arange(logits.shape[1]) == labels[:, None]


def _backward(kept: Any, upstream: Any) -> Any:
    vectors, table, bias, labels, logits, totals = kept
    shares = jnp.exp(logits - totals[:, None])
    slopes = (shares - _is_label(labels, logits)) * (upstream[0] / len(labels))
    slopes = slopes.astype(vectors.dtype)
    of_table = jnp.matmul(slopes.T, vectors, preferred_element_type=jnp.float32)
    of_bias = jnp.sum(slopes, axis=0, dtype=jnp.float32)
    size = len(table)
    return slopes @ _padded(table, vectors.dtype), of_table[:size], of_bias[:size], None


guessing_loss.defvjp(_forward, _backward)
