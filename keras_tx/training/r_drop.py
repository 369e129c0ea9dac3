"""R-Drop: what two passes with different dropout say should agree."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.training.losses import TokenCrossentropy, global_count


@keras.saving.register_keras_serializable(package="keras_tx")
class RDropCrossentropy(TokenCrossentropy):
    """Cross-entropy of two passes, and the divergence between what they predict.

    The network sees each batch twice, one below the other (`inputs_twice`); dropout makes
    two different predictions `p` and `q` of each token. The loss is

    `½ (CE(p) + CE(q)) + α · ½ (KL(p‖q) + KL(q‖p))`

    averaged over the real tokens, with `CE` that of `TokenCrossentropy`. This is half of the
    paper's loss (`CE(p) + CE(q) + α' · ½ (KL(p‖q) + KL(q‖p))`) with `α' = 2 α`: the paper's 5
    for translation is 2.5 here, and the learning rates of a training without R-Drop fit.

    Where labels and predictions have the same number of rows, as in a validation, it is the
    cross-entropy alone.

    Args:
        alpha: `α`, not negative.
        label_smoothing, padding_id: as of `TokenCrossentropy`.

    Call arguments:
        y_true: integer labels `(B, T)`, or `(B,)` of whole texts.
        y_pred: logits `(2 B, T, N)`, or `(B, T, N)`; for whole texts without `T`.
        sample_weight: weights `(B, T)` or `(B,)`, or `None`.

    Returns:
        A scalar; 0 when nothing counts.

    Raises:
        ValueError: when `alpha` is negative.

    Example:
        >>> import numpy as np, keras_tx
        >>> loss = keras_tx.training.RDropCrossentropy(alpha=1.0)
        >>> logits = np.log([[[0.5, 0.5]], [[0.9, 0.1]]])
        >>> round(float(loss(np.array([[0]]), logits)), 4)  # ½ (log 2 - log 0.9) + ½ 0.4 log 9
        0.8387

    Source: Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks".
    """

    def __init__(
        self,
        alpha: float,
        label_smoothing: float = 0.0,
        padding_id: int | None = None,
        name: str = "r_drop_crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(label_smoothing, padding_id, name=name, **kwargs)
        if not alpha >= 0:
            raise ValueError(f"alpha expected a number from 0 on. Received: alpha={alpha!r}")
        self.alpha = alpha

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        y_true = ops.convert_to_tensor(y_true)
        rows = ops.shape(y_true)[0]
        passes = ops.shape(y_pred)[0] // rows
        mask = getattr(y_pred, "_keras_mask", None)  # (2 B, T); arithmetic loses it.
        labels = ops.tile(y_true, [passes] + [1] * (len(y_true.shape) - 1))
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight)
            repeats = [passes] + [1] * (len(sample_weight.shape) - 1)
            sample_weight = ops.tile(sample_weight, repeats)
        weights = self.token_weights(labels, mask, sample_weight)
        logits = ops.cast(y_pred, "float32")
        total = ops.sum(self.call(labels, logits) * weights)
        divergence = symmetric_divergence(logits[:rows], logits[-rows:])
        # As the sum over both passes is divided by all their tokens, so is twice this one.
        penalty = ops.cast(passes, "float32") * ops.sum(divergence * weights[:rows])
        count = ops.maximum(global_count(ops.sum(weights)), 1e-9)
        return (total + self.alpha * penalty) / count

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


def symmetric_divergence(logits: Any, others: Any) -> Any:
    """`½ (KL(p‖q) + KL(q‖p))` of the distributions of two arrays of logits `(…, N)` -> `(…)`.

    It is `½ Σ (p - q) (log p - log q)`, where the logarithms may be the logits themselves:
    what normalizes them is the same for all of the sum, and `Σ (p - q)` is 0.
    """
    differences = ops.softmax(logits, axis=-1) - ops.softmax(others, axis=-1)
    # Of an id that is forbidden in both, by -inf, the difference of logits is no number.
    gaps = ops.where(differences == 0, 0.0, logits - others)
    return 0.5 * ops.sum(differences * gaps, axis=-1)


def inputs_twice(dataset: Any) -> Any:
    """A dataset of `(inputs, labels)` with the inputs of each batch twice, one below the other.

    Args:
        dataset: a `tf.data.Dataset` of `(inputs, labels)` or `(inputs, labels, weights)`;
            inputs may be nested.

    Returns:
        The dataset, prefetching: inputs `(2 B, …)`, labels and weights as they were.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> from keras_tx.training import inputs_twice
        >>> data = tf.data.Dataset.from_tensors((np.array([[1, 2]]), np.array([[3, 4]])))
        >>> [inputs.tolist() for inputs, labels in inputs_twice(data).as_numpy_iterator()]
        [[[1, 2], [1, 2]]]
    """
    import tensorflow as tf

    def twice(inputs: Any, *labels: Any) -> Any:
        return tf.nest.map_structure(lambda x: tf.concat([x, x], axis=0), inputs), *labels

    return dataset.map(twice).prefetch(2)
