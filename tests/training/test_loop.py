"""The loop: it learns, keeps the best, averages, stops, and goes on after a kill."""

import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import TokenBatches, TokenSequences, batch_dataset
from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network
from keras_tx.training.weights import read_arrays

STEPS, ROUND = 24, 8


class Killed(Exception):
    """Stands for the end of the process: nothing in the loop catches it."""


class At(keras.callbacks.Callback):
    """Does something when the given step is done, before the loop's own callbacks see it."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action = step, action

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            self.action()


class Record(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append([np.array(v) for v in self.model.trainable_variables])


def raising(error):
    def action():
        raise error

    return action


def problem():
    """Sequences of ids, all alike modulo 3: the class. Shuffled batches, as in real use."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 6, 120)
    labels = generator.integers(0, 3, 120).astype("int32")
    values = 3 * generator.integers(1, 6, sizes.sum()) + np.repeat(labels, sizes)
    sequences = TokenSequences([(values, sizes)])
    signature = (tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32))

    def assemble(rows):
        return sequences.padded(rows), labels[rows]

    plan = TokenBatches(sizes, tokens_per_batch=64, seed=3)
    held_out = TokenBatches(sizes[:40], tokens_per_batch=64, shuffle=False)
    return (
        lambda step: batch_dataset(plan, assemble, signature, first_step=step),
        batch_dataset(held_out, assemble, signature),
    )


def build_network(seed):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 16)(ids)
    x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(ids, keras.layers.Dense(3)(x))


def train(network, directory=None, callbacks=(), **options):
    """Adam with all its state, dropout, and a moving average if asked for."""
    settings = {"total_steps": STEPS, "steps_per_round": ROUND, "progress": False, **options}
    options = TrainingOptions(directory=directory, average_count=2, **settings)
    optimizer = keras.optimizers.Adam(
        0.05,
        global_clipnorm=options.clip_norm,
        use_ema=options.average == "ema",
        ema_momentum=0.8,
        ema_overwrite_frequency=None,
    )
    batches, validation = problem()
    return fit_network(
        network,
        batches,
        validation,
        loss=TokenCrossentropy(),
        optimizer=optimizer,
        options=options,
        callbacks=callbacks,
    )


@pytest.fixture(scope="module", params=["last", "ema"])
def uninterrupted(request):
    network, record = build_network(seed=1), Record()
    history = train(network, average=request.param, callbacks=[record])
    return request.param, network, history, record


