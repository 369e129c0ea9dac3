"""The share of right predictions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.training.losses import weights_like


@keras.saving.register_keras_serializable(package="keras_tx")
class TokenAccuracy(keras.metrics.Metric):
    """How often the likeliest id is the label, over all labels that count.

    Those that a mask on the predictions leaves out do not count, as in `TokenCrossentropy`.

    Where the predictions have more rows than the labels, as when R-Drop has the network see
    each batch twice, the first ones are measured.

    Args:
        padding_id: label that does not count, or `None` (default) for none.

    Call arguments:
        y_true: integer labels `(B, T)` or `(B,)`.
        y_pred: scores `(B, T, N)` or `(B, N)`, or those of several passes, `(k B, …)`.
        sample_weight: weights of the labels' shape, or `(B,)`, or `None`.

    Returns:
        A scalar; 0 when nothing counts.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import TokenAccuracy
        >>> accuracy = TokenAccuracy(padding_id=0)
        >>> scores = np.eye(3)[[[1, 1, 2]]]  # The likeliest ids are 1, 1 and 2.
        >>> float(accuracy(np.array([[1, 2, 0]]), scores))
        0.5
    """

    def __init__(self, padding_id: int | None = None, name: str = "accuracy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.padding_id = padding_id
        self.right = self.add_weight(name="right", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true = ops.cast(y_true, "int32")
        rows = ops.shape(y_true)[0]
        predicted = ops.argmax(y_pred[:rows], axis=-1)
        weights = ops.ones_like(y_true, dtype="float32")
        mask = getattr(y_pred, "_keras_mask", None)
        if mask is not None:
            weights = weights * ops.cast(mask[:rows], "float32")
        if self.padding_id is not None:
            weights = weights * ops.cast(ops.not_equal(y_true, self.padding_id), "float32")
        if sample_weight is not None:
            weights = weights * weights_like(sample_weight, y_true)
        right = ops.cast(ops.equal(ops.cast(predicted, "int32"), y_true), "float32")
        self.right.assign_add(ops.sum(right * weights))
        self.count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        return self.right / ops.maximum(self.count, 1e-9)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding_id": self.padding_id}
