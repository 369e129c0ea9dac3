"""Learning-rate schedules."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to a peak, then falls with the inverse square root of the step.

    `peak · min(step / warmup_steps, √(warmup_steps / step))`, with steps counted from 1.
    Over the last `cooldown_steps` before `total_steps`, if they are given, the rate is led
    linearly to zero, which lets the weights settle.

    Args:
        peak_learning_rate: the highest rate, reached after `warmup_steps`.
        warmup_steps: length of the rise. Default 4000.
        total_steps: when the cool-down ends; needed with `cooldown_steps`. Default `None`.
        cooldown_steps: length of the cool-down. Default 0: none.

    Raises:
        ValueError: when an argument is not positive, or `total_steps` is missing.

    Example:
        >>> import keras_tx
        >>> schedule = keras_tx.training.InverseSquareRoot(0.002, warmup_steps=100)
        >>> [round(float(schedule(step)), 6) for step in (0, 99, 399)]
        [2e-05, 0.002, 0.001]

    Source: Vaswani et al. 2017, section 5.3, with the peak given directly; cool-down: Zhai et
    al. 2022, "Scaling Vision Transformers", section 3.5.
    """

    def __init__(
        self,
        peak_learning_rate: float,
        warmup_steps: int = 4000,
        total_steps: int | None = None,
        cooldown_steps: int = 0,
    ) -> None:
        super().__init__()
        if peak_learning_rate <= 0 or warmup_steps < 1:
            raise ValueError(
                "peak_learning_rate and warmup_steps expected positive numbers. Received: "
                f"peak_learning_rate={peak_learning_rate!r}, warmup_steps={warmup_steps!r}"
            )
        if cooldown_steps < 0 or (cooldown_steps and (total_steps or 0) < cooldown_steps):
            raise ValueError(
                "cooldown_steps expected a number from 0 to total_steps. Received: "
                f"cooldown_steps={cooldown_steps!r}, total_steps={total_steps!r}"
            )
        self.peak_learning_rate = peak_learning_rate
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.cooldown_steps = cooldown_steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32") + 1.0
        rise = step / self.warmup_steps
        learning_rate = self.peak_learning_rate * ops.minimum(rise, ops.rsqrt(rise))
        if self.cooldown_steps:
            left = (self.total_steps + 1.0 - step) / self.cooldown_steps
            learning_rate = learning_rate * ops.clip(left, 0.0, 1.0)
        return learning_rate

    def get_config(self) -> dict[str, Any]:
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "cooldown_steps": self.cooldown_steps,
        }
