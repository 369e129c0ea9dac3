"""The loop: it learns, averages without disturbing, and goes on after a kill."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import TokenBatches, TokenSequences, batch_dataset
from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network
from keras_tx.training.weights import read_arrays, set_values, write_arrays

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


def test_an_interrupt_while_the_weights_are_put_back(tmp_path, monkeypatch):
    expected = build_network(seed=1)
    history = train(expected, average="ema")
    left = ["the first validation's"]

    def interrupted(variables, values, origin):
        half = len(values) // 2
        if origin == "training" and left:
            left.clear()
            set_values(variables[:half], values[:half], origin)
            raise KeyboardInterrupt
        set_values(variables, values, origin)

    monkeypatch.setattr("keras_tx.training.loop.set_values", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(build_network(seed=1), tmp_path, average="ema")
    resumed = build_network(seed=99)
    found = train(resumed, tmp_path, average="ema", resume=True)
    assert same_weights(resumed, expected)
    assert [row["val_loss"] for row in found] == [row["val_loss"] for row in history]


@pytest.mark.parametrize("average", ["last", "best", "ema", None])
@pytest.mark.parametrize("written", [1, 2, 3, 4])
def test_an_interrupt_while_the_best_weights_are_written(tmp_path, monkeypatch, average, written):
    """Of the checkpoint, which is written then, the round must not be a part yet."""
    options = {"average": average, "patience": 1, "total_steps": 12, "steps_per_round": 3}
    expected = build_network(1)
    history = train(expected, **options)
    left = [written]

    def write(path, *arguments):
        if path.name != "state.npz":
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
        write_arrays(path, *arguments)

    for module in ("loop", "weights"):
        monkeypatch.setattr(f"keras_tx.training.{module}.write_arrays", write)
    with pytest.raises(KeyboardInterrupt):
        train(build_network(1), tmp_path, **options)
    resumed = build_network(99)
    found = train(resumed, tmp_path, resume=True, **options)
    assert same_weights(resumed, expected)
    assert [(row["step"], row["val_loss"]) for row in found] == [
        (row["step"], row["val_loss"]) for row in history
    ]


def test_steps_are_batches_also_where_gradients_are_accumulated(tmp_path):
    read = []

    def batches(step):
        read.append(step)
        return data.repeat()

    data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones(4)))
    history = fit_network(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]),
        batches,
        data,
        loss=TokenCrossentropy(),
        optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=4),
        options=TrainingOptions(total_steps=8, steps_per_round=4, progress=False, average=None),
    )
    assert (steps(history), read) == ([4, 8, 8], [0, 4])


@pytest.mark.parametrize("average", [None, "ema"])
def test_an_optimizer_that_scales_the_loss(average):
    data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones(4)))
    adam = keras.optimizers.Adam(0.1, use_ema=average == "ema", ema_overwrite_frequency=None)
    history = fit_network(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]),
        lambda step: data.repeat(),
        data,
        loss=TokenCrossentropy(),
        optimizer=keras.optimizers.LossScaleOptimizer(adam),
        options=TrainingOptions(4, steps_per_round=2, progress=False, average=average),
        callbacks=[At(9, raising(Killed()))],  # Else it might never end.
    )
    assert steps(history) == [2, 4, 4]


def test_weights_in_bfloat16_are_kept_too(tmp_path):
    def network():
        keras.utils.set_random_seed(0)
        dense = keras.layers.Dense(3, dtype="bfloat16")
        return keras.Sequential([keras.Input((2,)), dense])

    data = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones(4)))

    def fit(network, steps, directory=None, resume=False):
        options = {"steps_per_round": 2, "progress": False, "average_count": 2}
        options |= {"directory": directory, "resume": resume}
        return fit_network(
            network,
            lambda step: data.repeat(),
            data,
            loss=TokenCrossentropy(),
            optimizer=keras.optimizers.SGD(0.1),
            options=TrainingOptions(total_steps=steps, **options),
        )

    whole, begun, resumed = network(), network(), network()
    fit(whole, 4)
    fit(begun, 2, tmp_path)
    fit(resumed, 4, tmp_path, resume=True)
    assert same_weights(resumed, whole) and resumed.weights[0].dtype == "bfloat16"


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
