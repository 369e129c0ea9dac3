"""Callbacks for whom several calls of `fit` are one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class LastingCallbacks(keras.callbacks.CallbackList):
    """Callbacks that see one training where there are rounds, each a call of `fit`.

    Keras begins and ends a training with each call: `EarlyStopping` would forget what it waited
    for, `CSVLogger` write over its file.

    Args:
        callbacks: Keras callbacks.

    Example:
        >>> import keras
        >>> from keras_tx.training.lasting_callbacks import LastingCallbacks
        >>> callbacks = LastingCallbacks([
        ...     keras.callbacks.LambdaCallback(on_train_begin=lambda logs: print("begins"))])
        >>> callbacks.on_train_begin()
        begins
        >>> callbacks.on_train_begin()  # Of the next round.
        >>> callbacks.end()
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self.begun = False
        self.seen: keras.Model | None = None  # Of whom all know.
        super().__init__(list(callbacks))
        self.logs: dict[str, Any] | None = None

    def set_model(self, model: keras.Model) -> None:
        """Once: TensorBoard's would lose its files."""
        if model is not self.seen:
            self.seen = model
            super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.begun:
            super().on_train_begin(logs)
            self.begun = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.logs = logs  # Of a round: whether it was the last one shows later.

    def end(self) -> None:
        """The end of the training, if it ever began."""
        if self.begun:
            super().on_train_end(self.logs)
