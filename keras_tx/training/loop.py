"""The training loop's set-up: rounds, validation, averaging, checkpoints, resuming."""

from __future__ import annotations

import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_tx.training.frozen_weights import require_changing_weights
from keras_tx.training.lasting_callbacks import LastingCallbacks
from keras_tx.training.memory import keep_freed_memory
from keras_tx.training.options import TrainingOptions, counting
from keras_tx.training.progress import ProgressBar
from keras_tx.training.weights import (
    SnapshotAverage,
    get_values,
    read_arrays,
    set_values,
    write_arrays,
)


def fit_network(
    network: keras.Model,
    batches: Callable[[int], Any],
    validation: Any,
    *,
    loss: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer,
    options: TrainingOptions,
    metrics: Sequence[Any] = (),
    scorers: Sequence[Callable[[keras.Model], dict[str, float]]] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> list[dict[str, float]]:
    """Train a network, and leave it with the best weights that the validation found.

    Training goes in rounds; after each one the network is validated, its weights are
    kept if they are the best, and everything that a later call needs to go on is
    written to the directory. A training that was killed and resumed gives the same
    weights as one that was not.

    Args:
        network: built, not compiled.
        batches: `batches(step)` gives the endless dataset from that step on.
        validation: dataset to validate on.
        loss: the loss.
        optimizer: a new optimizer.
        options: see `TrainingOptions`.
        metrics: Keras metrics.
        scorers: called with the network, with the weights that are being validated, at the
            end of each round: further figures, such as `val_bleu`, for the history and to
            be monitored.
        callbacks: further Keras callbacks. A round is an epoch to them; `on_train_end` comes
            before the best weights are chosen.

    Returns:
        One dictionary a round: `step`, `minutes` (of training and validating so far, those
        of earlier calls included), the training figures, and the validation's under `val_…`.
        The last one is of the weights that were chosen, `chosen` says which.

    Raises:
        ValueError: when the monitored figure is not there, the checkpoint to resume from is not
            of this training, oneDNN was told that weights never change, or `average="ema"`
            meets an optimizer without `use_ema`.

    Example:
        >>> import keras, numpy as np, tensorflow as tf
        >>> from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones(4)))
        >>> history = fit_network(
        ...     network, lambda step: data.repeat(), data, loss=TokenCrossentropy(),
        ...     optimizer=keras.optimizers.Adam(0.1),
        ...     options=TrainingOptions(total_steps=4, steps_per_round=2, progress=False))
        >>> [row["step"] for row in history]
        [2, 4, 4]
    """
    require_changing_weights()
    options.require_average_of(optimizer)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(options.directory or temporary)
        run = _Run(network, optimizer, options, directory, scorers)
        jit_compile = options.jit_compile if keras.backend.backend() == "tensorflow" else "auto"
        network.compile(optimizer, loss=loss, metrics=list(metrics), jit_compile=jit_compile)
        optimizer.build(network.trainable_variables)
        # Each round's `fit` would end by putting the moving average in the weights' place.
        optimizer.finalize_variable_values = lambda variables: None
        run.start()
        if options.progress:
            run.bar = ProgressBar(options.total_steps, first_step=run.step)
        try:
            run.rounds(batches, validation, callbacks)
        except KeyboardInterrupt:
            run.save()
            raise
        finally:
            if run.bar:
                run.bar.close()
        run.choose(validation)
        return run.history


class _Run:
    """The state of one training: what a checkpoint holds, and the steps of the loop."""

    def __init__(
        self,
        network: keras.Model,
        optimizer: Any,
        options: TrainingOptions,
        directory: pathlib.Path,
        scorers: Sequence[Callable],
    ) -> None:
        self.network, self.optimizer, self.options = network, optimizer, options
        self.directory, self.scorers = directory, scorers
        self.validated, self.best, self.waited = 0, float("inf"), 0
        self.history: list[dict[str, float]] = []
        self.bar: ProgressBar | None = None
        self.snapshots = SnapshotAverage(
            directory / "snapshots", options.average_count, best=options.average == "best"
        )
        self.started, self.minutes_before = time.monotonic(), 0.0

    @property
    def step(self) -> int:
        # The optimizer's own count: an interrupt may come between a step and its callbacks. It is
        # of batches: `iterations` counts updates, for which gradients may be accumulated.
        return int(keras.ops.convert_to_numpy(counting(self.optimizer)._iterations))

    @property
    def minutes(self) -> float:
        return self.minutes_before + (time.monotonic() - self.started) / 60

    @property
    def variables(self) -> list[Any]:
        # The network's include the states of its random generators: dropout goes on
        # after a resume with the numbers that it would have drawn.
        return [*self.network.variables, *self.optimizer.variables]

    def start(self) -> None:
        """Read the checkpoint to go on from, or clear what an earlier training left."""
        state = self.directory / "state.npz"
        if self.options.resume and state.exists():
            values, facts = read_arrays(state)
            for name, value in self.identity().items():
                if facts.get(name, value) != value:
                    raise ValueError(
                        f"{name} expected {facts[name]!r}, as the training to resume has it. "
                        f"Received: {name}={value!r}"
                    )
            set_values(self.variables, values, str(state))
            self.minutes_before = facts.get("minutes", 0.0)
            self.best, self.waited = facts["best"], facts["waited"]
            self.validated = facts.get("validated", self.step)
            self.history = facts["history"]
        else:
            self.snapshots.clear()
            for path in (state, self.directory / "best.npz"):
                path.unlink(missing_ok=True)

    def identity(self) -> dict[str, Any]:
        """What a training that goes on must have in common with the one that stopped."""
        return {
            "monitor": self.options.monitor,
            "average": self.options.average,
            "optimizer": type(self.optimizer).__name__,
        }

    def save(self) -> None:
        if keras.backend.backend() == "jax":
            self.network.jax_state_sync()  # Within a round the variables themselves are empty.
        facts = {"step": self.step, "best": self.best, "waited": self.waited}
        facts |= {"validated": self.validated, "history": self.history}
        facts |= {"minutes": self.minutes, **self.identity()}
        write_arrays(self.directory / "state.npz", get_values(self.variables), facts)

    def rounds(self, batches: Callable[[int], Any], validation: Any, callbacks: Sequence) -> None:
        options = self.options
        if options.tensorboard:
            logs = str(self.directory / "tensorboard")
            callbacks = [*callbacks, keras.callbacks.TensorBoard(logs, write_graph=False)]
        lasting = LastingCallbacks(callbacks)
        callbacks = [_Validator(self, validation), lasting, _Saver(self)]
        if self.bar:
            callbacks.append(self.bar)
        ended = self.step % options.steps_per_round == 0 or self.step >= options.total_steps
        if ended and self.validated < self.step:  # Stopped before or during a validation.
            self.finish_round(validation, {})
        while self.step < options.total_steps and not self.out_of_patience():
            minutes = self.minutes - self.minutes_before
            if options.max_minutes is not None and minutes > options.max_minutes:
                break
            number = self.step // options.steps_per_round
            end = min((number + 1) * options.steps_per_round, options.total_steps)
            self.network.fit(
                batches(self.step),
                steps_per_epoch=end - self.step,
                initial_epoch=number,
                epochs=number + 1,
                callbacks=callbacks,
                shuffle=False,  # The plan has shuffled already.
                verbose=0,
            )
            self.save()
            if self.network.stop_training:  # A callback's wish.
                break
        lasting.end()

    def finish_round(self, validation: Any, training: dict[str, float]) -> dict[str, float]:
        """Validate, and note the round's figures."""
        figures, best, waited = self.validate(validation)
        figures["minutes"] = round(self.minutes, 3)
        history = [*self.history, {"step": self.step, **training, **figures}]
        # All at once, and when the files are written: whoever is stopped before validates again.
        self.history, self.validated, self.best, self.waited = history, self.step, best, waited
        return figures

    def out_of_patience(self) -> bool:
        return self.options.patience is not None and self.waited >= self.options.patience

    def evaluate(self, validation: Any) -> dict[str, float]:
        figures = self.network.evaluate(validation, verbose=0, return_dict=True)
        figures = {f"val_{name}": float(value) for name, value in figures.items()}
        for scorer in self.scorers:
            figures |= {name: float(value) for name, value in scorer(self.network).items()}
        return figures

    def validate(self, validation: Any) -> tuple[dict[str, float], float, int]:
        """Validate the weights (their moving average, if there is one); keep the best.

        Returns:
            The figures, the best rank so far, and for how many rounds it has been the best.
        """
        trained = get_values(self.network.trainable_variables)
        try:
            if self.options.average == "ema":
                average = get_values(counting(self.optimizer)._model_variables_moving_average)
                set_values(self.network.trainable_variables, average, "moving average")
            figures = self.evaluate(validation)
            values = get_values(self.network.variables)
        finally:
            self.put_back(trained)
        rank = self.options.rank(figures)
        if rank < self.best:
            write_arrays(self.directory / "best.npz", values, {"step": self.step, **figures})
        if self.options.average in ("last", "best"):
            self.snapshots.add(self.step, values, rank)
        return figures, min(rank, self.best), 0 if rank < self.best else self.waited + 1

    def put_back(self, trained: list[np.ndarray]) -> None:
        """The weights in training, also when interrupted: the checkpoint must hold all of them."""
        try:
            set_values(self.network.trainable_variables, trained, "training")
        except KeyboardInterrupt:
            set_values(self.network.trainable_variables, trained, "training")
            raise

    def choose(self, validation: Any) -> None:
        """Leave the network with the best weights: one round's, or the average."""
        if not (self.directory / "best.npz").exists():
            return  # No figure was ever a number: leave the network as it is.
        chosen = "best"
        if self.options.average in ("last", "best") and len(self.snapshots.paths()) > 1:
            set_values(self.network.variables, self.snapshots.mean(), "average")
            figures = self.evaluate(validation)
            chosen = "average" if self.options.rank(figures) <= self.best else "best"
        if chosen == "best":
            values, figures = read_arrays(self.directory / "best.npz")
            set_values(self.network.variables, values, "best.npz")
        figures["minutes"] = round(self.minutes, 3)
        self.history.append({**figures, "step": self.step, "chosen": chosen})


class _Validator(keras.callbacks.Callback):
    """Validates at the end of a round, first of all callbacks, so that they see the figures."""

    def __init__(self, run: _Run, validation: Any) -> None:
        super().__init__()
        self.run, self.validation = run, validation

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        training = {name: float(value) for name, value in logs.items()}
        logs.update(self.run.finish_round(self.validation, training))


class _Saver(keras.callbacks.Callback):
    """Writes a checkpoint from time to time."""

    def __init__(self, run: _Run) -> None:
        super().__init__()
        self.run, self.last = run, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() - self.last >= self.run.options.save_seconds:
            self.run.save()
            self.last = time.monotonic()
