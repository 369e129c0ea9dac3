"""Callbacks across rounds: what Keras' own do in one `fit`, they do here."""

import csv
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.training import TrainingOptions, fit_network


def train(directory, callbacks, rate=1.25, **options):
    """One weight w with the loss w²: a step of this rate multiplies it by -1.5."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.layers[0].kernel.assign([[2.0]])
    data = tf.data.Dataset.from_tensors((np.ones((1, 1)), np.zeros((1, 1))))
    settings = {"steps_per_round": 1, "progress": False, "average": None, **options}
    optimizer = keras.optimizers.SGD(rate)
    history = fit_network(
        network,
        lambda step: data.repeat(),
        data,
        loss=keras.losses.MeanSquaredError(),
        optimizer=optimizer,
        options=TrainingOptions(directory=directory, **settings),
        callbacks=callbacks,
    )
    return history, float(optimizer.learning_rate)


def test_a_training_begins_and_ends_once(tmp_path):
    calls = []

    def note(name):
        return lambda *_, **__: calls.append(name)

    hooks = ("train_begin", "epoch_begin", "train_batch_end", "epoch_end", "train_end")
    callback = keras.callbacks.LambdaCallback(**{f"on_{name}": note(name) for name in hooks})
    train(tmp_path, [callback], total_steps=3)
    one_round = ["epoch_begin", "train_batch_end", "epoch_end"]
    assert calls == ["train_begin", *one_round * 3, "train_end"]
    calls.clear()
    train(tmp_path, [callback], total_steps=3, resume=True)  # Nothing is left to do.
    assert calls == []


def test_keras_own_callbacks(tmp_path):
    log = tmp_path / "log.csv"
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2)
    history, _ = train(tmp_path, [stop, keras.callbacks.CSVLogger(log)], total_steps=50)
    assert [row["step"] for row in history] == [1, 2, 3, 3]  # The first one stays the best.
    rows = list(csv.DictReader(log.open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["val_loss"]) == pytest.approx(history[2]["val_loss"])
    slower = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2, factor=0.5)
    _, rate = train(tmp_path, [slower], total_steps=3)
    assert rate == pytest.approx(1.25 / 2)


def test_tensorboard_counts_on(tmp_path):
    train(tmp_path, [], rate=0.1, total_steps=3, tensorboard=True)
    event_file = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    (path,) = (tmp_path / "tensorboard" / "train").iterdir()  # One file, not one a round.
    steps = [
        event.step
        for event in event_file.EventFileLoader(str(path)).Load()
        if any(value.tag == "epoch_loss" for value in event.summary.value)
    ]
    assert steps == [0, 1, 2]


JAX = """
import keras, numpy as np, sys, tensorflow as tf
from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network
network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones(4)))
options = {"steps_per_round": 4, "progress": False, "directory": sys.argv[1], "save_seconds": 0}
for steps in (4, 8):
    history = fit_network(
        network, lambda step: data.repeat(), data, loss=TokenCrossentropy(),
        optimizer=keras.optimizers.Adam(0.1),
        options=TrainingOptions(total_steps=steps, resume=True, **options))
print([row["step"] for row in history])
"""


def test_checkpoints_within_a_round_on_jax(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", JAX, tmp_path], env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout == "[4, 8, 8]\n"
