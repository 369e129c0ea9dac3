"""One long text in a batch: searched apart, so that the others do not pay for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_tx.decoding import BeamHypotheses

# Few sentences are longer than that many tokens.
LONGEST_SENTENCE = 64


def search_in_groups(
    search: Callable[..., BeamHypotheses],
    inputs: Mapping[str, tf.Tensor],
    lengths: tf.Tensor,
    count: int,
    bound: int = LONGEST_SENTENCE,
) -> BeamHypotheses:
    """Search for the short sources of a batch, and then for the long ones.

    All rows of a search are padded to its longest source, and its steps are those of the
    longest translation. In two groups the short rows are padded to the longest short one. The
    graph holds the search once: a loop runs over the groups that there are.

    Args:
        search: `search(source_ids=(B, Ts), …) -> BeamHypotheses`; it must take a batch of no
            rows. A row's result must not depend on the others.
        inputs: the search's arguments by name, each with rows as first axis.
        lengths: `(B,)`, the tokens of each source.
        count: how many hypotheses the search gives for each row.
        bound: the most tokens of a short source. Default 64.

    Returns:
        The hypotheses in the order of the rows; ids padded with 0.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.decoding import BeamHypotheses
        >>> from keras_tx.models.length_groups import search_in_groups
        >>> def search(source_ids):  # Each row says how wide its batch is.
        ...     width = tf.fill(tf.shape(source_ids[:, :1]), tf.shape(source_ids)[1])
        ...     score = tf.cast(width, tf.float32)
        ...     return BeamHypotheses(source_ids[:, None], width, score, score)
        >>> ids = tf.constant([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]])
        >>> search_in_groups(search, {"source_ids": ids}, tf.constant([1, 4, 2]), 1, 2)[1].numpy()
        array([[2],
               [4],
               [2]], dtype=int32)
    """
    is_long = tf.cast(lengths > bound, tf.int32)
    order = tf.argsort(is_long, stable=True)
    rows, long_rows = tf.shape(order)[0], tf.reduce_sum(is_long)
    starts = tf.stack([0, rows - long_rows, rows])

    def run(group: tf.Tensor, *found: tf.Tensor) -> tuple:
        chosen = order[starts[group] : starts[group + 1]]
        part = {name: tf.gather(value, chosen) for name, value in inputs.items()}
        longest = tf.reduce_max(tf.concat([tf.gather(lengths, chosen), [1]], axis=0))
        part["source_ids"] = part["source_ids"][:, :longest]
        return group + 1, *(
            _one_below_the_other(*parts, shape)
            for *parts, shape in zip(found, search(**part), shapes, strict=True)
        )

    # Where there is no group of short ones, or none of long ones, it is left out. Of no rows at
    # all there is one empty group: somebody has to say how wide it is.
    first = tf.cast((long_rows == rows) & (rows > 0), tf.int32)
    last = tf.cast(long_rows > 0, tf.int32)
    nothing = [tf.zeros([0, count], dtype) for dtype in (tf.int32, tf.float32, tf.float32)]
    shapes = [tf.TensorShape(shape) for shape in ([None, count, None], *[[None, count]] * 3)]
    found = tf.while_loop(
        lambda group, *found: group <= last,
        run,
        [first, tf.zeros([0, count, 0], tf.int32), *nothing],
        [tf.TensorShape([]), *shapes],
    )[1:]
    back = tf.math.invert_permutation(order)
    return BeamHypotheses(*(tf.gather(part, back) for part in found))


def _one_below_the_other(first: tf.Tensor, second: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Rows of both, the last axis padded with zeros to the longer."""
    width = tf.maximum(tf.shape(first)[-1], tf.shape(second)[-1])

    def padded(x: tf.Tensor) -> tf.Tensor:
        return tf.pad(x, [[0, 0]] * (len(shape) - 1) + [[0, width - tf.shape(x)[-1]]])

    return tf.ensure_shape(tf.concat([padded(first), padded(second)], axis=0), shape)
