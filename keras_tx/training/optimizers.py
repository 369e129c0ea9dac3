"""The optimizers of sequence models."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.training.options import TrainingOptions

OPTIMIZERS = ("adam", "muon")


@keras.saving.register_keras_serializable(package="keras_tx")
class HalfPrecisionMuon(keras.optimizers.Muon):
    """`keras.optimizers.Muon` whose orthogonal matrices are computed in bfloat16.

    These products are most of Muon's cost; the weights and momenta stay as they are. The
    result is rough anyway: its singular values are between 0.7 and 1.2.

    Args:
        **kwargs: of `keras.optimizers.Muon`.

    Example:
        >>> import keras
        >>> from keras_tx.training import HalfPrecisionMuon
        >>> matrix = keras.random.normal((8, 4), seed=1)
        >>> HalfPrecisionMuon().zeropower_via_newtonschulz5(matrix, 5).shape
        TensorShape([8, 4])

    Source: Jordan et al. 2024, "Muon", whose own code has these products in bfloat16.
    """

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        # Scaled before it is rounded: sums of squares need float32.
        scaled = ops.cast(x / (ops.norm(x) + 1e-7), "bfloat16")
        wide = x.shape[0] <= x.shape[1]
        result = scaled if wide else ops.transpose(scaled)
        # X <- (a I + b G + c G G) X with G = X X'. All but the products is then done on the
        # smaller, square matrices; Keras' own form scales X itself once more in each step.
        identity = ops.eye(min(x.shape), dtype="bfloat16")
        first, second = self.muon_a * identity, self.muon_b * identity
        for _ in range(steps):
            gram = ops.matmul(result, ops.transpose(result))
            polynomial = first + ops.matmul(second + self.muon_c * gram, gram)
            result = ops.matmul(polynomial, result)
        return ops.cast(result if wide else ops.transpose(result), x.dtype)


def new_optimizer(
    name: str, learning_rate: Any, options: TrainingOptions, precision: str = "float32"
) -> keras.Optimizer:
    """A new optimizer for a Transformer, with the options' clipping and moving average.

    Args:
        name: `"adam"`: Adam as in the paper (`beta_2` 0.98, epsilon 1e-9). `"muon"`: the
            kernels of the blocks get steps of orthogonal matrices, scaled to the size of
            Adam's, so that it takes the same learning rates; embeddings, biases and
            normalizations get Adam. Its steps cost several matrix products for each kernel.
        learning_rate: a number or a schedule.
        options: for `clip_norm`, `average` and `ema_momentum`.
        precision: of the training. Beside `"float32"` (default), Muon is `HalfPrecisionMuon`.

    Returns:
        The optimizer, not built.

    Raises:
        ValueError: for another name.

    Example:
        >>> from keras_tx.training import TrainingOptions, new_optimizer
        >>> new_optimizer("adam", 2e-3, TrainingOptions(total_steps=100)).beta_2
        0.98

    Source: Vaswani et al. 2017, section 5.3; Jordan et al. 2024, "Muon"; Liu et al. 2025,
    "Muon is Scalable for LLM Training", section 2.2.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer expected one of {OPTIMIZERS}. Received: optimizer={name!r}")
    shared = {
        "epsilon": 1e-9,
        "global_clipnorm": options.clip_norm,
        "use_ema": options.average == "ema",
        "ema_momentum": options.ema_momentum,
        "ema_overwrite_frequency": None,
    }
    if name == "adam":
        return keras.optimizers.Adam(learning_rate, beta_2=0.98, **shared)
    muon = keras.optimizers.Muon if precision == "float32" else HalfPrecisionMuon
    # A weight decay of 0 would still write every weight once more in each step: None does not.
    # What Adam updates has the small one that Keras gives it: all figures were measured with it.
    return muon(
        learning_rate,
        adam_beta_2=0.98,
        weight_decay=None,
        adam_weight_decay=0.004,
        exclude_layers=["embedding"],
        **shared,
    )