def same_weights(network, expected):
    pairs = zip(network.get_weights(), expected.get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def steps(history):
    return [row["step"] for row in history]


def test_it_learns(uninterrupted):
    _, network, history, _ = uninterrupted
    assert steps(history) == [8, 16, 24, 24]
    assert history[-1]["val_loss"] < 0.3  # Guessing gives log 3.
    assert history[-1]["val_loss"] < history[0]["val_loss"]


@pytest.mark.parametrize("step", [3, 13])
def test_killed_and_resumed_is_not_killed(uninterrupted, tmp_path, step):
    average, expected, history, _ = uninterrupted
    killer = At(step, raising(Killed()))
    with pytest.raises(Killed):
        train(build_network(1), tmp_path, [killer], average=average, save_seconds=0)
    resumed = build_network(seed=99)  # A fresh network: all that counts is in the checkpoint.
    found = train(resumed, tmp_path, average=average, resume=True)
    assert same_weights(resumed, expected)
    assert steps(found) == steps(history)
    assert [row["val_loss"] for row in found] == [row["val_loss"] for row in history]


def test_an_interrupt_between_a_step_and_its_callbacks(uninterrupted, tmp_path):
    average, expected, *_ = uninterrupted
    killer = At(11, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        train(build_network(1), tmp_path, [killer], average=average, save_seconds=1e9)
    assert read_arrays(tmp_path / "state.npz")[1]["step"] == 11
    resumed = build_network(seed=99)
    train(resumed, tmp_path, average=average, resume=True)
    assert same_weights(resumed, expected)


class InterruptedValidation(keras.Model):
    """Its second validation is interrupted, after the moving average was put in place."""

    count = 0

    def evaluate(self, *arguments, **keywords):
        self.count += 1
        if self.count == 2:
            raise KeyboardInterrupt
        return super().evaluate(*arguments, **keywords)


def test_an_interrupted_validation_is_made_up_for(uninterrupted, tmp_path):
    average, expected, history, _ = uninterrupted
    network = build_network(seed=1)
    network = InterruptedValidation(network.input, network.output)
    with pytest.raises(KeyboardInterrupt):
        train(network, tmp_path, average=average)
    resumed = build_network(seed=99)
    found = train(resumed, tmp_path, average=average, resume=True)
    assert same_weights(resumed, expected)
    assert [row["val_loss"] for row in found] == [row["val_loss"] for row in history]


def test_without_resume_an_old_checkpoint_counts_for_nothing(tmp_path):
    expected = build_network(seed=1)
    train(expected, total_steps=4, steps_per_round=2)
    train(build_network(seed=5), tmp_path, total_steps=8, steps_per_round=2)
    network = build_network(seed=1)
    history = train(network, tmp_path, total_steps=4, steps_per_round=2)
    assert steps(history) == [2, 4, 4]
    assert same_weights(network, expected)


def test_a_finished_training_is_not_trained_further(tmp_path):
    first = build_network(seed=1)
    train(first, tmp_path, total_steps=4, steps_per_round=2)
    again, record = build_network(seed=9), Record()
    train(again, tmp_path, [record], total_steps=4, steps_per_round=2, resume=True)
    assert not record.weights
    assert same_weights(again, first)


def test_ema_is_validated_and_returned_and_does_not_disturb_the_training(uninterrupted):
    average, network, history, record = uninterrupted
    if average != "ema":
        pytest.skip("about the moving average")
    plain = Record()
    train(build_network(seed=1), average=None, callbacks=[plain])
    np.testing.assert_array_equal(record.weights[-1][0], plain.weights[-1][0])
    best = min(history[:-1], key=lambda row: row["val_loss"])
    moving = record.weights[0]
    for weights in record.weights[1 : best["step"]]:
        pairs = zip(moving, weights, strict=True)
        moving = [0.8 * old + 0.2 * new for old, new in pairs]
    for expected, weight in zip(moving, network.trainable_variables, strict=True):
        np.testing.assert_allclose(np.array(weight), expected, atol=1e-5)
    assert history[-1]["chosen"] == "best"
    assert history[-1]["val_loss"] == best["val_loss"]


# One weight w, loss w²: a step of SGD multiplies w by 1 - 2 · learning rate.


def one_weight(
    value, learning_rate, target=0.0, directory=None, callbacks=(), scorers=(), **options
):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.set_weights([np.array([[value]])])
    data = tf.data.Dataset.from_tensors((np.ones((1, 1)), np.full((1, 1), target)))
    settings = {"steps_per_round": 1, "progress": False, "average": None, **options}
    history = fit_network(
        network,
        lambda step: data.repeat(),
        data,
        loss=keras.losses.MeanSquaredError(),
        optimizer=keras.optimizers.SGD(learning_rate),
        options=TrainingOptions(directory=directory, **settings),
        scorers=scorers,
        callbacks=callbacks,
    )
    return float(network.get_weights()[0][0, 0]), history


def test_the_best_weights_are_kept():
    weight, history = one_weight(2.0, 1.25, total_steps=3)  # times -1.5: -3, 4.5, -6.75
    assert weight == pytest.approx(-3)
    assert [row["val_loss"] for row in history] == pytest.approx([9, 20.25, 45.5625, 9])
    assert history[-1]["chosen"] == "best"


@pytest.mark.parametrize("count, expected", [(2, 0.0), (3, 1.0)])
def test_the_average_of_the_last_rounds_is_kept_if_it_is_the_best(count, expected):
    weight, history = one_weight(  # times -1: -3, 3, -3, 3
        3.0, 1.0, total_steps=4, average="last", average_count=count
    )
    assert weight == pytest.approx(expected)
    assert history[-1]["chosen"] == "average"
    assert history[-1]["val_loss"] == pytest.approx(expected**2)


def test_a_worse_average_is_not_kept():
    weight, history = one_weight(8.0, 0.25, total_steps=3, average="last")  # 4, 2, 1
    assert weight == pytest.approx(1) and history[-1]["chosen"] == "best"


def test_the_average_of_the_best_rounds_is_kept_if_it_is_the_best():
    # times -1.5: -3, 4.5, -6.75; the two best of them
    weight, history = one_weight(2.0, 1.25, total_steps=3, average="best", average_count=2)
    assert weight == pytest.approx((-3 + 4.5) / 2)
    assert history[-1]["chosen"] == "average"


def weight_itself(network):
    return {"val_weight": network.get_weights()[0][0, 0]}


def test_another_figure_may_say_what_is_best_and_higher_is_better():
    options = {"monitor": "val_weight", "scorers": [weight_itself], "total_steps": 3}
    weight, history = one_weight(2.0, 1.25, **options)
    assert weight == pytest.approx(4.5) and history[-1]["chosen"] == "best"
    assert [row["val_weight"] for row in history] == pytest.approx([-3, 4.5, -6.75, 4.5])
    weight, history = one_weight(2.0, 1.25, average="best", average_count=2, **options)
    assert weight == pytest.approx(4.5)  # The mean of 4.5 and -3 is lower.
    _, history = one_weight(2.0, 1.25, patience=1, **options)
    assert steps(history) == [1, 2, 3, 3]


def test_a_figure_that_is_not_there():
    with pytest.raises(ValueError, match=r"\['val_loss'\]. Received: monitor='val_bleu'"):
        one_weight(1.0, 0.1, total_steps=1, monitor="val_bleu")


def test_another_figure_than_before_the_stop(tmp_path):
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path)
    with pytest.raises(ValueError, match="expected 'val_loss', .* Received: monitor='val_weight'"):
        one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, resume=True, monitor="val_weight")


