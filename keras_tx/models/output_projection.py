"""The product of a step's outputs with the table of all tokens: the largest of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Projection = Callable[[tf.Tensor], tf.Tensor]

# Up to so many rows, reading the table is what a product takes, and a second thread halves it.
# With more, joining the parts costs more than that where all processors have work anyway.
FEW_ROWS = 8


def output_projection(table: tf.Tensor, rows: Any = None) -> Projection:
    """`(M, D) -> (M, N)`, the products with all rows of a table `(N, D)`, in a plain graph.

    For a few rows there are two products, each with half of the table: operations that do not
    wait for each other run side by side, also where an operation has one thread. Several rows
    are much faster by the transposed table. That is made once; but for one row it would cost as
    much as ten steps, and is not needed.

    In bfloat16 all products are oneDNN's, which orders a table as its instructions take it. With
    a bias it keeps that order from step to step, where it is told that weights do not change
    (`TF_ONEDNN_ASSUME_FROZEN_WEIGHTS=1`): so there is a bias, of zeros.

    Args:
        table: `(N, D)`, `N` at least 2.
        rows: the most that will come, such as the first `M`; a number or a scalar tensor.
            Default: unknown.

    Returns:
        A function of `(M, D)`, which may be called within a loop.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models.output_projection import output_projection
        >>> project = output_projection(tf.constant([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), rows=1)
        >>> project(tf.constant([[3.0, 4.0]])).numpy().tolist()
        [[3.0, 7.0, 8.0]]
    """
    if table.dtype == tf.bfloat16:
        nothing = tf.zeros([table.shape[0]], table.dtype)
        return lambda x: tf.nn.bias_add(tf.matmul(x, table, transpose_b=True), nothing)
    if rows is None:
        transposed = tf.transpose(table)
        return lambda x: tf.matmul(x, transposed)
    size, width = table.shape
    first, second = table[: size // 2], table[size // 2 :]  # Of the same memory, not copies.
    nothing = tf.zeros([width, 0], table.dtype)
    one, few = rows <= 1, rows <= FEW_ROWS
    kind = 2 - tf.cast(one, tf.int32) - tf.cast(few, tf.int32)
    made = tf.switch_case(
        kind,
        [
            lambda: (nothing, nothing),
            lambda: (tf.transpose(first), tf.transpose(second)),
            lambda: (tf.transpose(table), nothing),
        ],
    )

    def project(x: tf.Tensor) -> tf.Tensor:
        logits = tf.switch_case(
            kind,
            [
                lambda: _joined(tf.matmul(x, half, transpose_b=True) for half in (first, second)),
                lambda: _joined(tf.matmul(x, half) for half in made),
                lambda: tf.matmul(x, made[0]),
            ],
        )
        return tf.ensure_shape(logits, [None, size])

    return project


def compiled_output_projection(table: tf.Tensor, beam_size: int) -> Projection:
    """The same for XLA, which must know which way it goes before it knows how many rows come.

    One token a sequence is multiplied with the table as it is: transposed once, it would cost a
    single sequence more than all that is gained. For several tokens XLA's product with a wide
    matrix is slow; with the parts of one it is not.

    Args:
        table: `(N, D)`.
        beam_size: how many tokens each sequence has in a step.

    Returns:
        A function `(M, D) -> (M, N)`, where `M` is a multiple of `beam_size`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models.output_projection import compiled_output_projection
        >>> project = compiled_output_projection(tf.constant([[1.0, 0.0], [1.0, 1.0]]), 2)
        >>> project(tf.constant([[3.0, 4.0], [5.0, 6.0]])).numpy().tolist()
        [[3.0, 7.0], [5.0, 11.0]]
    """
    if beam_size == 1:
        return lambda x: tf.matmul(x, table, transpose_b=True)
    size = table.shape[0]
    bounds = [size * part // 4 for part in range(5)]
    parts = [tf.transpose(table[start:end]) for start, end in zip(bounds, bounds[1:], strict=False)]
    return lambda x: _joined(tf.matmul(x, part) for part in parts)


def _joined(parts: Any) -> tf.Tensor:
    return tf.concat(list(parts), axis=1)
