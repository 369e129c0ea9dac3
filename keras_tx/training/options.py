"""The options of a training."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

AVERAGES = ("last", "best", "ema", None)


@dataclasses.dataclass
class TrainingOptions:
    """How long to train, what to keep, and where.

    Attributes:
        total_steps: steps (batches) of the whole training.
        steps_per_round: steps between two validations. Default 500.
        max_minutes: stop when this much time of this call has gone, or `None` (default).
        patience: stop after so many rounds without a better monitored figure; `None`
            (default) for never.
        monitor: the figure of the validation that says what is best: a `val_…loss` is best
            when lowest, any other (`"val_bleu"`) when highest. Default `"val_loss"`.
        average: `"last"` (default) tries the mean of the last `average_count` rounds'
            weights at the end and keeps it if it is the best; `"best"` the mean of the
            `average_count` rounds with the best monitored figure; `"ema"` keeps an
            exponential moving average, validates it and returns it; `None` for none.
        average_count: see `average`. Default 5.
        ema_momentum: see `average`. Default 0.999.
        clip_norm: gradients are scaled down to this global norm. Default 1.
        directory: where checkpoints are kept; `None` (default) for a temporary one.
        resume: go on from the checkpoint in `directory`, if there is one. Default `False`.
        save_seconds: seconds between two checkpoints inside a round. Default 120.
        tensorboard: write TensorBoard logs into `directory`. Default `False`.
        progress: show a bar on standard error. Default `True`.
        jit_compile: let XLA compile the steps. On processors it pays where all batches have one
            shape and small operations take the time; else its kernels are slower than
            TensorFlow's, and it compiles anew for each length. Default `False`.

    Raises:
        ValueError: for an unknown `average`, a `monitor` that is none of the validation's,
            numbers that are not positive, or `resume` without `directory`.

    Example:
        >>> from keras_tx.training import TrainingOptions
        >>> TrainingOptions(total_steps=1000).average
        'last'
    """

    total_steps: int
    steps_per_round: int = 500
    max_minutes: float | None = None
    patience: int | None = None
    monitor: str = "val_loss"
    average: str | None = "last"
    average_count: int = 5
    ema_momentum: float = 0.999
    clip_norm: float | None = 1.0
    directory: str | os.PathLike | None = None
    resume: bool = False
    save_seconds: float = 120.0
    tensorboard: bool = False
    progress: bool = True
    jit_compile: bool = False

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise ValueError(
                "average expected 'last', 'best', 'ema' or None. "
                f"Received: average={self.average!r}"
            )
        if not self.monitor.startswith("val_"):
            raise ValueError(
                "monitor expected a figure of the validation, 'val_…'. "
                f"Received: monitor={self.monitor!r}"
            )
        for name in ("total_steps", "steps_per_round"):
            if getattr(self, name) < 1:
                value = getattr(self, name)
                raise ValueError(f"{name} expected a positive integer. Received: {name}={value!r}")
        for name in ("max_minutes", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(
                    f"{name} expected a positive number or None. Received: {name}={value!r}"
                )
        if not self.save_seconds >= 0:
            raise ValueError(
                "save_seconds expected a number from 0 on. "
                f"Received: save_seconds={self.save_seconds!r}"
            )
        if (self.resume or self.tensorboard) and self.directory is None:
            raise ValueError(
                "resume and tensorboard expected a directory. Received: directory=None"
            )

    def require_average_of(self, optimizer: Any) -> None:
        """Raise ValueError for a moving average that an optimizer does not keep."""
        optimizer = counting(optimizer)
        if self.average == "ema" and not optimizer.use_ema:
            raise ValueError(
                "optimizer expected use_ema=True, for average='ema'. "
                f"Received: {type(optimizer).__name__} with use_ema=False"
            )

    def rank(self, figures: dict[str, float]) -> float:
        """The monitored figure as a number that is lower when better.

        Raises:
            ValueError: when it is not among the figures.
        """
        if self.monitor not in figures:
            known = sorted(name for name in figures if name.startswith("val_"))
            raise ValueError(f"monitor expected one of {known}. Received: monitor={self.monitor!r}")
        value = figures[self.monitor]
        return value if self.monitor.endswith("loss") else -value


def counting(optimizer: Any) -> Any:
    """The optimizer that counts steps and averages weights: of a `LossScaleOptimizer` the inner.

    Example:
        >>> import keras
        >>> from keras_tx.training.options import counting
        >>> adam = keras.optimizers.Adam()
        >>> counting(keras.optimizers.LossScaleOptimizer(adam)) is counting(adam) is adam
        True
    """
    return getattr(optimizer, "inner_optimizer", optimizer)


def steps_of(epochs: float, batches: int) -> int:
    """How many steps so many passes take, at least one.

    Args:
        epochs: passes over the examples; 1.5 ends in the middle of the second.
        batches: of one pass.

    Raises:
        ValueError: when `epochs` is not positive.

    Example:
        >>> from keras_tx.training.options import steps_of
        >>> steps_of(1.5, batches=10)
        15
    """
    if not 0 < epochs < math.inf:
        raise ValueError(f"epochs expected a positive number. Received: epochs={epochs!r}")
    return max(round(epochs * batches), 1)
