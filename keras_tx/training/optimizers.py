"""The optimizers of sequence models."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.training.options import TrainingOptions

OPTIMIZERS = ("adam", "muon")


def new_optimizer(name: str, learning_rate: Any, options: TrainingOptions) -> keras.Optimizer:
    """A new optimizer for a Transformer, with the options' clipping and moving average.

    Args:
        name: `"adam"`: Adam as in the paper (`beta_2` 0.98, epsilon 1e-9). `"muon"`: the
            kernels of the blocks get steps of orthogonal matrices, scaled to the size of
            Adam's, so that it takes the same learning rates; embeddings, biases and
            normalizations get Adam. Its steps cost several matrix products for each kernel.
        learning_rate: a number or a schedule.
        options: for `clip_norm`, `average` and `ema_momentum`.

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
    # A weight decay of 0 would still write every weight once more in each step: None does not.
    return keras.optimizers.Muon(
        learning_rate,
        adam_beta_2=0.98,
        weight_decay=None,
        exclude_layers=["embedding"],
        **shared,
    )
