"""What turns logits into log-probabilities."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_tx.layers.onednn import has_onednn_kernels


def log_normalizer(logits: Any) -> Any:
    """`log Σ exp(logits)` over the last axis.

    Where TensorFlow has oneDNN's softmax it is found by that, in half the time: the largest
    probability is `exp(largest logit) / Σ exp(logits)`.

    Args:
        logits: `(…, N)`, float32.

    Returns:
        `(…,)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding.log_normalizer import log_normalizer
        >>> round(float(log_normalizer(np.log([1.0, 2.0, 5.0]).astype("float32"))), 4)
        2.0794
    """
    if not has_onednn_kernels():
        return ops.logsumexp(logits, axis=-1)
    largest = ops.max(ops.softmax(logits, axis=-1), axis=-1)
    return ops.max(logits, axis=-1) - ops.log(largest)
