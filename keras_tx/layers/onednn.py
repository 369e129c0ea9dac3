"""What oneDNN, TensorFlow's library of kernels for processors, has one kernel for."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras

_PORTABLE = contextvars.ContextVar("portable", default=False)


def has_onednn_kernels() -> bool:
    """Whether what is put into a TensorFlow graph now will be run by oneDNN's kernels.

    `TF_ENABLE_ONEDNN_OPTS` decides it, as TensorFlow has read it when it started.

    Example:
        >>> from keras_tx.layers.onednn import has_onednn_kernels, portable_operations
        >>> with portable_operations():
        ...     has_onednn_kernels()
        False
    """
    if _PORTABLE.get() or keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    try:  # No public function says it.
        from tensorflow.python.util import _pywrap_util_port as port
    except ImportError:
        return False
    return getattr(port, "IsMklEnabled", bool)()


@contextlib.contextmanager
def portable_operations() -> Iterator[None]:
    """Graphs that are made meanwhile are to be fast on processors where there is no oneDNN, too.

    For a Keras model that is exported to run elsewhere. The text models of this package export
    like that by themselves, but for those in bfloat16.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers import TransformerEncoder, portable_operations
        >>> block = TransformerEncoder(embed_dim=8, dense_dim=16, num_heads=2)
        >>> with portable_operations():  # Here it would be `model.export(...)`.
        ...     tuple(block(np.ones((1, 3, 8), "float32")).shape)
        (1, 3, 8)
    """
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)


def onednn_normalization(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """`γ (x - mean) / sqrt(variance + ε) + β` of the last axis, as the graph that oneDNN knows.

    TensorFlow finds these operations when it optimizes a graph, and puts oneDNN's layer
    normalization in their place: one pass over the inputs where the formula takes nine. Without
    oneDNN they are slow.

    Args:
        inputs: `(B, D)` or `(B, T, D)`, float32 or bfloat16; computed in float32 inside.
        gamma, beta: `(D,)`, of the type of the inputs.
        epsilon: `ε`.

    Returns:
        Of the shape and the type of the inputs.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.layers.onednn import onednn_normalization
        >>> rows = tf.constant([[1.0, 3.0], [5.0, 5.0]])
        >>> onednn_normalization(rows, tf.ones(2), tf.zeros(2), 1e-3).numpy().round(2).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]

    Source: Ba et al. 2016, "Layer Normalization"; the operations are those of Keras 2's layer.
    """
    import tensorflow as tf

    size = inputs.shape[-1]
    count = tf.size(inputs) // size  # Each row is one channel of a single image.
    nothing = tf.constant([], tf.float32)
    normalized, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(inputs, [1, count, size, 1]),
        scale=tf.fill([count], 1.0),
        offset=tf.fill([count], 0.0),
        mean=nothing,
        variance=nothing,
        epsilon=epsilon,
        data_format="NCHW",
        is_training=True,
    )
    outputs = tf.reshape(normalized, tf.shape(inputs)) * gamma + beta
    outputs.set_shape(inputs.shape)
    return outputs
