"""No training begins where it could not change what the kernels compute with."""

import keras
import pytest
import tensorflow as tf

from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network
from keras_tx.training.frozen_weights import FROZEN_WEIGHTS, require_changing_weights


def train():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    data = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones(4)))
    return fit_network(
        network, lambda step: data.repeat(), data, loss=TokenCrossentropy(),
        optimizer=keras.optimizers.Adam(0.1),
        options=TrainingOptions(total_steps=2, steps_per_round=1, progress=False),
    )  # fmt: skip


@pytest.mark.parametrize("told", ["1", "true", "TRUE"])
def test_a_training_says_so_before_it_starts(monkeypatch, told):
    monkeypatch.setenv(FROZEN_WEIGHTS, told)
    with pytest.raises(ValueError, match=f"^training expected {FROZEN_WEIGHTS} not .*: '{told}'$"):
        train()


@pytest.mark.parametrize("told", [None, "", "0", "false"])
def test_weights_may_change_otherwise(monkeypatch, told):
    monkeypatch.delenv(FROZEN_WEIGHTS, raising=False)
    if told is not None:
        monkeypatch.setenv(FROZEN_WEIGHTS, told)
    require_changing_weights()
    assert train()[-1]["step"] == 2