def test_minutes_go_on_after_a_stop(tmp_path):
    slow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(0.3))
    _, before = one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, callbacks=[slow])
    _, after = one_weight(1.0, 0.1, total_steps=3, directory=tmp_path, resume=True)
    minutes = [row["minutes"] for row in after]
    assert minutes[:2] == [row["minutes"] for row in before[:2]]
    assert minutes == sorted(minutes) and minutes[2] >= 2 * 0.3 / 60


def test_patience():
    _, history = one_weight(2.0, 1.25, total_steps=50, patience=2)
    assert steps(history) == [1, 2, 3, 3]


def test_max_minutes(monkeypatch):
    now = [0.0]  # A clock of its own: the machine may be slow to start.
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("keras_tx.training.loop.time", clock)

    def three_minutes(epoch, logs):
        now[0] += 180

    slow = keras.callbacks.LambdaCallback(on_epoch_end=three_minutes)
    _, history = one_weight(1.0, 0.1, total_steps=50, max_minutes=5, callbacks=[slow])
    assert steps(history) == [1, 2, 2]
    assert [row["minutes"] for row in history] == [0, 3, 6]


def test_a_callback_may_stop_the_training():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert logs["val_loss"] > 0  # Callbacks see the validation's figures.
            self.model.stop_training = epoch == 1

    _, history = one_weight(1.0, 0.1, total_steps=50, callbacks=[Stop()])
    assert steps(history) == [1, 2, 2]


def test_a_loss_that_is_no_number_brings_no_older_weights_back(tmp_path):
    one_weight(1.0, 0.25, total_steps=1, directory=tmp_path)
    weight, history = one_weight(1.0, 0.25, target=float("nan"), total_steps=1, directory=tmp_path)
    assert np.isnan(weight) and steps(history) == [1]


def test_checkpoints_that_do_not_fit(tmp_path):
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path)
    with pytest.raises(ValueError, match="expected the checkpoint of a network with the same"):
        train(build_network(1), tmp_path, resume=True)
    state = tmp_path / "state.npz"
    state.write_bytes(state.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"checkpoint written by keras_tx. Received: .*state.npz"):
        one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, resume=True)


def test_tensorboard_files(tmp_path):
    pytest.importorskip("tensorboard")
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").rglob("events.out.tfevents.*"))


def test_progress_goes_to_standard_error(capsys):
    one_weight(1.0, 0.1, total_steps=3, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err and "val_loss" in err
