"""The progress bar of a training."""

from __future__ import annotations

from typing import Any

import keras
from tqdm import tqdm


class ProgressBar(keras.callbacks.Callback):
    """One bar over all steps of a training, on standard error, with loss and rate.

    Args:
        total_steps: steps of the whole training.
        first_step: how many are done already. Default 0.

    Example:
        >>> from keras_tx.training import ProgressBar
        >>> ProgressBar(total_steps=100, first_step=40).first_step
        40
    """

    def __init__(self, total_steps: int, first_step: int = 0) -> None:
        super().__init__()
        self.total_steps = total_steps
        self.first_step = first_step
        self._bar: tqdm | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Training goes in rounds, each of which "begins": the bar opens once.
        if self._bar is None:
            self._bar = tqdm(
                total=self.total_steps, initial=self.first_step, unit="step", mininterval=1.0
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._bar.update(1)
        if logs and batch % 20 == 0:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}", refresh=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = ", ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
        self._bar.write(f"step {self._bar.n}: {figures}", file=self._bar.fp)

    def close(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.close()
