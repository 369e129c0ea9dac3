"""Picking rows of arrays that have the batch as first axis."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def gather_beams(x: Any, beams: Any) -> Any:
    """Rows of `x` `(B, K, …)` in a new order: row `k` of the result is row `beams[:, k]`.

    Args:
        x: `(B, K, …)`.
        beams: `(B, K')` integers from 0 to `K - 1`.

    Returns:
        `(B, K', …)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import gather_beams
        >>> np.asarray(gather_beams(np.array([[[1], [2], [3]]]), np.array([[2, 2, 0]]))).tolist()
        [[[3], [3], [1]]]
    """
    if keras.config.backend() == "tensorflow":
        # One operation; what `keras.ops` has for it makes twenty, most of them for negative
        # numbers and broadcasting. A beam search gathers a dozen times a step.
        import tensorflow as tf

        return tf.gather(x, beams, axis=1, batch_dims=1)
    beams = ops.reshape(beams, (*ops.shape(beams), *(1 for _ in x.shape[2:])))
    return ops.take_along_axis(x, beams, axis=1)
