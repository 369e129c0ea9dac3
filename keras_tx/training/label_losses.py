"""The loss of classes that do not exclude each other."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.training.losses import global_count, only_mean, weights_like


@keras.saving.register_keras_serializable(package="keras_tx")
class MultiLabelCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of each label, smoothed, averaged over all labels of the batch.

    For a label `y` of 0 or 1 with the logit `z`, and `t = (1 - ε) y + ε / 2`:
    `log(1 + exp(z)) - t z`.

    Args:
        label_smoothing: `ε` in [0, 1). Default 0.

    Call arguments:
        y_true: ones among zeros, `(B, C)`; for a single label `(B,)` will do.
        y_pred: logits `(B, C)`.
        sample_weight: weights `(B, C)`, or `(B,)`, or `None`.

    Returns:
        A scalar. On one of several replicas its share of the loss: Keras sums the gradients
        of the replicas.

    Raises:
        ValueError: when `label_smoothing` is outside [0, 1), for another `reduction`, or for
            labels and predictions of different shapes.

    Example:
        >>> import numpy as np, keras_tx
        >>> loss = keras_tx.training.MultiLabelCrossentropy()
        >>> round(float(loss(np.array([[1, 0, 1]]), np.zeros((1, 3), "float32"))), 4)  # log(2)
        0.6931
    """

    def __init__(
        self, label_smoothing: float = 0.0, name: str = "multi_label_crossentropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **only_mean(kwargs))
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "label_smoothing expected a number in [0, 1). "
                f"Received: label_smoothing={label_smoothing!r}"
            )
        self.label_smoothing = label_smoothing

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        losses = self.call(y_true, y_pred)
        weights = ops.ones_like(losses)
        if sample_weight is not None:
            weights = weights * weights_like(sample_weight, losses)
        return ops.sum(losses * weights) / ops.maximum(global_count(ops.sum(weights)), 1e-9)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = ops.cast(y_pred, "float32")
        true = ops.cast(y_true, "float32")
        if getattr(true.shape, "rank", 0) is not None:  # TensorFlow's may be unknown.
            true = _like(true, logits)
        targets = (1 - self.label_smoothing) * true + self.label_smoothing / 2
        return ops.softplus(logits) - targets * logits

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "label_smoothing": self.label_smoothing}


def _like(true: Any, logits: Any) -> Any:
    """Labels in the shape of the logits; of a single one without its axis."""
    if len(true.shape) == 1 and logits.shape[-1] == 1:
        true = true[:, None]
    pairs = zip(true.shape, logits.shape, strict=False)
    if len(true.shape) != len(logits.shape) or any(a != b for a, b in pairs if a and b):
        raise ValueError(
            f"y_true expected the shape of y_pred, {tuple(logits.shape)}. "
            f"Received: {tuple(true.shape)}"
        )
    return true
