"""Losses."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.written_gradient import written_gradient


@keras.saving.register_keras_serializable(package="keras_tx")
class TokenCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels, smoothed, averaged over the real tokens.

    For a label `y` with log-probabilities `p`:
    `-(1 - ε) p[y] - ε mean(p)`, summed over all positions that count and divided by
    their number in the **whole batch**: a short sentence's token weighs as much as a long
    one's, also when the batch is split over several replicas. Positions whose label is
    `padding_id`, that a mask on the predictions leaves out, or whose weight is 0 do
    not count.

    Args:
        label_smoothing: `ε` in [0, 1). Default 0.
        padding_id: label that does not count, or `None` (default) for none. It need not be an
            id: -100 will do.

    Call arguments:
        y_true: integer labels `(B, T)` or `(B,)`.
        y_pred: logits `(B, T, N)` or `(B, N)`.
        sample_weight: weights of the labels' shape, or `(B,)`, or `(B, 1)`, or `None`.

    Returns:
        A scalar; 0 when nothing counts. On one of several replicas its share of the loss:
        Keras sums the gradients of the replicas.

    Raises:
        ValueError: when `label_smoothing` is outside [0, 1), or for another `reduction`.

    Example:
        >>> import numpy as np, keras_tx
        >>> loss = keras_tx.training.TokenCrossentropy(padding_id=0)
        >>> logits = np.zeros((1, 3, 4), "float32")
        >>> round(float(loss(np.array([[2, 1, 0]]), logits)), 4)  # log(4)
        1.3863

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7;
    Vaswani et al. 2017, section 5.4.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        padding_id: int | None = None,
        name: str = "token_crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **only_mean(kwargs))
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "label_smoothing expected a number in [0, 1). "
                f"Received: label_smoothing={label_smoothing!r}"
            )
        self.label_smoothing = label_smoothing
        self.padding_id = padding_id

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        mask = getattr(y_pred, "_keras_mask", None)
        weights = self.token_weights(y_true, mask, sample_weight)
        total = ops.sum(self.call(y_true, y_pred) * weights)
        # A replica's share: the trainer sums the gradients of all replicas.
        return total / ops.maximum(global_count(ops.sum(weights)), 1e-9)

    def token_weights(self, y_true: Any, mask: Any, sample_weight: Any) -> Any:
        """How much each label counts, in the labels' shape."""
        y_true = ops.cast(y_true, "int32")
        weights = ops.ones_like(y_true, dtype="float32")
        if self.padding_id is not None:
            weights = weights * ops.cast(y_true != self.padding_id, "float32")
        if mask is not None:
            weights = weights * ops.cast(mask, "float32")
        if sample_weight is not None:
            weights = weights * weights_like(sample_weight, y_true)
        return weights

    def call(self, y_true: Any, y_pred: Any) -> Any:
        size = y_pred.shape[-1]
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        if self.padding_id is not None:  # May be none of the ids; what it costs does not count.
            labels = ops.where(labels == self.padding_id, 0, labels)
        logits = ops.cast(ops.reshape(y_pred, (-1, size)), "float32")
        losses = smoothed_crossentropy(labels, logits, self.label_smoothing)
        return ops.reshape(losses, ops.shape(y_true))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label_smoothing": self.label_smoothing,
            "padding_id": self.padding_id,
        }


def only_mean(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a loss that has one reduction, `mean_with_sample_weight`."""
    reduction = arguments.get("reduction", "mean_with_sample_weight")
    if reduction != "mean_with_sample_weight":
        raise ValueError(
            "reduction expected 'mean_with_sample_weight', the mean of what counts. "
            f"Received: reduction={reduction!r}"
        )
    return {**arguments, "reduction": reduction}


def weights_like(sample_weight: Any, labels: Any) -> Any:
    """Sample weights in float32 with as many axes as the labels: `(B,)` for `(B, T)`, too."""
    sample_weight = ops.cast(sample_weight, "float32")
    axes = len(sample_weight.shape) - len(labels.shape)
    if axes < 0:
        return sample_weight[..., None]
    return ops.squeeze(sample_weight, axis=-1) if axes > 0 else sample_weight


def smoothed_crossentropy(labels: Any, logits: Any, smoothing: float) -> Any:
    """`-(1 - ε) log p[y] - ε mean(log p)` of labels `(M,)` and logits `(M, N)` -> `(M,)`.

    With its gradient given, `softmax - (1 - ε) one_hot - ε / N`, nothing of the logits' size
    but the softmax is ever made: no targets, and no array to scatter a gradient into.
    """
    size = logits.shape[-1]
    rows = ops.arange(ops.shape(labels)[0], dtype="int32")

    def at_labels(values: Any) -> Any:
        # From the flat array: picking along an axis would first copy all of it.
        return ops.take(ops.reshape(values, (-1,)), rows * size + labels, axis=0)

    @written_gradient
    def crossentropy(logits: Any) -> Any:
        probabilities = ops.softmax(logits, axis=-1)
        # log Σ exp, by way of the likeliest id, whose probability is never 0.
        normalizer = ops.max(logits, axis=-1) - ops.log(ops.max(probabilities, axis=-1))
        losses = normalizer - (1 - smoothing) * at_labels(logits)
        if smoothing:
            losses = losses - smoothing * ops.mean(logits, axis=-1)

        def gradient(upstream: Any) -> Any:
            slopes = probabilities - smoothing / size if smoothing else probabilities
            slopes = slopes * upstream[:, None]
            updated = at_labels(slopes) - (1 - smoothing) * upstream
            return ops.scatter_update(slopes, ops.stack([rows, labels], axis=1), updated)

        return losses, gradient

    return crossentropy(logits)


def global_count(count: Any) -> Any:
    """The count summed over all replicas."""
    if keras.backend.backend() != "tensorflow":
        return count  # JAX sums over the whole, sharded batch by itself.
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        return context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return count
