"""Learning-rate schedules."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to a peak, then falls with the inverse square root of the step.

    `peak · min(step / warmup_steps, √(warmup_steps / step))`, with steps counted from 1.

    Args:
        peak_learning_rate: the highest rate, reached after `warmup_steps`.
        warmup_steps: length of the rise. Default 4000.

    Raises:
        ValueError: when an argument is not positive.

    Example:
        >>> import keras_tx
        >>> schedule = keras_tx.training.InverseSquareRoot(0.002, warmup_steps=100)
        >>> [round(float(schedule(step)), 6) for step in (0, 99, 399)]
        [2e-05, 0.002, 0.001]

    Source: Vaswani et al. 2017, section 5.3, with the peak given directly.
    """

    def __init__(self, peak_learning_rate: float, warmup_steps: int = 4000) -> None:
        super().__init__()
        if peak_learning_rate <= 0 or warmup_steps < 1:
            raise ValueError(
                "peak_learning_rate and warmup_steps expected positive numbers. Received: "
                f"peak_learning_rate={peak_learning_rate!r}, warmup_steps={warmup_steps!r}"
            )
        self.peak_learning_rate = peak_learning_rate
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32") + 1.0
        rise = step / self.warmup_steps
        return self.peak_learning_rate * ops.minimum(rise, ops.rsqrt(rise))

    def get_config(self) -> dict[str, Any]:
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "warmup_steps": self.warmup_steps,
        }
